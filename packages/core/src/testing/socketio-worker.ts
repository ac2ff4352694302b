import { Authenticator } from "../auth/authenticator.ts";
import type { JwtVerifier } from "../auth/jwt.ts";
import { PublicKeys } from "../auth/public-keys.ts";
import { RotatingToken } from "../auth/rotating-token.ts";
import type { Broker } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import { Counters } from "../hub/counters.ts";
import { Hub } from "../hub/hub.ts";
import type { AppConfig } from "../hub/namespace.ts";
import { EngineServer } from "../sessions/engine/server.ts";
import { ChannelApplication } from "../sessions/socketio/channel-application.ts";
import { ClientAuth } from "../sessions/socketio/client-auth.ts";
import { SocketIoMover } from "../sessions/socketio/moving.ts";
import { SocketIoServer } from "../sessions/socketio/server.ts";
import type { FakeClock } from "./fake-clock.ts";
import { FakeNetwork } from "./fake-network.ts";
import { RecordingLog } from "./recording-log.ts";
import { SeededRandom } from "./seeded-random.ts";

const UUID = /^[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$/i;

export interface WorkerSettings {
  readonly clock: FakeClock;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly broker: Broker;
  readonly handlers: WorkerHandlers;
  readonly withToken?: boolean | undefined;
  readonly jwt?: JwtVerifier | undefined;
  readonly maxHandshakes?: number | undefined;
  readonly maxChannelsPerConnection?: number | undefined;
  readonly slowConsumerBytes?: number | undefined;
  readonly seed?: number | undefined;
  readonly recoveryMs?: number | undefined;
}

/** Everything that serves Socket.IO clients on one worker, over a network in memory. */
export function socketIoWorker(settings: WorkerSettings) {
  const { clock, apps, broker, handlers, jwt } = settings;
  const { withToken = false, maxHandshakes = 10, maxChannelsPerConnection = 3 } = settings;
  const { slowConsumerBytes = 1024, seed = 1, recoveryMs = 120_000 } = settings;
  const network = new FakeNetwork(slowConsumerBytes);
  const counters = new Counters();
  const log = new RecordingLog();
  const random = new SeededRandom(seed);
  const hub = new Hub({
    fanout: network,
    clock,
    random,
    counters,
    broker,
    handlers,
    apps,
    slowConsumerBytes,
    maxChannelsPerConnection,
  });
  const token = new RotatingToken({
    secret: "a secret",
    renewStartHour: 0,
    renewIntervalMs: 86_400_000,
    graceMs: 300_000,
    clock,
  });
  const application = new ChannelApplication({
    hub,
    apps,
    auth: new ClientAuth({
      rotating: withToken ? token : undefined,
      authenticator: new Authenticator({
        apps,
        publicKeys: new PublicKeys({ keys: new Map() }),
        jwt,
        webhook: undefined,
        anonymousSse: false,
      }),
      acceptsJwt: jwt !== undefined,
      hasWebhook: false,
      anonymous: !withToken && jwt === undefined,
      userIdPattern: UUID,
    }),
    broker,
    handlers,
    recoveryMs,
    random,
    messageRate: { ratePerSecond: 10, burst: 20 },
    clock,
    counters,
    log,
  });
  const handler = new SocketIoServer({
    application,
    clock,
    random,
    log,
    counters,
    authTimeoutMs: 10_000,
    maxHandshakes,
  });
  const engine = new EngineServer({
    handler,
    clock,
    random,
    log,
    counters,
    fanout: network,
    cluster: { broker, handlers, mover: new SocketIoMover(handler, application) },
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    maxPayloadBytes: 1_000_000,
    slowConsumerBytes,
  });
  return { clock, network, counters, log, hub, token, engine, broker, handlers };
}

export type SocketIoWorker = ReturnType<typeof socketIoWorker>;
