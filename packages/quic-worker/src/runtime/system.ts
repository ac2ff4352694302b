import { cpuUsage } from "node:process";
import type { AfterTurn, Clock, Random, TimerHandle } from "@starling/core/ports.ts";

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout(callback, delayMs): TimerHandle {
    const timer = setTimeout(callback, delayMs);
    Deno.unrefTimer(Number(timer));
    return Number(timer);
  },
  clearTimeout(timer) {
    clearTimeout(Number(timer));
  },
};

/** The random numbers of the machine. */
export const systemRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** CPU time that this process has used since its start, milliseconds. */
export function cpuTimeMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

/** Runs what is left to do when the callbacks of this turn of the event loop have run. */
export const afterTurn: AfterTurn = (callback) => void setImmediate(callback);
