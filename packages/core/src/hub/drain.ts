import type { Clock, Random } from "../ports.ts";
import { closePaced } from "./paced-close.ts";
import type { Subscriber } from "./subscriber.ts";

/** What the end of a worker asks of the protocols that subscribers speak. */
export interface Drainable {
  /** Refuses new sessions with `shutting_down`; those that there are go on. */
  refuseNew(): void;
  /** Tells clients that understand it by when they will have been closed, ms since the epoch. */
  notify(at: number): void;
  /** Closes every session that is left, in the way that makes its client come back. */
  shutDown(): void;
  /** Sessions that are over, and whose clients have yet to fetch the last of what waits for them. */
  readonly unfetched: number;
}

export interface SubscriberDrain {
  readonly services: readonly Drainable[];
  /** Every connection there is. */
  readonly subscribers: readonly Subscriber[];
  /** Over how long connections may end, and their clients fetch what waits for them. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** The part of the time in which connections are closed; the rest is for clients that fetch. */
const PACED_SHARE = 0.7;
/** Connections that `closePaced` closes in a millisecond at least. */
const LEAST_RATE = 0.2;
const LOOK_AGAIN_MS = 50;

/** Lets every client go, a few at a time; resolves when they are gone or have had their time. */
export async function drainSubscribers(options: SubscriberDrain): Promise<void> {
  const { services, subscribers, drainMs, clock, random } = options;
  const deadline = clock.now() + drainMs;
  const withinMs = drainMs * PACED_SHARE;
  const lastAt = clock.now() + Math.min(withinMs, subscribers.length / LEAST_RATE);
  for (const service of services) service.notify(Math.ceil(lastAt));
  await closePaced({ subscribers, reason: "shutting_down", withinMs, clock, random });
  for (const service of services) service.refuseNew();
  for (const service of services) service.shutDown();
  while (services.some(({ unfetched }) => unfetched > 0) && clock.now() < deadline) {
    await new Promise<void>((resume) => void clock.setTimeout(resume, LOOK_AGAIN_MS));
  }
}
