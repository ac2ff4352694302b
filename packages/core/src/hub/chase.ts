/** Laps in which what is left has to become half of what it was. */
const LAPS = 8;

/** Offsets by the epoch of their stream. */
type Offsets = ReadonlyMap<string, number>;

/**
 * Whether somebody who is sent a history comes nearer to its end, which moves. A lap is over when all has been sent
 * that there was when it began; what was published meanwhile is the next.
 */
export class Chase {
  /** Where the streams ended when this lap began. */
  #ends: Offsets | undefined;
  /** What the last lap was that counted as a gain. */
  #least = Number.POSITIVE_INFINITY;
  #laps = 0;

  /** All up to `sent` is sent now, and the streams end at `ends`; answers whether it is worth going on. */
  isGaining(sent: Offsets, ends: Offsets): boolean {
    if (this.#ends === undefined) {
      this.#ends = ends;
      return true;
    }
    for (const [epoch, end] of this.#ends) {
      if ((sent.get(epoch) ?? end) < end) return true;
    }
    let left = 0;
    for (const [epoch, end] of ends) left += end - (this.#ends.get(epoch) ?? end);
    this.#ends = ends;
    this.#laps++;
    if (left * 2 <= this.#least) {
      this.#least = left;
      this.#laps = 0;
    }
    return this.#laps < LAPS;
  }
}
