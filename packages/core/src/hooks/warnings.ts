import type { Clock, Log, LogFields } from "../ports.ts";

const EVERY_MS = 60_000;

/** Writes each kind of warning once a minute at most, however often there is reason to. */
export class Warnings {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lastAt = new Map<string, number>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  warn(fields: LogFields, message: string): void {
    const now = this.#clock.now();
    const lastAt = this.#lastAt.get(message) ?? Number.NEGATIVE_INFINITY;
    if (Math.abs(now - lastAt) < EVERY_MS) return;
    this.#lastAt.set(message, now);
    this.#log.warn(fields, message);
  }
}
