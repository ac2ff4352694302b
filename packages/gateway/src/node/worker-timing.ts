import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { Random } from "@starling/core/ports.ts";
import type { Config } from "../config/config.ts";
import type { WorkerTiming } from "./worker.ts";

/** From the start of a worker until it serves. */
const START_MS = 30_000;
/** What leaving the ports may take beside `DRAIN_SECONDS`. */
const DRAIN_MARGIN_MS = 5_000;
/** What a worker without clients may take to end: requests under way, the last frames. */
const END_MS = 5_000;

/** How long a worker may take for each part of its life. */
export function workerTiming({
  presenceLeaseMs,
  drainMs,
}: Pick<Config, "presenceLeaseMs" | "drainMs">): WorkerTiming {
  return {
    startMs: START_MS,
    leaseMs: presenceLeaseMs,
    drainMs: drainMs + DRAIN_MARGIN_MS,
    endMs: END_MS,
  };
}

/** Not where an earlier node began, whose workers may still drain. */
export function firstWorkerId(random: Random): WorkerId {
  const [high = 0, low = 0] = random.bytes(2);
  return 1 + 256 * high + low;
}
