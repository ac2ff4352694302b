import type { Authenticator } from "../../auth/authenticator.ts";
import { RotatingToken, type RotatingTokenOptions } from "../../auth/rotating-token.ts";
import type { Broker } from "../../broker/broker.ts";
import type { WorkerHandlers } from "../../broker/handlers.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import type { TokenBucketOptions } from "../../limits/token-bucket.ts";
import type { Clock, Fanout, Log, Random } from "../../ports.ts";
import { EngineServer } from "../engine/server.ts";
import { ChannelApplication } from "./channel-application.ts";
import { ClientAuth } from "./client-auth.ts";
import { SocketIoMover } from "./moving.ts";
import { SocketIoServer } from "./server.ts";

/** The path at which stock Socket.IO clients connect. */
export const SOCKET_IO_PATH = "/socket.io/";

/** What is configured about Socket.IO. */
export interface SocketIoSettings {
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly token: Omit<RotatingTokenOptions, "clock"> & { readonly required: boolean };
  /** Undefined where no key for tokens is configured. */
  readonly jwt: object | undefined;
  /** Undefined where no webhook is configured. */
  readonly webhook: object | undefined;
  /** Whether clients that prove nothing are let in. */
  readonly anonymous: boolean;
  /** What a user id looks like. */
  readonly eventIdPattern: RegExp;
  readonly messageRate: TokenBucketOptions;
  readonly slowConsumerBytes: number;
  readonly maxHandshakes: number;
  readonly authTimeoutMs: number;
  /** How long the state of a connection that broke is kept; 0 is not at all. */
  readonly recoverySeconds: number;
  readonly engine: {
    readonly pingIntervalMs: number;
    readonly pingTimeoutMs: number;
    /** Largest message that a client may send. */
    readonly maxPayloadBytes: number;
  };
}

export interface SocketIoServiceOptions {
  readonly settings: SocketIoSettings;
  readonly hub: Hub;
  readonly broker: Broker;
  readonly handlers: WorkerHandlers;
  /** Whether sessions move to other workers, and come from there. */
  readonly sessionsMove: boolean;
  readonly authenticator: Authenticator;
  readonly fanout: Fanout;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Puts Socket.IO together, whatever its sessions come over. */
export function createSocketIo(options: SocketIoServiceOptions) {
  const { settings, hub, broker, handlers, fanout, counters, clock, random, log } = options;
  const { apps, token, messageRate, authTimeoutMs, maxHandshakes, slowConsumerBytes } = settings;
  const application = new ChannelApplication({
    hub,
    apps,
    auth: new ClientAuth({
      rotating: token.required ? new RotatingToken({ ...token, clock }) : undefined,
      authenticator: options.authenticator,
      acceptsJwt: settings.jwt !== undefined,
      hasWebhook: settings.webhook !== undefined,
      anonymous: settings.anonymous,
      userIdPattern: settings.eventIdPattern,
    }),
    broker,
    handlers,
    recoveryMs: settings.recoverySeconds * 1000,
    messageRate,
    counters,
    clock,
    random,
    log,
  });
  const handler = new SocketIoServer({
    application,
    clock,
    random,
    log,
    counters,
    authTimeoutMs,
    maxHandshakes,
  });
  const mover = new SocketIoMover(handler, application);
  return new EngineServer({
    handler,
    clock,
    random,
    log,
    counters,
    fanout,
    ...(options.sessionsMove ? { cluster: { broker, handlers, mover } } : {}),
    ...settings.engine,
    slowConsumerBytes,
  });
}
