import type { Publication } from "../../hub/publication.ts";

/** A publication of one channel as the stream says it, and what came before it in that channel. */
export interface Live {
  readonly offset: number;
  /** The one before it in this channel; 0 where there was none. */
  readonly previous: number;
  /** Undefined where it is no publication. */
  readonly publication: Publication | undefined;
}

/** Bytes are not counted: so many publications may wait for a gap to be filled. */
const MAX_WAITING = 10_000;

export interface TailOptions {
  deliver(publication: Publication): void;
  /** What lies behind `offset` is wanted from the stream, in order; then `filled` or `failed` is called. */
  fill(tail: Tail, offset: number): void;
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
  /** Up to which the stream itself was read: what comes of that is a repetition. */
  #read = 0;
  #isFilling = false;
  #waiting: Live[] = [];
  #waiters: { readonly offset: number; readonly resolve: () => void }[] = [];

  constructor(options: TailOptions) {
    this.#options = options;
  }

  get last(): number | undefined {
    return this.#last;
  }

  get isFilling(): boolean {
    return this.#isFilling;
  }

  /** From now on everything behind that offset is wanted. */
  begin(offset: number): void {
    if (this.#last !== undefined) return;
    // What has come already was published after somebody wanted it.
    const [first] = this.#waiting;
    this.#last = first !== undefined && first.offset <= offset ? first.previous : offset;
    this.#read = offset;
    this.#release(this.#last);
    this.#goOn();
  }

  /** What was known is of another stream. */
  reset(): void {
    this.#last = undefined;
    this.#read = 0;
    this.#isFilling = false;
    this.#waiting = [];
    this.#release(Number.POSITIVE_INFINITY);
  }

  take(live: Live): void {
    if (this.#last === undefined || this.#isFilling) {
      if (this.#waiting.length < MAX_WAITING) this.#waiting.push(live);
      return;
    }
    const { offset, previous } = live;
    if (offset <= this.#last) {
      if (offset > this.#read) this.#options.doubt();
    } else if (previous > this.#last) {
      this.#waiting.push(live);
      this.refill();
    } else {
      this.#deliver(live);
    }
  }

  /** Looks into the stream for what is behind the last one. */
  refill(): void {
    if (this.#last === undefined || this.#isFilling) return;
    this.#isFilling = true;
    this.#options.fill(this, this.#last);
  }

  /** What the stream has; `isComplete` says whether nothing is missing before it. */
  filled(all: readonly Live[], isComplete: boolean): void {
    if (!this.#isFilling) return;
    this.#isFilling = false;
    if (!isComplete) this.#options.missed();
    for (const live of all) {
      if (this.#last === undefined || live.offset <= this.#last) continue;
      this.#deliver(live);
      this.#read = live.offset;
    }
    this.#goOn();
  }

  /** The stream cannot be read; the next publication, or the next link, tries again. */
  failed(): void {
    this.#isFilling = false;
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

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const live of waiting) this.take(live);
  }

  #release(offset: number): void {
    const reached = this.#waiters.filter((waiter) => waiter.offset <= offset);
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset > offset);
    for (const { resolve } of reached) resolve();
  }
}
