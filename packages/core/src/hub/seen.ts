import type { Position } from "./position.ts";

/** Of so many numbers of a stream, the newest, it is known which have been seen. */
export const WINDOW = 256;

/** Six numbers a character. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BITS = 6;

/**
 * What has been seen of one stream: everything up to `settled`; of the numbers from there to `floor` nobody knows;
 * from there to `offset` it is known of each.
 *
 * The channels of a stream share its numbers, and each channel is seen in order: so whoever has seen a number
 * of a channel has seen all before it in that channel. Numbers of channels that nobody looks at are never seen.
 */
export class Seen implements Position {
  readonly epoch: string;
  /** Whether of a channel of which nothing is marked nothing behind `settled` has been seen. */
  isSure = true;
  #offset: number;
  #floor: number;
  #settled: number;
  /** Of the number n at n modulo its length: 1 where it was seen. */
  readonly #marks: Uint8Array;

  private constructor(
    epoch: string,
    { offset, floor, settled }: Pick<Seen, "offset" | "floor" | "settled">,
    marks: Uint8Array,
  ) {
    this.epoch = epoch;
    this.#offset = offset;
    this.#floor = floor;
    this.#settled = settled;
    this.#marks = marks;
  }

  /** Everything up to a position. */
  static upTo({ epoch, offset }: Position): Seen {
    return new Seen(epoch, { offset, floor: offset, settled: offset }, new Uint8Array(WINDOW));
  }

  /**
   * What `missing` was the text of, with so many numbers below of which nobody knows.
   *
   * @returns undefined where it is the text of nothing
   */
  static parse({ epoch, offset }: Position, missing: string, unknown: number): Seen | undefined {
    const lowest = Math.max(0, offset - WINDOW);
    const marks = new Uint8Array(WINDOW).fill(1);
    let floor = offset;
    for (let index = 0; index < missing.length; index++) {
      const digit = ALPHABET.indexOf(missing.charAt(index));
      for (let bit = 0; bit < BITS; bit++) {
        if ((digit & (1 << bit)) === 0) continue;
        const number = offset - 1 - index * BITS - bit;
        if (number <= lowest) return undefined;
        marks[number % WINDOW] = 0;
        floor = number - 1;
      }
    }
    if (unknown > floor) return undefined;
    const seen = new Seen(epoch, { offset, floor, settled: floor - unknown }, marks);
    return seen.missing === missing ? seen : undefined;
  }

  /** The newest number that was seen. */
  get offset(): number {
    return this.#offset;
  }

  /** From here on it is known of each number whether it has been seen: the next one has not. */
  get floor(): number {
    return this.#floor;
  }

  /** Everything up to it has been seen. */
  get settled(): number {
    return this.#settled;
  }

  /** Whether it says no more than its offset does. */
  get isPlain(): boolean {
    return this.isSure && this.#settled === this.#offset;
  }

  copy(): Seen {
    const copy = new Seen(this.epoch, this, this.#marks.slice());
    copy.isSure = this.isSure;
    return copy;
  }

  /** Whether a number up to `offset` is known to have been seen. */
  has(number: number): boolean {
    if (number <= this.#floor) return number <= this.#settled;
    return this.#marks[number % WINDOW] === 1;
  }

  /** One number has been seen. */
  mark(number: number): void {
    const [offset, marks] = [this.#offset, this.#marks];
    if (number <= offset - WINDOW) return;
    if (number > offset) {
      if (number - offset >= WINDOW) marks.fill(0);
      else for (let each = offset + 1; each < number; each++) marks[each % WINDOW] = 0;
      this.#offset = number;
      this.#floor = Math.max(this.#floor, number - WINDOW);
    }
    marks[number % WINDOW] = 1;
    this.#raiseFloor();
  }

  /** Everything up to that number has been seen. */
  settle(number: number): void {
    this.#settled = Math.max(this.#settled, number);
    this.#floor = Math.max(this.#floor, number);
    this.#offset = Math.max(this.#offset, number);
    this.#raiseFloor();
  }

  /** The numbers from `floor` to `offset` that have not been seen, the highest first: empty where there are none. */
  get missing(): string {
    const [floor, marks] = [this.#floor, this.#marks];
    let text = "";
    for (let high = this.#offset - 1; high > floor; high -= BITS) {
      const low = Math.max(high - BITS, floor);
      let digit = 0;
      for (let number = high, bit = 1; number > low; number--, bit <<= 1) {
        if (marks[number % WINDOW] === 0) digit |= bit;
      }
      text += ALPHABET[digit];
    }
    return text;
  }

  #raiseFloor(): void {
    const isSettled = this.#floor === this.#settled;
    while (this.#floor < this.#offset && this.#marks[(this.#floor + 1) % WINDOW] === 1) {
      this.#floor++;
    }
    if (isSettled) this.#settled = this.#floor;
  }
}
