import { type Drainable, drainSubscribers } from "@starling/core/hub/drain.ts";
import type { Subscriber } from "@starling/core/hub/subscriber.ts";
import type { Clock, Random } from "@starling/core/ports.ts";
import type { Health } from "../ops/health.ts";

/**
 * Why a worker ends: the whole node stops, another worker has taken over, or the supervisor is dead.
 */
export type DrainCause = "stop" | "leave" | "orphaned";

export interface DrainOptions {
  readonly cause: DrainCause;
  readonly health: Health;
  readonly services: readonly Drainable[];
  /** Every connection there is. */
  subscribers(): readonly Subscriber[];
  /** Over how long connections may end. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Takes no more connections where the cause wants that; resolves when they go elsewhere. */
  leavePorts(): Promise<void>;
}

/**
 * Lets every client go, a few at a time; resolves when they are gone or have had their time. Requests
 * that are under way are left to the servers.
 *
 * A worker that another has replaced turns nobody away: connections that were open before still come
 * with new sessions, which are closed in their turn.
 */
export async function drain(options: DrainOptions): Promise<void> {
  const { cause, health, services, drainMs, clock, random } = options;
  health.set("draining", "shutting down");
  if (cause !== "leave") for (const service of services) service.refuseNew();
  await options.leavePorts();
  // Only now do the clients have their time: leaving the ports may have taken as long.
  const subscribers = options.subscribers();
  await drainSubscribers({ services, subscribers, drainMs, clock, random });
}
