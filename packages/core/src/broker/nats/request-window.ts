import type { Clock } from "../../ports.ts";

/** Requests under way at first, and at most. */
const FIRST_SIZE = 4;
const MAX_SIZE = 256;
/** An answer that takes longer shows that the link is full; ms. */
const SLOW_MS = 800;

/**
 * Requests with large answers over one link, as many at a time as it can carry: fewer at once where answers become
 * slow, and more again where they are fast. Else all of them would be too late, and be asked for again.
 */
export class RequestWindow {
  readonly #clock: Pick<Clock, "now">;
  #size = FIRST_SIZE;
  #underWay = 0;
  /** What was asked before that says nothing of the size as it is now. */
  #changedAt = Number.NEGATIVE_INFINITY;
  readonly #waiting: (() => void)[] = [];

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** How many may be under way. */
  get size(): number {
    return Math.floor(this.#size);
  }

  async ask<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.size) {
      await new Promise<void>((resume) => void this.#waiting.push(resume));
    } else {
      this.#underWay++;
    }
    const askedAt = this.#clock.now();
    try {
      return await ask();
    } finally {
      this.#answered(askedAt);
      this.#underWay--;
      while (this.#underWay < this.size && this.#waiting.length > 0) {
        this.#underWay++;
        this.#waiting.shift()?.();
      }
    }
  }

  #answered(askedAt: number): void {
    const now = this.#clock.now();
    const took = now - askedAt;
    const isFull = this.#underWay >= this.size;
    if (took <= SLOW_MS && isFull) {
      // Twice as many with each round trip, and one more with each where the link begins to be full.
      const more = took <= SLOW_MS / 4 ? 1 : 1 / this.#size;
      this.#size = Math.min(MAX_SIZE, this.#size + more);
    } else if (took > SLOW_MS && askedAt > this.#changedAt) {
      this.#size = Math.max(1, Math.min(this.#size, this.#underWay) / 2);
      this.#changedAt = now;
    }
  }
}
