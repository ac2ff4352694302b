import { type ConnectionOptions, credsAuthenticator } from "@nats-io/nats-core";
import type { StreamSettings } from "./mesh-stream.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** How a node reaches NATS, and what it does there. It holds secrets, and is never shown. */
export interface NatsConfig {
  /** `host:port` of each server that is tried. */
  readonly servers: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** Content of a credentials file. */
  readonly credentials?: string | undefined;
  /** Undefined where the servers may do without TLS; PEM. */
  readonly tls?:
    | {
        readonly ca?: string | undefined;
        readonly cert?: string | undefined;
        readonly key?: string | undefined;
      }
    | undefined;
  readonly prefix: string;
  readonly streams: StreamSettings;
}

/** Milliseconds for one attempt to connect, and from one to the next. */
const CONNECT_MS = 5_000;
const RECONNECT_MS = 250;
/** A server that answers no ping for two of these is taken for dead, ms. */
const PING_MS = 5_000;

/**
 * What the client library is told; the same in every runtime.
 *
 * @param echoes whether what is sent comes back to whoever subscribes over the same connection
 */
export function connectionOptions(
  config: NatsConfig,
  name: string,
  echoes = true,
): ConnectionOptions {
  const { servers, user, password, token, credentials, tls } = config;
  return {
    name,
    noEcho: !echoes,
    servers: [...servers],
    timeout: CONNECT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    // An operator may be about to change what a server lets through.
    ignoreAuthErrorAbort: true,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined
      ? {}
      : { authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) }),
    ...(tls === undefined ? {} : { tls: defined(tls) }),
  };
}

function defined(tls: NonNullable<NatsConfig["tls"]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tls).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
