/** Messages that are asked for at a time, at most, at least and to begin with. */
const [MOST, LEAST, FIRST] = [200, 8, 32];
/** Milliseconds of one answer below which more are asked for the next time, and above which fewer. */
const [FAST_MS, SLOW_MS] = [200, 600];

/** How many messages are asked for at a time, so that a slow link is not taken up by what nobody waits for first. */
export class Pace {
  #batch = FIRST;

  get batch(): number {
    return this.#batch;
  }

  /** An answer has taken so long, of so many messages. */
  took(ms: number, messages: number): void {
    if (ms > SLOW_MS) this.#batch = Math.max(LEAST, Math.floor(this.#batch / 2));
    else if (ms < FAST_MS && messages >= this.#batch) this.#batch = Math.min(MOST, this.#batch * 2);
  }
}
