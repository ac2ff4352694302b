import type { AuthenticationSettings } from "@starling/core/auth/authentication.ts";
import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { NatsConfig } from "@starling/core/broker/nats/config.ts";
import type { NodeOptions } from "@starling/core/broker/node.ts";
import type { SignallingSettings } from "@starling/core/sessions/signalling/service.ts";
import type { SocketIoSettings } from "@starling/core/sessions/socketio/service.ts";

/** The least severe log line that is written. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";

/** What is configured, in the parts that this worker needs. */
export interface QuicSettings
  extends AuthenticationSettings,
    SignallingSettings,
    Omit<SocketIoSettings, "jwt" | "webhook"> {
  readonly logLevel: LogLevel;
  readonly maxChannelsPerConnection: number;
  readonly drainMs: number;
  readonly presenceLeaseMs: number;
  /** How this node and others are a mesh; undefined where it is alone. */
  readonly nats: NatsConfig | undefined;
  /** Names the node in the mesh. */
  readonly node: string;
}

/** All that the worker is told when it starts. It holds secrets, and is never shown. */
export interface QuicWorkerConfig {
  readonly version: string;
  readonly worker: WorkerId;
  /** Path of the node's socket. */
  readonly socket: string;
  /** IP address to bind to. */
  readonly host: string;
  /** UDP port. */
  readonly port: number;
  /** The certificate with its chain, PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** What holds while the link to the node is down. */
  readonly rates: NodeOptions["rates"];
  readonly settings: QuicSettings;
}

/** How a map, or a regular expression, is written. */
interface Tagged {
  readonly $map?: readonly (readonly [unknown, unknown])[];
  readonly $regexp?: readonly [source: string, flags: string];
}

/** One line of text; `decodeConfig` reads it. */
export function encodeConfig(config: QuicWorkerConfig): string {
  return JSON.stringify(config, (_key, value: unknown): unknown => {
    if (value instanceof Map) return { $map: [...value] } satisfies Tagged;
    if (value instanceof RegExp) return { $regexp: [value.source, value.flags] } satisfies Tagged;
    return value;
  });
}

/** Reads what the same version of Starling has written. */
export function decodeConfig(line: string): QuicWorkerConfig {
  return JSON.parse(line, (_key, value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    const { $map, $regexp }: Tagged = value;
    if ($map !== undefined) return new Map($map);
    return $regexp === undefined ? value : new RegExp(...$regexp);
  });
}
