import type { NatsConnection } from "@nats-io/nats-core";
import { createAuthenticator } from "@starling/core/auth/authentication.ts";
import { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { IpcBroker } from "@starling/core/broker/ipc/client.ts";
import type { NatsConfig } from "@starling/core/broker/nats/config.ts";
import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";
import { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { Counters } from "@starling/core/hub/counters.ts";
import { type Drainable, drainSubscribers } from "@starling/core/hub/drain.ts";
import { Hub } from "@starling/core/hub/hub.ts";
import { Presence } from "@starling/core/hub/presence.ts";
import { AllowedOrigins } from "@starling/core/limits/allowed-origins.ts";
import type {
  AfterTurn,
  Clock,
  HttpClient,
  Log,
  OpenStream,
  Random,
} from "@starling/core/ports.ts";
import { EngineStreams } from "@starling/core/sessions/engine/stream-transport.ts";
import {
  handshakeHeaders,
  SIGNALLING_PATH,
} from "@starling/core/sessions/signalling/admissions.ts";
import { createSignalling } from "@starling/core/sessions/signalling/service.ts";
import { createSocketIo, SOCKET_IO_PATH } from "@starling/core/sessions/socketio/service.ts";
import { closeCatalogue } from "@starling/protocol/close-codes.ts";
import { signalLimits } from "@starling/protocol/signalling/limits.ts";
import type { QuicEndpoint } from "@starling/webtransport/quic.ts";
import { WebTransportServer } from "@starling/webtransport/server.ts";
import type { Timers } from "@starling/webtransport/timers.ts";
import type { QuicWorkerConfig } from "./config.ts";
import { TransportCounters } from "./counters.ts";
import { pathOf } from "./request-path.ts";
import { CombinedFanout } from "./sessions/combined-fanout.ts";
import { DatagramBatches } from "./sessions/datagram-batches.ts";
import { SessionFanout } from "./sessions/fanout.ts";
import { Pacer } from "./sessions/pacer.ts";
import { answerHeaders, SignallingEndpoint } from "./signalling-endpoint.ts";
import { SocketIoEndpoint } from "./socketio-endpoint.ts";
import { answerStats, type TransportStats } from "./stats.ts";

/** What the worker needs of the runtime. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
  readonly http: HttpClient;
  readonly timers: Timers;
  /** Opens a stream to the node. */
  readonly open: OpenStream;
  connectToNats(config: NatsConfig, name: string): Promise<NatsConnection>;
  /** Binds the UDP port; throws where it cannot be had. */
  listen(): QuicEndpoint;
}

/** A worker that serves. */
export interface RunningWorker {
  readonly connections: number;
  /** How its connection to NATS stands; undefined where none is configured. */
  linkReport(): LinkReport | undefined;
  /** Lets clients go, a few at a time over `drainMs`, and gives the port up. */
  drain(drainMs: number): Promise<void>;
  /** Leaves the node. */
  end(): Promise<void>;
}

/** How long clients that were closed have to read the last of what they were sent. */
const LAST_WORDS_MS = 1_000;
/**
 * Milliseconds that what is for the node gathers: datagrams come in a few a turn, and fewer frames
 * make each of them cheaper to receive, for both processes.
 */
const GATHER_MS = 2;

/** Joins the node and serves WebTransport. */
export async function startWorker(config: QuicWorkerConfig, world: World): Promise<RunningWorker> {
  const { clock, random, afterTurn, log } = world;
  const { settings, version } = config;
  const endpoint = world.listen();
  const authenticator = await createAuthenticator(settings, world);
  const handlers = new WorkerHandlers();
  const inner = await IpcBroker.connect({
    open: world.open,
    worker: config.worker,
    handler: handlers,
    clock,
    random,
    afterTurn: (callback) => void clock.setTimeout(callback, GATHER_MS),
    log,
    apps: settings.apps,
    rates: config.rates,
    leaseMs: settings.presenceLeaseMs,
  });
  const { nats, node, meshId } = settings;
  const mesh =
    nats &&
    new MeshBroker({
      ...{ inner, handler: handlers, node, meshId, clock, random, afterTurn, log },
      connect: () => world.connectToNats(nats, `starling ${meshId}`),
      apps: settings.apps,
      prefix: nats.prefix,
      streams: nats.streams,
    });
  const broker = mesh ?? inner;
  const [counters, transport] = [new Counters(), new TransportCounters()];
  const { slowConsumerBytes } = settings;
  const { maxPayloadBytes: enginePayloadBytes } = settings.engine;
  const pacer = new Pacer(afterTurn);
  const streams = new EngineStreams({
    clock,
    log,
    counters,
    pacer,
    maxPayloadBytes: enginePayloadBytes,
    slowConsumerBytes,
  });
  const sessions = new SessionFanout();
  const fanout = new CombinedFanout(sessions, streams.fanout);
  const presence = new Presence({ broker, handlers, clock });
  const hub = new Hub({ ...settings, fanout, clock, random, counters, broker, handlers });
  const { server: signalling, admissions } = createSignalling({
    settings,
    hub,
    presence,
    broker,
    authenticator,
    counters,
    clock,
    random,
    log,
    // QUIC keeps its round trips to itself.
    onRoundTrip: () => {},
  });
  const { maxPayloadBytes, maxStateBytes } = settings.signalling;
  const headers = handshakeHeaders(version, settings.meshId);
  const signallingEndpoint = new SignallingEndpoint({
    admissions,
    headers,
    sockets: {
      fanout: sessions,
      pacer,
      batches: new DatagramBatches(),
      counters: transport,
      clock,
      log,
      slowConsumerBytes,
      maxMessageBytes: signalLimits(maxPayloadBytes, maxStateBytes).messageBytes,
      openTimeoutMs: settings.authTimeoutMs,
    },
  });
  const engine = createSocketIo({
    settings,
    hub,
    broker,
    handlers,
    // No session comes from another transport, and none goes to one.
    sessionsMove: false,
    authenticator,
    fanout,
    counters,
    clock,
    random,
    log,
  });
  const origins = new AllowedOrigins(settings.allowedOrigins);
  const socketIoEndpoint = new SocketIoEndpoint({ engine, streams, origins });
  // Whoever comes then is not banned, and hears of all nodes from the start.
  await Promise.all([hub.prepare(), mesh?.reached()]);
  const server = new WebTransportServer({
    endpoint,
    timers: world.timers,
    report: (error) => log.error({ error }, "a WebTransport session failed"),
    handle(request): void | Promise<void> {
      const path = pathOf(request.path);
      if (path === SIGNALLING_PATH) return signallingEndpoint.handle(request);
      if (path === SOCKET_IO_PATH) return socketIoEndpoint.handle(request);
      return request.reject(404, answerHeaders(headers));
    },
  });
  answerStats({
    handlers,
    counters,
    transport: () => transportStats(server, transport),
    mesh,
  });
  const service: Drainable = {
    refuseNew() {
      signalling.refuseNew();
      engine.refuseNew();
    },
    notify: (at) => signalling.notify("shutting_down", at),
    shutDown() {
      signalling.shutDown();
      engine.shutDown();
    },
    unfetched: 0,
  };
  return {
    get connections() {
      return counters.connections;
    },
    linkReport: () => mesh?.linkReport(),
    async drain(drainMs) {
      // Who is refused from now on comes back, and would be waited for again and again.
      const ended = server.ended();
      // Nobody else can listen on the port until it is given up.
      service.refuseNew();
      const subscribers = hub.subscribers();
      const services = [service];
      await drainSubscribers({ services, subscribers, drainMs, clock, random });
      await engine.leave();
      const late = new Promise<void>((resume) => void clock.setTimeout(resume, LAST_WORDS_MS));
      await Promise.race([ended, late]);
      const { code, reason } = closeCatalogue.shutting_down;
      await server.close({ closeCode: code, reason });
    },
    async end() {
      await mesh?.close();
      await inner.close();
    },
  };
}

function transportStats(
  { counters, connections }: WebTransportServer,
  own: TransportCounters,
): TransportStats {
  return {
    sessions: connections,
    sessionsOpened: counters.sessions,
    datagramsSent: counters.datagramsSent,
    datagramsReceived: counters.datagramsReceived,
    datagramsSkipped: counters.datagramsSkipped + own.datagramsOverflowed,
    datagramsWithheld: own.datagramsWithheld,
    datagramsTooLarge: own.datagramsTooLarge,
    datagramsRefused: counters.datagramsRefused,
    datagramsDropped: counters.datagramsDropped + own.datagramsEarly,
    protocolErrors: counters.protocolErrors,
  };
}
