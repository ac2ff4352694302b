const TICK_MS = 50;

/** How long this process had to wait for its turn, at most, since it was asked to measure that. */
export class LagMeter implements Disposable {
  /** Milliseconds. */
  worst = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => {
    const now = performance.now();
    this.worst = Math.max(this.worst, now - this.#last - TICK_MS);
    this.#last = now;
  }, TICK_MS);

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
