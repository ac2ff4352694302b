import type { ChannelPattern } from "../auth/channel-pattern.ts";
import type { HookEventType } from "./events.ts";

/** Where an app's events go, and which. */
export interface HookConfig {
  readonly url: string;
  readonly events: ReadonlySet<HookEventType>;
  /** Channels whose events are sent; none = all. What happens in no channel is sent in any case. */
  readonly channels: readonly ChannelPattern[];
  /** Each signs; at least one. */
  readonly secrets: readonly string[];
}

/** The hooks of each app. */
export type HookConfigs = ReadonlyMap<string, readonly HookConfig[]>;

/** How every hook sends. */
export interface HookSettings {
  /** Events of one request, at most. */
  readonly batchEvents: number;
  /** Milliseconds for which an event may wait for others to share its request. */
  readonly batchMs: number;
  /** Milliseconds that a receiver has for its answer. */
  readonly timeoutMs: number;
  /** Events and bytes that may wait for one receiver; beyond, the oldest are dropped. */
  readonly queueEvents: number;
  readonly queueBytes: number;
  /** Milliseconds for which an event is tried, before it is given up. */
  readonly maxAgeMs: number;
  /** Milliseconds for which nobody may be subscribed before a channel is vacated. */
  readonly vacatedMs: number;
  /** Milliseconds that a stop waits for what is queued. */
  readonly drainMs: number;
}
