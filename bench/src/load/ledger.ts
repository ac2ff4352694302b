import type { HeardCounts } from "./protocol.ts";

/** Delays of this many milliseconds and more are counted together. */
const LONGEST_DELAY_MS = 60_000;

/** Who has sent what, and who has heard it: every signal of a crowd is accounted for. */
export class Ledger {
  readonly #size: number;
  /** By member: its latest state; 0 while it has sent none. */
  readonly #latest: Uint32Array;
  /** By hearer and sender: the latest state heard. */
  readonly #states: Uint32Array;
  /** By hearer and sender: whether the hearer was told that the sender is there. */
  readonly #onlines: Uint8Array;
  readonly #gone: Uint8Array;
  /** By sequence. */
  readonly #sentAt: number[] = [0];
  /** Deliveries by delay in whole milliseconds. */
  readonly #delays = new Uint32Array(LONGEST_DELAY_MS + 1);
  deliveries = 0;
  bytes = 0;
  /** When something was heard last, by `performance.now()`. */
  latestAt = 0;
  #wrong = 0;
  #closed = 0;

  constructor(size: number) {
    this.#size = size;
    this.#latest = new Uint32Array(size);
    this.#states = new Uint32Array(size * size);
    this.#onlines = new Uint8Array(size * size);
    this.#gone = new Uint8Array(size);
  }

  counts(): HeardCounts {
    const { deliveries, bytes } = this;
    return { deliveries, bytes, wrong: this.#wrong, closed: this.#closed };
  }

  /** Members that are still connected. */
  get open(): number {
    return this.#size - this.#closed;
  }

  /** Answers the sequence of the state that `sender` sends now; every sequence is used once. */
  sent(sender: number): number {
    const sequence = this.#sentAt.push(performance.now()) - 1;
    this.#latest[sender] = sequence;
    return sequence;
  }

  state(hearer: number, sender: number, sequence: number): void {
    const now = this.#heard(hearer, sender);
    const pair = hearer * this.#size + sender;
    if (sequence <= (this.#states[pair] ?? 0)) this.#wrong += 1;
    this.#states[pair] = sequence;
    const delay = Math.min(LONGEST_DELAY_MS, Math.floor(now - (this.#sentAt[sequence] ?? now)));
    this.#delays[delay] = (this.#delays[delay] ?? 0) + 1;
  }

  online(hearer: number, sender: number): void {
    this.#heard(hearer, sender);
    const pair = hearer * this.#size + sender;
    if (this.#onlines[pair] !== 0) this.#wrong += 1;
    this.#onlines[pair] = 1;
  }

  closed(member: number): void {
    this.#gone[member] = 1;
    this.#closed += 1;
  }

  /**
   * Pairs of which neither was told that the other is there, or neither has the other's state:
   * whoever of them came last told the other. Where newcomers are answered, both have both states.
   */
  strangers(answered: boolean): number {
    return this.#count((first, second) => {
      const there = this.#onlines[first] !== 0 || this.#onlines[second] !== 0;
      const one = this.#states[first] !== 0;
      const other = this.#states[second] !== 0;
      return !there || !(answered ? one && other : one || other);
    });
  }

  /** Pairs of connected members of which one lacks the latest state of the other. */
  outdated(): number {
    return this.#count(
      (first, second, one, other) =>
        this.#states[first] !== this.#latest[other] || this.#states[second] !== this.#latest[one],
    );
  }

  /** Forgets the delays so far. */
  restartDelays(): void {
    this.#delays.fill(0);
  }

  /** The delay in milliseconds that this part of the deliveries did not exceed. */
  delay(part: number): number {
    const all = this.#delays.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    return this.#delays.findIndex((count) => {
      seen += count;
      return seen >= all * part;
    });
  }

  #heard(hearer: number, sender: number): number {
    this.deliveries += 1;
    this.latestAt = performance.now();
    if (hearer === sender) this.#wrong += 1;
    return this.latestAt;
  }

  /** Counts pairs of connected members; the places are what each of them has of the other. */
  #count(
    isWanting: (first: number, second: number, one: number, other: number) => boolean,
  ): number {
    let count = 0;
    for (let one = 0; one < this.#size; one += 1) {
      if (this.#gone[one] !== 0) continue;
      for (let other = 0; other < one; other += 1) {
        if (this.#gone[other] !== 0) continue;
        const first = one * this.#size + other;
        const second = other * this.#size + one;
        if (isWanting(first, second, one, other)) count += 1;
      }
    }
    return count;
  }
}
