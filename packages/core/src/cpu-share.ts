import type { Clock, TimerHandle } from "./ports.ts";

/** Milliseconds from one look to the next. */
const PERIOD_MS = 2_000;
/** Weight of the last period against all before it: what happened ten seconds ago counts for a quarter. */
const WEIGHT = 0.25;

/** The share of one core that a process has used in the last seconds, from 0 to 1. */
export class CpuShare {
  readonly #clock: Clock;
  readonly #usedMs: () => number;
  #timer: TimerHandle | undefined;
  #lookedAt = 0;
  #usedThen = 0;
  #share = 0;

  /** @param usedMs CPU time that the process has used since its start, milliseconds */
  constructor(clock: Clock, usedMs: () => number) {
    this.#clock = clock;
    this.#usedMs = usedMs;
  }

  get share(): number {
    return Math.round(this.#share * 100) / 100;
  }

  start(): void {
    this.#lookedAt = this.#clock.now();
    this.#usedThen = this.#usedMs();
    this.#next();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
  }

  #next(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#look();
      this.#next();
    }, PERIOD_MS);
  }

  #look(): void {
    const [now, used] = [this.#clock.now(), this.#usedMs()];
    const elapsedMs = now - this.#lookedAt;
    // A clock that was set says nothing of how long it was.
    if (elapsedMs > 0) {
      const share = Math.min(1, (used - this.#usedThen) / elapsedMs);
      this.#share += WEIGHT * (share - this.#share);
    }
    this.#lookedAt = now;
    this.#usedThen = used;
  }
}
