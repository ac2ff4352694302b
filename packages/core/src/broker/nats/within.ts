import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock } from "../../ports.ts";

/** What a promise comes to; rejected with `broker_unavailable` where that takes more than so many milliseconds. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimeout(() => {
    late.reject(new StarlingError("broker_unavailable", "NATS did not answer in time"));
  }, ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clock.clearTimeout(timer);
  }
}
