import { Counters } from "@starling/core/hub/counters.ts";
import { Hub } from "@starling/core/hub/hub.ts";
import type { Log } from "@starling/core/ports.ts";
import { tlsMaterial } from "./certificates/material.ts";
import { developmentCertificateFile } from "./certificates/state-files.ts";
import type { Config } from "./config/config.ts";
import { curlLine } from "./demo/curl-line.ts";
import { demoEndpoints } from "./demo/demo-page.ts";
import { BunFanout } from "./listeners/sockets.ts";
import { stopWithin } from "./listeners/stop.ts";
import { type Endpoint, listenForSubscribers } from "./listeners/subscriber-listener.ts";
import { createPublisherHandler } from "./publish/handler.ts";
import { startPublisherListener } from "./publish/listener.ts";
import { systemClock, systemRandom } from "./runtime/system.ts";
import { createSocketIoService } from "./subscribers.ts";

/** A gateway that listens. */
export interface RunningGateway {
  /** `https://host:port` of the publisher API. */
  readonly publisherUrl: string;
  /** `https://host:port` of the subscribers. */
  readonly subscriberUrl: string;
  /** Takes no more requests, finishes those under way, and closes every connection. */
  stop(): Promise<void>;
}

/** Where Socket.IO clients connect, as their stock configuration has it. */
const SOCKET_IO_PATH = "/socket.io/";

/** How long a stop waits for each port's requests under way. */
const STOP_GRACE_MS = 2_000;

/** Puts a gateway of one process together and lets it listen. */
export async function startGateway(
  config: Config,
  { log }: { readonly log: Log },
): Promise<RunningGateway> {
  const clock = systemClock;
  const tls = await tlsMaterial(config, clock);
  const counters = new Counters();
  const fanout = new BunFanout();
  const { apps, slowConsumerBytes, maxChannelsPerConnection } = config;
  const hub = new Hub({ fanout, counters, apps, slowConsumerBytes, maxChannelsPerConnection });
  const socketIo = createSocketIoService({
    config,
    hub,
    fanout,
    counters,
    clock,
    random: systemRandom,
    log,
  });
  const publishers = startPublisherListener({
    handler: createPublisherHandler({ config, hub, counters, clock, log }),
    tls: { ...tls, verifyOrigin: config.tls.verifyOrigin },
    hostname: config.host,
    port: config.publisherPort,
    log,
  });
  const publisherUrl = publishers.url.origin;
  log.info({ url: publisherUrl }, "publisher API listening");

  const endpoints = new Map<string, Endpoint>([
    [SOCKET_IO_PATH, socketIo.endpoint],
    ...(config.production ? [] : demoPage(config, publisherUrl)),
  ]);

  const subscribers = listenForSubscribers({
    host: config.host,
    port: config.subscriberPort,
    tls,
    sockets: { maxPayloadBytes: config.engine.maxPayloadBytes, slowConsumerBytes },
    endpoints,
    onError: (error) => log.error({ error }, "a subscriber request failed"),
  });
  fanout.use(subscribers);
  const subscriberUrl = subscribers.url.origin;
  log.info({ url: subscriberUrl }, "subscriber listener listening");

  return {
    publisherUrl,
    subscriberUrl,
    async stop() {
      await stopWithin(publishers, clock, STOP_GRACE_MS);
      socketIo.engine.shutDown();
      await stopWithin(subscribers, clock, STOP_GRACE_MS);
    },
  };
}

function demoPage(config: Config, publisherUrl: string): ReadonlyMap<string, Endpoint> {
  const certFile = developmentCertificateFile(config.stateDir);
  return demoEndpoints({
    curlLine: (channel) => curlLine(config, { publisherUrl, channel, certFile }),
  });
}
