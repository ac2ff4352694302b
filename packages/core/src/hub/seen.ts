import { bitsOf, bitText } from "./bit-text.ts";
import type { Position } from "./position.ts";

/** Of so many numbers of a stream, the newest, it is known which have been seen. */
export const WINDOW = 1_024;

/**
 * What has been seen of one stream: everything up to `settled`; of the numbers from there to `unknownTo` nobody
 * knows; all from there to `floor`; from there to `offset` it is known of each.
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
  #unknownTo: number;
  /** Of the number n at n modulo its length: 1 where it was seen. */
  readonly #marks: Uint8Array;

  private constructor(
    epoch: string,
    { offset, floor, settled, unknownTo }: Pick<Seen, "offset" | "floor" | "settled" | "unknownTo">,
    marks: Uint8Array,
  ) {
    this.epoch = epoch;
    this.#offset = offset;
    this.#floor = floor;
    this.#settled = settled;
    this.#unknownTo = unknownTo;
    this.#marks = marks;
  }

  /** Everything up to a position. */
  static upTo({ epoch, offset }: Position): Seen {
    const all = { offset, floor: offset, settled: offset, unknownTo: offset };
    return new Seen(epoch, all, new Uint8Array(WINDOW));
  }

  /**
   * What `missing` was the text of. Of the numbers up to its floor the newest, so many, are `seen`, and of those below
   * nobody knows, so many.
   *
   * @returns undefined where it is the text of nothing
   */
  static parse(
    { epoch, offset }: Position,
    missing: string,
    { unknown, seen }: { readonly unknown: number; readonly seen: number },
  ): Seen | undefined {
    const lowest = Math.max(0, offset - WINDOW);
    const marks = new Uint8Array(WINDOW).fill(1);
    let floor = offset;
    let number = offset;
    for (const isMissing of bitsOf(missing)) {
      number--;
      if (isMissing !== true) continue;
      if (number <= lowest) return undefined;
      marks[number % WINDOW] = 0;
      floor = number - 1;
    }
    const unknownTo = unknown === 0 ? floor : floor - seen;
    if (unknown > unknownTo) return undefined;
    const parsed = { offset, floor, settled: unknownTo - unknown, unknownTo };
    const made = new Seen(epoch, parsed, marks);
    return made.missing === missing ? made : undefined;
  }

  /** The newest number that was seen. */
  get offset(): number {
    return this.#offset;
  }

  /** From here on it is known of each number whether it has been seen: the next one has not. */
  get floor(): number {
    return this.#floor;
  }

  /** Of the numbers behind `settled` up to this one nobody knows; there are none where it is `floor`. */
  get unknownTo(): number {
    return this.#unknownTo;
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
    if (number <= this.#unknownTo) return number <= this.#settled;
    if (number <= this.#floor) return true;
    return this.#marks[number % WINDOW] === 1;
  }

  /** One number has been seen. */
  mark(number: number): void {
    const [offset, marks] = [this.#offset, this.#marks];
    if (number <= offset - WINDOW) return;
    if (number > offset) {
      this.#forget(number - WINDOW);
      if (number - offset >= WINDOW) marks.fill(0);
      else for (let each = offset + 1; each < number; each++) marks[each % WINDOW] = 0;
      this.#offset = number;
    }
    marks[number % WINDOW] = 1;
    this.#raiseFloor();
  }

  /** Everything up to that number has been seen. */
  settle(number: number): void {
    this.#settled = Math.max(this.#settled, number);
    this.#unknownTo = Math.max(this.#unknownTo, this.#settled);
    this.#floor = Math.max(this.#floor, number);
    this.#offset = Math.max(this.#offset, number);
    this.#raiseFloor();
  }

  /** The numbers from `floor` to `offset` that have not been seen, the highest first: empty where there are none. */
  get missing(): string {
    const [highest, marks] = [this.#offset - 1, this.#marks];
    const count = Math.max(0, highest - this.#floor);
    return bitText(count, (index) => marks[(highest - index) % WINDOW] === 0);
  }

  /** Nothing is remembered of each number up to that one. */
  #forget(number: number): void {
    if (number <= this.#floor) return;
    let missing = number;
    // The one behind the floor is missing.
    if (number <= this.#offset) while (this.#marks[missing % WINDOW] === 1) missing--;
    this.#unknownTo = missing;
    this.#floor = number;
  }

  #raiseFloor(): void {
    while (this.#floor < this.#offset && this.#marks[(this.#floor + 1) % WINDOW] === 1) {
      this.#floor++;
    }
    if (this.#settled < this.#unknownTo) return;
    this.#settled = this.#floor;
    this.#unknownTo = this.#floor;
  }
}
