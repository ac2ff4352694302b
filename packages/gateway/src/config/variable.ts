import type { ValueType } from "./value-types.ts";

/** The sections of the reference, in its order. */
export const groups = [
  "General",
  "Listening",
  "TLS",
  "Publishers",
  "Subscribers",
  "Authentication",
  "Limits",
  "Socket.IO",
  "Signalling",
  "Logs",
  "Hooks",
  "Cluster",
  "NATS",
] as const;
export type Group = (typeof groups)[number];

export type Unit =
  | "bytes"
  | "connections"
  | "connections a second"
  | "hour of the day, UTC"
  | "messages a second"
  | "milliseconds"
  | "requests a second"
  | "seconds";

/** Which program an installation may know a variable from. */
export type Source =
  | "both earlier generations"
  | "the documented earlier generation"
  | "the last earlier generation"
  | "the presence backend"
  | "Starling";

/** A default as text, the way that a user would write it. */
export type Default =
  | string
  | Readonly<Record<"development" | "production", string | undefined>>
  | undefined;

/** One setting: everything that is known of it, for the loader and for the reference. */
export interface Variable {
  /** The canonical name. */
  readonly name: string;
  /** Other names of the same setting. */
  readonly aliases?: readonly string[];
  readonly group: Group;
  readonly type: ValueType<unknown>;
  readonly unit?: Unit;
  /** Undefined where the setting may be absent. */
  readonly default: Default;
  /** What holds where the setting is absent, for the reference. */
  readonly otherwise?: string;
  /** Whether its value is never shown. */
  readonly secret?: true;
  readonly description: string;
  readonly source: Source;
}

/** The default in one mode, as text. */
export function defaultOf(variable: Variable, production: boolean): string | undefined {
  const value = variable.default;
  if (typeof value !== "object") return value;
  return production ? value.production : value.development;
}
