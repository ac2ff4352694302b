import type { NatsConfig } from "@starling/core/broker/nats/config.ts";
import type { HookConfigs, HookSettings } from "@starling/core/hooks/config.ts";
import type { AppConfig } from "@starling/core/hub/namespace.ts";
import type { TokenBucketOptions } from "@starling/core/limits/token-bucket.ts";

export type { AppConfig, NamespaceConfig } from "@starling/core/hub/namespace.ts";

/** The least severe log line that is written. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";

/** Where the certificate of both ports comes from. */
export type CertificateSource =
  | {
      readonly kind: "files";
      /** PEM file of the certificate, with its chain; an absolute path. */
      readonly certFile: string;
      /** PEM file of the private key; an absolute path. */
      readonly keyFile: string;
    }
  /** Self-made for localhost and kept in the state folder; never in production. */
  | { readonly kind: "development" };

export interface TlsConfig {
  readonly certificate: CertificateSource;
  /** PEM file of the authorities that client certificates of publishers are checked against. */
  readonly caFile: string | undefined;
  /** Whether publishers must present a client certificate; then `caFile` is set. */
  readonly verifyOrigin: boolean;
}

export interface TokenConfig {
  /**
   * Whether a Socket.IO client that proves nothing else must bring the rotating token. False does
   * not mean that anybody comes in: `Config.anonymous` does.
   */
  readonly required: boolean;
  /** What the token is derived from; not empty where `required`, else perhaps empty. */
  readonly secret: string;
  /** Hour of the day, UTC, at which the token changes; 0–23. */
  readonly renewStartHour: number;
  readonly renewIntervalMs: number;
  /** How long the previous token is still accepted, and the next one already. */
  readonly graceMs: number;
}

export interface PublicKeysConfig {
  /** The app of each key. */
  readonly keys: ReadonlyMap<string, string>;
  /** The app that every other key leads to; undefined refuses other keys. */
  readonly openApp: string | undefined;
}

export interface JwtConfig {
  /** Shared secret; at least 32 bytes. */
  readonly secret: string | undefined;
  /** SPKI in PEM; undefined where there is a key set. */
  readonly publicKey: string | undefined;
  readonly keySet:
    | { readonly url: string; readonly maxAgeMs: number; readonly cooldownMs: number }
    | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly leewaySeconds: number;
}

export interface WebhookConfig {
  readonly url: string;
  /** Signs the questions; undefined leaves them unsigned. */
  readonly secret: string | undefined;
  readonly timeoutMs: number;
  readonly retries: number;
  /** 0 remembers no answer. */
  readonly cacheMs: number;
  readonly concurrency: number;
  readonly breakerFailures: number;
  readonly breakerPauseMs: number;
}

export interface EngineConfig {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** Largest message that a client may send. */
  readonly maxPayloadBytes: number;
}

export interface SignallingConfig {
  /** Largest payload of a message, without what is beside it in the message. */
  readonly maxPayloadBytes: number;
  /** Largest state of a member. */
  readonly maxStateBytes: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/**
 * The configuration of a gateway, checked and complete.
 *
 * `variables.ts` names the variable, default and meaning of each field.
 */
export interface Config {
  /** Whether NODE_ENV is `production`: nothing then falls back to what is only safe on loopback. */
  readonly production: boolean;
  /** Names of earlier settings that are set and have no effect any more. */
  readonly replacedNames: readonly string[];
  /** Address that both ports are bound to. */
  readonly host: string;
  /** The TCP port that publishers and subscribers share; then both others have this value. */
  readonly singlePort: number | undefined;
  /** TCP port of publishers; 0 lets the system choose. */
  readonly publisherPort: number;
  /** TCP port of subscribers; 0 lets the system choose. */
  readonly subscriberPort: number;
  /** Whether WebTransport is served, on the UDP port with the number of the subscribers' port. */
  readonly webTransport: boolean;
  /** The program of Deno; undefined for the one that is installed. */
  readonly denoPath: string | undefined;
  readonly clusterMode: boolean;
  /** A number, or `max`; as it was written. */
  readonly clusterInstances: string;
  /** How long a worker of a cluster may be silent. */
  readonly presenceLeaseMs: number;
  /** Bytes that what channels keep may take on the node. */
  readonly historyMaxBytes: number;
  /** How long the state of a Socket.IO connection that broke is kept; 0 is not at all. */
  readonly recoverySeconds: number;
  /** Over how long a stop may spread the ends of connections; 0 is at once. */
  readonly drainMs: number;
  /** Origins as browsers send them (`https://example.org`), or `*` for any. */
  readonly allowedOrigins: readonly string[];
  /** Addresses and CIDR ranges of publishers. */
  readonly allowedIps: readonly string[];
  readonly useProxy: boolean;
  /** Addresses and CIDR ranges of proxies; not empty where `useProxy`. */
  readonly trustProxy: readonly string[];
  readonly tls: TlsConfig;
  readonly token: TokenConfig;
  /** Whether clients of Socket.IO and SSE that prove nothing are let in. */
  readonly anonymous: boolean;
  readonly publicKeys: PublicKeysConfig;
  /** Undefined where no key for tokens is configured. */
  readonly jwt: JwtConfig | undefined;
  /** Undefined where no webhook is configured. */
  readonly webhook: WebhookConfig | undefined;
  /** Absolute path of the folder of log files; undefined writes to standard output. */
  readonly logsDir: string | undefined;
  readonly logLevel: LogLevel;
  /** What a user id, and with it an event name of the two older publish requests, looks like. */
  readonly eventIdPattern: RegExp;
  /** Connections a second of one user; 0 = off. */
  readonly connectRatePerUser: number;
  /** Connections a second of one address; 0 = off. */
  readonly connectRatePerAddress: number;
  /** Publisher requests a second of one API key; 0 = off. */
  readonly apiRatePerKey: number;
  readonly maxBodyBytes: number;
  /** Bytes buffered for one connection above which it is disconnected. */
  readonly slowConsumerBytes: number;
  /** Channels that one connection may be subscribed to. */
  readonly maxChannelsPerConnection: number;
  /** Bearer keys of the native publisher API; empty = none is asked for. */
  readonly apiKeys: readonly string[];
  readonly idempotencyWindowMs: number;
  /** Absolute path of the folder of development certificate, pid file and socket. */
  readonly stateDir: string;
  /** Messages of one connection; a rate of 0 = off. */
  readonly messageRate: TokenBucketOptions;
  /** Connections that may be unauthenticated at one time. */
  readonly maxHandshakes: number;
  /** Time that a connection has to authenticate. */
  readonly authTimeoutMs: number;
  readonly engine: EngineConfig;
  /** Name of this node in the signalling protocol, printable ASCII; empty = none. */
  readonly meshId: string;
  /** Origins at which clients reach this node, the preferred one first; empty = they are told none. */
  readonly publicUrls: readonly string[];
  /** Where this node is, in the words of whoever runs it. */
  readonly region: string | undefined;
  /** How this node and others are a mesh; undefined where it is alone. */
  readonly nats: NatsConfig | undefined;
  readonly signalling: SignallingConfig;
  /** Time after which an idle stream of server-sent events gets a comment. */
  readonly sseHeartbeatMs: number;
  /** By name; always has `default` and the apps of `publicKeys`, each with its `signalling`. */
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Of each app that has any. */
  readonly hooks: HookConfigs;
  readonly hookSettings: HookSettings;
}
