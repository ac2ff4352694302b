import { utf8Length } from "@starling/protocol/signalling/utf8.ts";

/** An event that waits for its receiver. */
export interface QueuedEvent {
  readonly text: string;
  readonly bytes: number;
  /** When it happened, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Is called when the receiver has it, or will never have it. */
  readonly settled?: (() => void) | undefined;
}

export interface HookQueueOptions {
  /** Events, and their bytes, that may wait beside those on their way. */
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** How many taken places may stand before the first event. */
const MAX_GAP = 1_024;

/**
 * Events in the order of their coming. Where there are too many, the oldest go: what a receiver that
 * comes back needs most is how things are now.
 */
export class HookQueue {
  readonly #options: HookQueueOptions;
  /** Those that were sent in vain, before all others; never more than one batch. */
  #again: QueuedEvent[] = [];
  #waiting: (QueuedEvent | undefined)[] = [];
  #first = 0;
  /** The batch that is on its way. It counts as queued, and takes the room of no newer one. */
  #taken: readonly QueuedEvent[] = [];
  #takenBytes = 0;
  #bytes = 0;

  constructor(options: HookQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#taken.length + this.#untaken;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Answers how many events had to go. */
  push(text: string, at: number, settled?: () => void): number {
    const event = { text, bytes: utf8Length(text), at, settled };
    this.#waiting.push(event);
    this.#bytes += event.bytes;
    return this.#trim();
  }

  /** Takes the first events: at least one where there is any, and else no more than allowed. */
  take(maxEvents: number, maxBytes: number): readonly QueuedEvent[] {
    const batch: QueuedEvent[] = [];
    let bytes = 0;
    for (let next = this.#peek(); next !== undefined; next = this.#peek()) {
      bytes += next.bytes;
      if (batch.length >= maxEvents || (batch.length > 0 && bytes > maxBytes)) break;
      batch.push(next);
      this.#drop();
    }
    this.#taken = batch;
    this.#takenBytes = bytesOf(batch);
    return batch;
  }

  /** The events that were taken are done with. */
  done(): void {
    const taken = this.#taken;
    this.#bytes -= this.#takenBytes;
    this.#taken = [];
    this.#takenBytes = 0;
    for (const { settled } of taken) settled?.();
  }

  /** The events that were taken are the first again; answers how many had to go. */
  putBack(): number {
    this.#again = [...this.#taken, ...this.#again];
    this.#taken = [];
    this.#takenBytes = 0;
    return this.#trim();
  }

  /** Forgets everything, and settles nothing. */
  clear(): void {
    this.#again = [];
    this.#waiting = [];
    this.#first = 0;
    this.#taken = [];
    this.#takenBytes = 0;
    this.#bytes = 0;
  }

  /** Nothing of it will be sent; answers how many events that were. */
  abandon(): number {
    const lost = [...this.#taken, ...this.#again, ...this.#waiting];
    const { size } = this;
    this.clear();
    for (const event of lost) event?.settled?.();
    return size;
  }

  /** Forgets the events from before that moment, and answers how many that were. */
  expire(before: number): number {
    return this.#dropWhile(({ at }) => at < before);
  }

  get #untaken(): number {
    return this.#again.length + this.#waiting.length - this.#first;
  }

  #trim(): number {
    const { maxEvents, maxBytes } = this.#options;
    const isTooMuch = () => this.#untaken > maxEvents || this.#bytes - this.#takenBytes > maxBytes;
    return this.#dropWhile(isTooMuch);
  }

  #dropWhile(isToGo: (event: QueuedEvent) => boolean): number {
    let dropped = 0;
    for (let next = this.#peek(); next !== undefined && isToGo(next); next = this.#peek()) {
      this.#bytes -= next.bytes;
      this.#drop();
      dropped++;
      next.settled?.();
    }
    return dropped;
  }

  #peek(): QueuedEvent | undefined {
    return this.#again[0] ?? this.#waiting[this.#first];
  }

  #drop(): void {
    if (this.#again.length > 0) {
      this.#again.shift();
      return;
    }
    this.#waiting[this.#first] = undefined;
    this.#first++;
    const isEmpty = this.#first === this.#waiting.length;
    // Once in a while, since it copies what is left.
    const isWorthIt = this.#first >= MAX_GAP && this.#first * 2 >= this.#waiting.length;
    if (!isEmpty && !isWorthIt) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }
}

function bytesOf(events: readonly QueuedEvent[]): number {
  return events.reduce((sum, { bytes }) => sum + bytes, 0);
}
