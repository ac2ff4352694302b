import { Counters } from "@starling/core/hub/counters.ts";
import { Hub } from "@starling/core/hub/hub.ts";
import { Presence } from "@starling/core/hub/presence.ts";
import type { Log } from "@starling/core/ports.ts";
import { createAuthentication } from "./authentication.ts";
import { tlsMaterial } from "./certificates/material.ts";
import { developmentCertificateFile } from "./certificates/state-files.ts";
import { version } from "./cli/version.ts";
import type { Config } from "./config/config.ts";
import { curlLine } from "./demo/curl-line.ts";
import { demoEndpoints } from "./demo/demo-page.ts";
import { handshakeHeaders } from "./listeners/signalling-endpoint.ts";
import { BunFanout } from "./listeners/sockets.ts";
import { stopWithin } from "./listeners/stop.ts";
import { type Endpoint, listenForSubscribers } from "./listeners/subscriber-listener.ts";
import { MemoryTrimmer } from "./ops/memory-trimmer.ts";
import { Metrics } from "./ops/metrics.ts";
import { createPublisherHandler, type PublisherHandler } from "./publish/handler.ts";
import { startPublisherListener } from "./publish/listener.ts";
import { systemClock, systemRandom, trimMemory } from "./runtime/system.ts";
import { createSubscriberServices } from "./subscribers.ts";

/** A gateway that listens. */
export interface RunningGateway {
  /** `https://host:port` of the publisher API. */
  readonly publisherUrl: string;
  /** `https://host:port` of the subscribers. */
  readonly subscriberUrl: string;
  /** Takes no more requests, finishes those under way, and closes every connection. */
  stop(): Promise<void>;
}

/** How long a stop waits for each port's requests under way. */
const STOP_GRACE_MS = 2_000;

/** Puts a gateway of one process together and lets it listen. */
export async function startGateway(
  config: Config,
  { log }: { readonly log: Log },
): Promise<RunningGateway> {
  const [clock, random] = [systemClock, systemRandom];
  const tls = await tlsMaterial(config, clock);
  const { authenticator, issuer } = await createAuthentication(config, { clock, random, log });
  const counters = new Counters();
  const metrics = new Metrics(counters);
  const fanout = new BunFanout();
  const presence = new Presence();
  const { apps, slowConsumerBytes, maxChannelsPerConnection } = config;
  const hub = new Hub({
    fanout,
    clock,
    counters,
    apps,
    slowConsumerBytes,
    maxChannelsPerConnection,
  });
  const services = createSubscriberServices({
    config,
    hub,
    presence,
    authenticator,
    fanout,
    counters,
    metrics,
    clock,
    random,
    log,
  });
  const publish = createPublisherHandler({
    config,
    hub,
    presence,
    issuer,
    counters,
    metrics,
    clock,
    log,
  });

  const publishers =
    config.singlePort === undefined
      ? startPublisherListener({
          handler: publish,
          tls: { ...tls, verifyOrigin: config.tls.verifyOrigin },
          hostname: config.host,
          port: config.publisherPort,
          log,
        })
      : undefined;
  const endpoints = new Map<string, Endpoint>(services.flatMap((each) => [...each.endpoints]));
  // The demo page names the publishers' address, which a shared port has only once it listens.
  let publisherUrl = publishers?.url.origin ?? "";
  if (!config.production) {
    for (const [path, page] of demoPage(config, () => publisherUrl)) endpoints.set(path, page);
  }
  const subscribers = listenForSubscribers({
    host: config.host,
    port: config.singlePort ?? config.subscriberPort,
    tls,
    sockets: { maxPayloadBytes: config.engine.maxPayloadBytes, slowConsumerBytes },
    endpoints,
    otherwise: publishers === undefined ? publisherEndpoint(publish) : undefined,
    handshakeHeaders: handshakeHeaders(version, config.meshId),
    onError: (error) => log.error({ error }, "a subscriber request failed"),
  });
  fanout.use(subscribers);
  const subscriberUrl = subscribers.url.origin;
  publisherUrl ||= subscriberUrl;
  log.info({ url: publisherUrl }, "publisher API listening");
  log.info({ url: subscriberUrl }, "subscriber listener listening");

  const trimmer = new MemoryTrimmer(counters, clock, trimMemory);
  trimmer.start();

  return {
    publisherUrl,
    subscriberUrl,
    async stop() {
      trimmer.stop();
      if (publishers !== undefined) await stopWithin(publishers, clock, STOP_GRACE_MS);
      for (const service of services) service.shutDown();
      await stopWithin(subscribers, clock, STOP_GRACE_MS);
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

function demoPage(config: Config, publisherUrl: () => string): ReadonlyMap<string, Endpoint> {
  const certFile = developmentCertificateFile(config.stateDir);
  return demoEndpoints({
    curlLine: (channel) => curlLine(config, { publisherUrl: publisherUrl(), channel, certFile }),
  });
}
