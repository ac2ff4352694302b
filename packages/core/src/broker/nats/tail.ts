import type { Answer } from "../../answer.ts";
import type { Publication } from "../../hub/publication.ts";
import type { Clock } from "../../ports.ts";
import { within } from "./within.ts";

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
/** How often it is noted how far a stream is, ms, and how many notes are kept. */
const NOTE_MS = 10_000;
const MAX_NOTES = 6;
/** How often what does not come live is looked for in the stream, ms, and after which it is given up. */
const LATE_MS = 500;
const GIVE_UP_MS = 2_000;

/** How far a stream was at a moment, and how many publications had come of it. */
interface Note {
  readonly at: number;
  readonly offset: number;
  readonly count: number;
}

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
  /** Since when something may not have come live, ms since the epoch; undefined where it is not long. */
  behindSince: number | undefined;
  readonly #fill: () => void;
  #isHeld = false;
  #mustLook = false;
  #holds = 0;
  #generation = 0;
  #waiting: Waiting[] = [];
  /** Those in which something is late that may have come by itself when this opens. */
  readonly #late = new Set<Tail>();
  /** The newest that has come live, how many have, and both at some moments. */
  #newest = 0;
  #count = 0;
  #notes: Note[] = [];

  /** `fill` is called when there are gaps: it fills them, and opens the gate. */
  constructor(fill: () => void) {
    this.#fill = fill;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether it is not known yet which channels have gaps. */
  get mustLook(): boolean {
    return this.#mustLook;
  }

  /** How often `hold` was called: whoever has looked before the last time does not know of all gaps. */
  get holds(): number {
    return this.#holds;
  }

  /** Another one when the stream has become another one. */
  get generation(): number {
    return this.#generation;
  }

  /** Nothing passes until `hasLooked` and then `open`: any channel may have a gap. */
  hold(): void {
    this.#holds++;
    this.#isHeld = true;
    this.#mustLook = true;
  }

  /** All channels that may have a gap are in `gaps`. */
  hasLooked(): void {
    this.#mustLook = false;
  }

  fill(tail: Tail): void {
    this.gaps.add(tail);
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#fill();
  }

  /**
   * Fills a tail in which something is late; while this is held, once it is open and nothing has come: whoever fills
   * already would never come to an end if all that is published meanwhile were added.
   */
  look(tail: Tail): void {
    if (this.#isHeld) this.#late.add(tail);
    else this.fill(tail);
  }

  /** What was late while this was held, and is so still, is looked for. */
  lookAgain(): void {
    const late = [...this.#late].filter((tail) => tail.isWaitedFor);
    this.#late.clear();
    for (const tail of late) this.look(tail);
  }

  wait(tail: Tail, live: Live): void {
    this.#waiting.push({ tail, live });
    if (this.#waiting.length <= MAX_WAITING) return;
    for (const each of this.#waiting) this.gaps.add(each.tail);
    this.#waiting = [];
  }

  /** A publication has come live. */
  came(offset: number, now: number): void {
    this.#newest = Math.max(this.#newest, offset);
    this.#count++;
    if (now - (this.#notes.at(-1)?.at ?? 0) < NOTE_MS || this.#isHeld) return;
    this.#notes.push({ at: now, offset: this.#newest, count: this.#count });
    if (this.#notes.length > MAX_NOTES) this.#notes.shift();
  }

  /** How far the stream was for certain at that moment, by the clock of this worker. */
  offsetAt(moment: number): number {
    return this.#notes.findLast(({ at }) => at <= moment)?.offset ?? 0;
  }

  /** How many of the numbers of the stream came to this worker before a moment, from 0 to 1; 0 where nobody knows. */
  shareBefore(moment: number): number {
    const notes = this.#notes.filter(({ at }) => at <= moment);
    const [first, last] = [notes.at(0), notes.at(-1)];
    if (first === undefined || last === undefined || last.offset <= first.offset) return 0;
    return Math.min(1, (last.count - first.count) / (last.offset - first.offset));
  }

  /** What waits is of a stream that is no more. */
  clear(): void {
    this.#notes = [];
    this.#newest = 0;
    this.#count = 0;
    this.#generation++;
    this.#waiting = [];
    this.#late.clear();
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

/** Somebody who waits until everything up to an offset was delivered. */
interface Waiter {
  readonly offset: number;
  readonly resolve: (isReached: boolean) => void;
}

export interface TailOptions {
  readonly gate: Gate;
  readonly clock: Clock;
  deliver(publication: Publication): void;
  /** Settles when what was on its way from NATS has come. */
  flushed(): Promise<unknown>;
  /** An old number that cannot be a repetition. */
  doubt(): void;
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
  readonly #waiters = new Set<Waiter>();

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
    this.#read = this.#last;
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
    const { gate, doubt, clock } = this.#options;
    const { offset, previous } = live;
    gate.came(offset, clock.now());
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

  /** Up to which everything there was in the channel is known here, delivered or about to be. */
  get complete(): number {
    return Math.max(this.#last ?? 0, this.#read);
  }

  /** The same where all of it was delivered; undefined where that is not known. */
  get delivered(): number | undefined {
    return this.#last === undefined || this.#options.gate.isHeld ? undefined : this.complete;
  }

  /** Whether somebody waits for what has not come. */
  get isWaitedFor(): boolean {
    return this.#waiters.values().some(({ offset }) => offset > this.complete);
  }

  /** The stream was read up to that offset. */
  hasRead(offset: number): void {
    this.#read = Math.max(this.#read, offset);
  }

  /** The stream was read, and what it had was handed to this. */
  wasFilled(): void {
    if (!this.#options.gate.isHeld) this.#release(this.complete);
  }

  /** Whether everything up to that offset was delivered. */
  hasReached(offset: number): boolean {
    if (this.#last === undefined) return false;
    return this.#last >= offset || (this.delivered ?? 0) >= offset;
  }

  /**
   * Whether everything up to that offset was delivered, as soon as it was, or after two seconds unless told
   * otherwise. What does not come live is read from the stream meanwhile.
   */
  reach(offset: number, giveUpMs = GIVE_UP_MS): Answer<boolean> {
    if (this.hasReached(offset)) return true;
    const { clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { offset, resolve };
    this.#waiters.add(waiter);
    const lookLater = () => clock.setTimeout(() => void look(), LATE_MS);
    const look = async () => {
      await this.#fillLate(waiter);
      if (this.#waiters.has(waiter)) late = lookLater();
    };
    let late = lookLater();
    const timer = clock.setTimeout(() => resolve(false), giveUpMs);
    return promise.finally(() => {
      this.#waiters.delete(waiter);
      clock.clearTimeout(late);
      clock.clearTimeout(timer);
    });
  }

  /** Reads from the stream what has not come, unless the link is slow and it is still on its way. */
  async #fillLate(waiter: Waiter): Promise<void> {
    const { clock, flushed, gate } = this.#options;
    await within(clock, LATE_MS, flushed()).catch(() => {});
    if (!this.#waiters.has(waiter) || this.#last === undefined) return;
    gate.look(this);
  }

  #deliver({ offset, publication }: Live): void {
    this.#last = offset;
    if (publication !== undefined) this.#options.deliver(publication);
    if (this.#waiters.size > 0) this.#release(offset);
  }

  #release(offset: number): void {
    for (const waiter of this.#waiters) if (waiter.offset <= offset) waiter.resolve(true);
  }
}
