import type { Authenticator } from "@starling/core/auth/authenticator.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import type { Hub } from "@starling/core/hub/hub.ts";
import type { Presence } from "@starling/core/hub/presence.ts";
import { AddressList } from "@starling/core/limits/address-list.ts";
import type { Clock, Log, Random } from "@starling/core/ports.ts";
import { SIGNALLING_PATH } from "@starling/core/sessions/signalling/admissions.ts";
import { createSignalling } from "@starling/core/sessions/signalling/service.ts";
import { createSocketIo, SOCKET_IO_PATH } from "@starling/core/sessions/socketio/service.ts";
import { SseServer } from "@starling/core/sessions/sse/server.ts";
import { version } from "./cli/version.ts";
import type { Config } from "./config/config.ts";
import { type ClientAddress, subscriberAddress } from "./listeners/client-address.ts";
import { EngineEndpoint } from "./listeners/engine-endpoint.ts";
import { OriginPolicy } from "./listeners/origin-policy.ts";
import { SignallingEndpoint } from "./listeners/signalling-endpoint.ts";
import type { BunFanout } from "./listeners/sockets.ts";
import { SseEndpoint } from "./listeners/sse-endpoint.ts";
import type { Endpoint } from "./listeners/subscriber-listener.ts";
import type { Metrics } from "./ops/metrics.ts";

export interface SubscriberOptions {
  readonly config: Config;
  readonly hub: Hub;
  readonly presence: Presence;
  readonly broker: Broker;
  readonly handlers: WorkerHandlers;
  readonly authenticator: Authenticator;
  readonly fanout: BunFanout;
  readonly counters: Counters;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** One protocol that subscribers speak, at its paths. */
export interface SubscriberService {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Refuses new sessions with `shutting_down`; those that there are go on. */
  refuseNew(): void;
  /** Tells clients that understand it by when they will have been closed, ms since the epoch. */
  notify(at: number): void;
  /** Closes every connection in the way that makes its client come back. */
  shutDown(): void;
  /** Sessions that are over, and whose clients have yet to fetch the last of what waits for them. */
  readonly unfetched: number;
  /**
   * Lets no request wait here for another worker any more; its client then asks elsewhere. Resolves when the
   * other workers have what clients of this one may come back for.
   */
  leave(): Promise<void>;
}

/** What the services share beside their options. */
interface Shared extends SubscriberOptions {
  readonly clientAddress: ClientAddress;
}

const EVENTS_PATH = "/events";

/** Every protocol that subscribers may speak, over one hub. */
export function createSubscriberServices(options: SubscriberOptions): readonly SubscriberService[] {
  const { config } = options;
  const proxies = config.useProxy ? AddressList.parse(config.trustProxy) : undefined;
  const shared: Shared = {
    ...options,
    clientAddress: subscriberAddress(proxies),
  };
  return [socketIo(shared), signalling(shared), serverSentEvents(shared)];
}

function socketIo(shared: Shared): SubscriberService {
  const { config } = shared;
  const engine = createSocketIo({ ...shared, settings: config, sessionsMove: true });
  const endpoint = new EngineEndpoint({
    engine,
    origins: new OriginPolicy(config.allowedOrigins),
    maxPayloadBytes: config.engine.maxPayloadBytes,
    clientAddress: shared.clientAddress,
  });
  return {
    endpoints: new Map([[SOCKET_IO_PATH, endpoint]]),
    refuseNew: () => engine.refuseNew(),
    // Socket.IO has no word for it.
    notify: () => {},
    shutDown: () => engine.shutDown(),
    leave: () => engine.leave(),
    get unfetched() {
      return engine.sessions;
    },
  };
}

function signalling(shared: Shared): SubscriberService {
  const { config, metrics } = shared;
  const { server, admissions } = createSignalling({
    ...shared,
    settings: config,
    onRoundTrip: (ms) => metrics.roundTrip(ms),
  });
  const endpoint = new SignallingEndpoint({
    admissions,
    clientAddress: shared.clientAddress,
    version,
    meshId: config.meshId,
  });
  return {
    endpoints: new Map([[SIGNALLING_PATH, endpoint]]),
    refuseNew: () => server.refuseNew(),
    notify: (at) => server.notify("shutting_down", at),
    shutDown: () => server.shutDown(),
    leave: () => Promise.resolve(),
    unfetched: 0,
  };
}

function serverSentEvents(shared: Shared): SubscriberService {
  const { config, hub, broker, counters, clock, random, log, authenticator } = shared;
  const { apps, slowConsumerBytes, maxChannelsPerConnection } = config;
  const sse = new SseServer({
    hub,
    apps,
    clock,
    random,
    counters,
    slowConsumerBytes,
    maxChannelsPerConnection,
    heartbeatMs: config.sseHeartbeatMs,
  });
  const endpoint = new SseEndpoint({
    sse,
    authenticator,
    origins: new OriginPolicy(config.allowedOrigins),
    counters,
    clientAddress: shared.clientAddress,
    broker,
    slowConsumerBytes,
    log,
  });
  return {
    endpoints: new Map([[EVENTS_PATH, endpoint]]),
    refuseNew: () => sse.refuseNew(),
    // An event stream ends without notice, and its client comes back by itself.
    notify: () => {},
    shutDown: () => sse.shutDown(),
    leave: () => Promise.resolve(),
    unfetched: 0,
  };
}
