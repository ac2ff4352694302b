import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock } from "../../ports.ts";

/** What a promise comes to; rejected with `broker_unavailable` where that takes more than so many milliseconds. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  return whileHeard(clock, { silentMs: ms, mostMs: ms, heardAt: () => 0 }, promise);
}

/** How long something is waited for. */
export interface Patience {
  /** Milliseconds for which nothing at all may be heard, and milliseconds in any case. */
  readonly silentMs: number;
  readonly mostMs: number;
  /** When something was heard last, ms since the epoch. */
  heardAt(): number;
}

/** The same for what is waited for as long as it is seen to go on. */
export async function whileHeard<T>(
  clock: Clock,
  { silentMs, mostMs, heardAt }: Patience,
  promise: Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const startedAt = clock.now();
  const wait = () => {
    const now = clock.now();
    const heard = Math.max(startedAt, heardAt());
    const leftMs = Math.min(heard + silentMs, startedAt + mostMs) - now;
    if (leftMs > 0) timer = clock.setTimeout(wait, leftMs);
    else late.reject(new StarlingError("broker_unavailable", "NATS did not answer in time"));
  };
  let timer = clock.setTimeout(wait, Math.min(silentMs, mostMs));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clock.clearTimeout(timer);
  }
}
