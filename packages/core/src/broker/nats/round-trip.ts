/** Milliseconds after which a time says nothing any more: the leader may be another one. */
const RECENT_MS = 10_000;

/** How long an answer takes that waits for nothing but the way: the shortest time that was measured lately. */
export class RoundTrip {
  #since = Number.NEGATIVE_INFINITY;
  #now = Number.POSITIVE_INFINITY;
  #before = Number.POSITIVE_INFINITY;

  /** Milliseconds; 0 before anything was answered. */
  get ms(): number {
    const shortest = Math.min(this.#now, this.#before);
    return Number.isFinite(shortest) ? shortest : 0;
  }

  /** An answer has taken so many milliseconds, and came at that moment, ms since the epoch. */
  took(ms: number, now: number): void {
    // A clock that is set back begins anew, too.
    if (Math.abs(now - this.#since) >= RECENT_MS) {
      this.#since = now;
      this.#before = this.#now;
      this.#now = Number.POSITIVE_INFINITY;
    }
    this.#now = Math.min(this.#now, Math.max(0, ms));
  }
}
