import type { Random } from "@starling/core/ports.ts";

/** A worker that lived for less has crashed at its start, and the next one may as well. */
export const SHORT_LIFE_MS = 10_000;
/** Short lives in a row after which a slot is given up. */
export const MAX_SHORT_LIVES = 5;
const FIRST_DELAY_MS = 200;

/** When to start a worker again that has ended. */
export class RestartPolicy {
  readonly #random: Random;
  #shortLives = 0;
  #delayMs = FIRST_DELAY_MS;

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * Milliseconds to wait, doubled from one short life to the next, half of them by chance so that
   * slots which fail together do not come back together; undefined to give up.
   */
  ended(lifeMs: number): number | undefined {
    if (lifeMs >= SHORT_LIFE_MS) this.reset();
    else this.#shortLives++;
    if (this.#shortLives >= MAX_SHORT_LIVES) return undefined;
    const delay = this.#delayMs;
    this.#delayMs = 2 * delay;
    const chance = (this.#random.bytes(1)[0] ?? 0) / 255;
    return (delay / 2) * (1 + chance);
  }

  /** Whatever happened before no longer counts. */
  reset(): void {
    this.#shortLives = 0;
    this.#delayMs = FIRST_DELAY_MS;
  }
}
