import type { AfterTurn, Clock, Random, TimerHandle } from "@starling/core/ports.ts";

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout(callback, delayMs): TimerHandle {
    return setTimeout(callback, delayMs).unref();
  },
  clearTimeout(timer) {
    clearTimeout(timer as Timer);
  },
};

/** The random numbers of the machine. */
export const systemRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** Collects garbage and gives what is free back to the system; takes some milliseconds. */
export function trimMemory(): void {
  Bun.gc(true);
  Bun.shrink();
}

/** CPU time that this process has used since its start, milliseconds. */
export function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Runs what is left to do when the callbacks of this turn of the event loop have run. */
export const afterTurn: AfterTurn = (callback) => void setImmediate(callback);
