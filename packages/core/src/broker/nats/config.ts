import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
} from "@nats-io/nats-core";
import type { StreamSettings } from "./stream-config.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** How a node reaches NATS, and what it does there. It holds secrets, and is never shown. */
export interface NatsConfig {
  /** `host:port` of each server that is tried. */
  readonly servers: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** Content of a credentials file: the JWT and the seed of a user, or a seed alone. */
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

/** What the client library is told; the same in every runtime. */
export function connectionOptions(config: NatsConfig, name: string): ConnectionOptions {
  const { servers, user, password, token, credentials, tls } = config;
  return {
    name,
    servers: [...servers],
    timeout: CONNECT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    // A worker has delivered what it publishes; what streams have kept comes from the server.
    noEcho: true,
    // An operator may be about to change what a server lets through.
    ignoreAuthErrorAbort: true,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined ? {} : { authenticator: authenticatorOf(credentials) }),
    ...(tls === undefined ? {} : { tls: defined(tls) }),
  };
}

/** What a user's seed looks like, alone or in a file that has a JWT as well. */
const SEED = /\bSU[A-Z2-7]{56}\b/;

/** Whether that is the content of a credentials file. */
export function areCredentials(text: string): boolean {
  return SEED.test(text);
}

function authenticatorOf(credentials: string): Authenticator {
  const encoder = new TextEncoder();
  if (credentials.includes("BEGIN NATS USER JWT")) {
    return credsAuthenticator(encoder.encode(credentials));
  }
  return nkeyAuthenticator(encoder.encode(SEED.exec(credentials)?.[0] ?? ""));
}

function defined(tls: NonNullable<NatsConfig["tls"]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tls).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
