import type { Answer } from "@starling/core/answer.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { CpuShare } from "@starling/core/cpu-share.ts";
import { Counters } from "@starling/core/hub/counters.ts";
import { Hub } from "@starling/core/hub/hub.ts";
import { Presence } from "@starling/core/hub/presence.ts";
import type { ListedNode } from "@starling/core/mesh-directory/listed-nodes.ts";
import type { Log } from "@starling/core/ports.ts";
import { handshakeHeaders } from "@starling/core/sessions/signalling/admissions.ts";
import { createAuthentication } from "./authentication.ts";
import { ExpiryWatch } from "./certificates/expiry-watch.ts";
import { tlsMaterial } from "./certificates/material.ts";
import { developmentCertificateFile } from "./certificates/state-files.ts";
import { version } from "./cli/version.ts";
import type { Config } from "./config/config.ts";
import { curlLine, quicUrl } from "./demo/curl-line.ts";
import { demoEndpoints } from "./demo/demo-page.ts";
import { CERTIFICATE_HASH_PATH, certificateHashEndpoint } from "./listeners/certificate-hash.ts";
import { NODES_PATH, nodesEndpoint } from "./listeners/nodes-endpoint.ts";
import { OriginPolicy } from "./listeners/origin-policy.ts";
import { Ports } from "./listeners/ports.ts";
import { pathOf } from "./listeners/request-url.ts";
import { BunFanout } from "./listeners/sockets.ts";
import { type Endpoint, listenForSubscribers } from "./listeners/subscriber-listener.ts";
import { listenWithUdpTwin } from "./listeners/udp-twin.ts";
import { type DrainCause, drain } from "./node/drain.ts";
import { joinMesh } from "./node/mesh-link.ts";
import { NodeList } from "./node/node-list.ts";
import type { Listening, WorkerReport } from "./node/worker-process.ts";
import type { Health } from "./ops/health.ts";
import { closing, READY_PATH, readiness, readyEndpoint } from "./ops/health-answers.ts";
import { MemoryTrimmer } from "./ops/memory-trimmer.ts";
import { Metrics } from "./ops/metrics.ts";
import { createPublisherHandler, type PublisherHandler } from "./publish/handler.ts";
import { startPublisherListener } from "./publish/listener.ts";
import type { SharedCounts } from "./publish/node-stats.ts";
import { cpuTimeMs, systemClock, systemRandom, trimMemory } from "./runtime/system.ts";
import { createSubscriberServices } from "./subscribers.ts";

/** A worker's place in its node. */
export interface NodeLink {
  readonly broker: Broker;
  /** What the node itself counts. */
  sharedCounts(): Answer<SharedCounts>;
  /** The nodes of the mesh. */
  nodes(): Answer<readonly ListedNode[]>;
  /** Leaves the node once everything has arrived there. */
  close(): Promise<void>;
}

export interface GatewayOptions {
  readonly log: Log;
  readonly health: Health;
  /** Joins the node; `handlers` is what the worker will do for the others. */
  join(handlers: WorkerHandlers): Promise<NodeLink>;
  /** Whether other processes listen on the same ports. */
  readonly shared: boolean;
  /** What the others listen on, in the place of the ports configured; undefined where nobody does. */
  readonly listening: Listening | undefined;
}

/** A gateway that listens. */
export interface RunningGateway {
  readonly listening: Listening;
  report(): WorkerReport;
  /** Lets clients go, a few at a time; what other workers need of this one still works. */
  drain(cause: DrainCause): Promise<void>;
  /** Finishes what is under way, and leaves the node. */
  end(): Promise<void>;
}

/** Puts a worker together and lets it listen. */
export async function startGateway(
  config: Config,
  options: GatewayOptions,
): Promise<RunningGateway> {
  const { log, health, shared } = options;
  const [clock, random] = [systemClock, systemRandom];
  const tls = await tlsMaterial(config, clock, shared ? "later" : "start");
  const { authenticator, issuer } = await createAuthentication(config, { clock, random, log });
  const handlers = new WorkerHandlers();
  const { broker: inner, sharedCounts, close: leaveNode, ...link } = await options.join(handlers);
  const nodes = new NodeList(() => link.nodes(), clock);
  const mesh = joinMesh(config, { inner, handlers, health, log });
  const broker = mesh ?? inner;
  const counters = new Counters();
  const metrics = new Metrics(counters, mesh);
  const fanout = new BunFanout();
  const presence = new Presence({ broker, handlers, clock });
  const { apps, slowConsumerBytes, maxChannelsPerConnection } = config;
  const hub = new Hub({
    fanout,
    clock,
    random,
    counters,
    broker,
    handlers,
    apps,
    slowConsumerBytes,
    maxChannelsPerConnection,
  });
  const services = createSubscriberServices({
    config,
    hub,
    presence,
    broker,
    handlers,
    authenticator,
    fanout,
    counters,
    metrics,
    clock,
    random,
    log,
  });
  const publish = watched(
    createPublisherHandler({
      config,
      hub,
      broker,
      handlers,
      issuer,
      counters,
      metrics,
      clock,
      log,
      sharedCounts,
      nodes,
    }),
    health,
  );

  // Whoever comes then is not banned, and hears of all nodes from the start.
  await Promise.all([hub.prepare(), mesh?.reached()]);
  const publishers =
    config.singlePort === undefined
      ? startPublisherListener({
          handler: publish,
          tls: { ...tls, verifyOrigin: config.tls.verifyOrigin },
          hostname: config.host,
          port: options.listening?.publisherPort ?? config.publisherPort,
          shared,
          log,
        })
      : undefined;
  const endpoints = new Map<string, Endpoint>(services.flatMap((each) => [...each.endpoints]));
  const origins = new OriginPolicy(config.allowedOrigins);
  endpoints.set(READY_PATH, readyEndpoint(health, origins));
  endpoints.set(NODES_PATH, nodesEndpoint(config, { nodes, origins, clock, log }));
  if (config.tls.certificate.kind === "development") {
    endpoints.set(CERTIFICATE_HASH_PATH, certificateHashEndpoint(tls.cert));
  }
  // The demo page names addresses, which are known only once all listen.
  let urls = { publisherUrl: "", subscriberUrl: "" };
  if (!config.production) {
    for (const [path, page] of demoPage(config, () => urls)) endpoints.set(path, page);
  }
  const port = options.listening?.subscriberPort ?? config.subscriberPort;
  const listen = () =>
    listenForSubscribers({
      host: config.host,
      port,
      shared,
      tls,
      sockets: { maxPayloadBytes: config.engine.maxPayloadBytes, slowConsumerBytes },
      endpoints,
      otherwise: publishers === undefined ? publisherEndpoint(publish) : undefined,
      handshakeHeaders: handshakeHeaders(version, config.meshId),
      finish: (answer) => closing(health, answer),
      onError: (error) => log.error({ error }, "a subscriber request failed"),
    });
  const subscribers =
    port === 0 && config.webTransport ? await listenWithUdpTwin(config.host, listen) : listen();
  fanout.use(subscribers);
  const ports = new Ports({ publishers, subscribers, shared, clock, log });
  urls = ports.listening;
  const trimmer = new MemoryTrimmer(counters, clock, trimMemory);
  trimmer.start();
  const expiry = new ExpiryWatch(tls.cert, clock, log);
  expiry.start();
  const cpu = new CpuShare(clock, cpuTimeMs);
  cpu.start();

  return {
    listening: ports.listening,
    report: () => ({
      connections: counters.connections,
      memoryBytes: process.memoryUsage.rss(),
      cpu: cpu.share,
      ...(mesh === undefined ? {} : { nats: mesh.linkReport() }),
    }),
    drain: (cause) =>
      drain({
        cause,
        health,
        services,
        subscribers: () => hub.subscribers(),
        drainMs: config.drainMs,
        clock,
        random,
        leavePorts: () => ports.leave(cause),
      }),
    async end() {
      await Promise.all(services.map((service) => service.leave()));
      trimmer.stop();
      expiry.stop();
      cpu.stop();
      await ports.stop();
      await mesh?.close();
      await leaveNode();
    },
  };
}

/** The publisher API that also tells whether it is ready. */
function watched(handler: PublisherHandler, health: Health): PublisherHandler {
  return {
    async fetch(request, peer) {
      if (pathOf(request.url) === READY_PATH) return closing(health, readiness(health));
      return closing(health, await handler.fetch(request, peer));
    },
  };
}

/** The publisher API on a port that it shares with subscribers. */
function publisherEndpoint(handler: PublisherHandler): Endpoint {
  return {
    fetch(request, server) {
      const peer = server.requestIP(request);
      return handler.fetch(request, peer ?? { address: "", port: 0 });
    },
  };
}

function demoPage(
  config: Config,
  urls: () => Pick<Listening, "publisherUrl" | "subscriberUrl">,
): ReadonlyMap<string, Endpoint> {
  const certFile = developmentCertificateFile(config.stateDir);
  return demoEndpoints({
    curlLine: (channel) => curlLine(config, { ...urls(), channel, certFile }),
    webTransportHost: () =>
      config.webTransport ? new URL(quicUrl(urls().subscriberUrl)).hostname : undefined,
  });
}
