import type { Clock } from "../../ports.ts";
import { RoundTrip } from "./round-trip.ts";

/** Requests under way at first, and at most where answers are near. */
const FIRST_SIZE = 4;
const MAX_SIZE = 256;
/** Those of one reading, where answers are near and where they are far away. */
const NEAR = 32;
const FAR = 512;
/** Answers in a millisecond that one reading asks for, where `NEAR` requests at a time are fewer. */
const PER_MS = 3;
/** An answer that takes longer shows that the link is full; ms. */
const SLOW_MS = 800;

/**
 * Requests with large answers over one link, as many at a time as it can carry: fewer at once where answers become
 * slow, and more again where they are fast. Else all of them would be too late, and be asked for again.
 */
export class RequestWindow {
  readonly #clock: Pick<Clock, "now">;
  readonly #trip = new RoundTrip();
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
    return Math.floor(Math.min(this.#size, this.#most));
  }

  /**
   * How many one reading may have under way at this moment. A server that is far away has to be asked for more at a
   * time to say as much in a second; what is more than is usual near it must not keep others waiting.
   */
  get share(): number {
    return this.#underWay < this.size ? this.#reach : NEAR;
  }

  async ask<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.size) {
      await new Promise<void>((resume) => void this.#waiting.push(resume));
    } else {
      this.#underWay++;
    }
    const askedAt = this.#clock.now();
    try {
      const answer = await ask();
      const now = this.#clock.now();
      this.#trip.took(now - askedAt, now);
      return answer;
    } finally {
      this.#answered(askedAt);
      this.#underWay--;
      while (this.#underWay < this.size && this.#waiting.length > 0) {
        this.#underWay++;
        this.#waiting.shift()?.();
      }
    }
  }

  get #reach(): number {
    return Math.floor(Math.min(FAR, Math.max(NEAR, this.#trip.ms * PER_MS)));
  }

  get #most(): number {
    return Math.max(MAX_SIZE, this.#reach);
  }

  #answered(askedAt: number): void {
    const now = this.#clock.now();
    const took = now - askedAt;
    const isFull = this.#underWay >= this.size;
    if (took <= SLOW_MS && isFull) {
      // Twice as many with each round trip, and one more with each where the link begins to be full.
      const more = took <= SLOW_MS / 4 ? 1 : 1 / this.#size;
      this.#size = Math.min(this.#most, this.#size + more);
    } else if (took > SLOW_MS && askedAt > this.#changedAt) {
      this.#size = Math.max(1, Math.min(this.#size, this.#underWay) / 2);
      this.#changedAt = now;
    }
  }
}
