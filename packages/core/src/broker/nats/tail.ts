import type { Publication } from "../../hub/publication.ts";

/** A publication of one channel as the stream says it, and what came before it in that channel. */
export interface Live {
  readonly offset: number;
  /** The one before it in this channel; 0 where there was none. */
  readonly previous: number;
  /** Undefined where it is no publication. */
  readonly publication: Publication | undefined;
}

/** Publications that may wait for gaps to be filled; whatever is more is read from the stream again. */
const MAX_WAITING = 10_000;

/** A publication on its way to its channel. */
export interface Waiting {
  readonly tail: Tail;
  readonly live: Live;
}

/**
 * All channels of one stream at one worker: while one of them is being filled the others wait, since whoever
 * has seen a number is taken to have seen all before it, in whichever channel.
 */
export class Gate {
  /** Those that have a gap, or may have one. */
  readonly gaps = new Set<Tail>();
  readonly #fill: () => void;
  #isHeld = false;
  #waiting: Waiting[] = [];

  /** `fill` is called when there are gaps: it fills them, and opens the gate. */
  constructor(fill: () => void) {
    this.#fill = fill;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Nothing passes until `open`. */
  hold(): void {
    this.#isHeld = true;
  }

  fill(tail: Tail): void {
    this.gaps.add(tail);
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#fill();
  }

  wait(tail: Tail, live: Live): void {
    this.#waiting.push({ tail, live });
    if (this.#waiting.length <= MAX_WAITING) return;
    for (const each of this.#waiting) this.gaps.add(each.tail);
    this.#waiting = [];
  }

  /** What waits is of a stream that is no more. */
  clear(): void {
    this.#waiting = [];
    this.gaps.clear();
  }

  /** What was read from the stream and what has waited goes on, in the order of its numbers. */
  open(read: readonly Waiting[]): void {
    const all = [...read, ...this.#waiting];
    const waiting = all.toSorted((a, b) => a.live.offset - b.live.offset);
    this.#waiting = [];
    this.#isHeld = false;
    for (const { tail, live } of waiting) tail.take(live);
  }
}

export interface TailOptions {
  readonly gate: Gate;
  deliver(publication: Publication): void;
  /** An old number that cannot be a repetition. */
  doubt(): void;
  /** It is not complete any more. */
  missed(): void;
}

/** One channel with history at one worker: delivers each publication once, in order, without gaps. */
export class Tail {
  readonly #options: TailOptions;
  /** Up to which everything was delivered, or is not wanted; undefined until that is known. */
  #last: number | undefined;
  /** Up to which the stream itself was read: what it did not have there is nowhere. */
  #read = 0;
  /** What came before it was known what is wanted. */
  #early: Live[] = [];
  #waiters: { readonly offset: number; readonly resolve: () => void }[] = [];

  constructor(options: TailOptions) {
    this.#options = options;
  }

  get last(): number | undefined {
    return this.#last;
  }

  /** From now on everything behind that offset is wanted. */
  begin(offset: number): void {
    if (this.#last !== undefined) return;
    const early = this.#early;
    this.#early = [];
    // What has come already was published after somebody wanted it.
    const [first] = early;
    this.#last = first !== undefined && first.offset <= offset ? first.previous : offset;
    this.#read = offset;
    this.#release(this.#last);
    for (const live of early) this.take(live);
  }

  /** What was known is of another stream, or not wanted any more. */
  reset(): void {
    this.#last = undefined;
    this.#read = 0;
    this.#early = [];
    this.#release(Number.POSITIVE_INFINITY);
  }

  take(live: Live): void {
    const { gate, doubt } = this.#options;
    const { offset, previous } = live;
    if (this.#last === undefined) {
      if (this.#early.length < MAX_WAITING) this.#early.push(live);
    } else if (offset <= this.#last) {
      if (offset > this.#read) doubt();
    } else if (gate.isHeld) {
      gate.wait(this, live);
    } else if (previous > Math.max(this.#last, this.#read)) {
      gate.wait(this, live);
      gate.fill(this);
    } else {
      this.#deliver(live);
    }
  }

  /** Looks into the stream for what is behind the last one. */
  refill(): void {
    if (this.#last !== undefined) this.#options.gate.fill(this);
  }

  /** The stream was read up to that offset. */
  hasRead(offset: number): void {
    this.#read = Math.max(this.#read, offset);
  }

  /** The stream does not have everything behind the last one. */
  missed(): void {
    if (this.#last !== undefined) this.#options.missed();
  }

  /** When everything up to that offset was delivered. */
  reached(offset: number): Promise<void> | undefined {
    if (this.#last !== undefined && this.#last >= offset) return undefined;
    return new Promise((resolve) => this.#waiters.push({ offset, resolve }));
  }

  /** Nobody waits any longer for what lies up to that offset. */
  giveUp(offset: number): void {
    this.#release(offset);
  }

  #deliver({ offset, publication }: Live): void {
    this.#last = offset;
    if (publication !== undefined) this.#options.deliver(publication);
    if (this.#waiters.length > 0) this.#release(offset);
  }

  #release(offset: number): void {
    const reached = this.#waiters.filter((waiter) => waiter.offset <= offset);
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset > offset);
    for (const { resolve } of reached) resolve();
  }
}
