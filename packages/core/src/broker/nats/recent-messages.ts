import type { Clock, TimerHandle } from "../../ports.ts";
import type { StoredMessage } from "./stored-message.ts";
import type { StoredStretch } from "./stored-stream.ts";

/** Bytes that are kept of one part of a channel, and of all together. */
const PART_BYTES = 1024 * 1024;
const MAX_BYTES = 8 * PART_BYTES;
/** What a message takes beside its body, about. */
const MESSAGE_BYTES = 200;
/** Milliseconds for which nobody has asked for what is then forgotten. */
const FORGOTTEN_MS = 15_000;

/** A part of a channel without a gap. */
export interface RecentPart {
  readonly subject: string;
  readonly epoch: string;
  /** Everything that the channel had between these numbers is in `messages`, both included. */
  from: number;
  upTo: number;
  messages: StoredMessage[];
  bytes: number;
  usedAt: number;
}

/**
 * What was read from streams a moment ago: those that come back all at once want the same, and who was refused in
 * the middle of it goes on there.
 */
export class RecentMessages {
  readonly #clock: Clock;
  /** The one that was used last is the last. */
  readonly #parts = new Set<RecentPart>();
  #bytes = 0;
  #timer: TimerHandle | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The part in which a number lies, or that ends before it; a new one where there is none. */
  at(subject: string, epoch: string, start: number): RecentPart {
    let found: RecentPart | undefined;
    for (const part of this.#parts) {
      if (part.subject !== subject || part.epoch !== epoch) continue;
      if (part.from <= start && start <= part.upTo + 1) found = part;
    }
    const part = found ?? {
      ...{ subject, epoch, from: start, upTo: start - 1 },
      ...{ messages: [], bytes: 0, usedAt: 0 },
    };
    part.usedAt = this.#clock.now();
    this.#parts.delete(part);
    this.#parts.add(part);
    this.#forgetLater();
    return part;
  }

  /** What follows a part. */
  add(part: RecentPart, { messages, upTo }: StoredStretch): void {
    const isKnown = this.#parts.has(part);
    part.upTo = Math.max(part.upTo, upTo);
    for (const message of messages) {
      part.messages.push(message);
      part.bytes += sizeOf(message);
      if (isKnown) this.#bytes += sizeOf(message);
    }
    if (!isKnown) return;
    if (part.bytes > PART_BYTES) this.#shorten(part);
    for (const oldest of this.#parts) {
      if (this.#bytes <= MAX_BYTES) break;
      this.forget(oldest);
    }
  }

  forget(part: RecentPart): void {
    if (this.#parts.delete(part)) this.#bytes -= part.bytes;
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#parts.clear();
    this.#bytes = 0;
  }

  /** Its older half goes. */
  #shorten(part: RecentPart): void {
    let count = 0;
    let bytes = 0;
    for (const message of part.messages) {
      if (part.bytes - bytes <= PART_BYTES / 2) break;
      bytes += sizeOf(message);
      part.from = message.offset + 1;
      count++;
    }
    part.messages = part.messages.slice(count);
    part.bytes -= bytes;
    this.#bytes -= bytes;
  }

  #forgetLater(): void {
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      const before = this.#clock.now() - FORGOTTEN_MS;
      for (const part of this.#parts) if (part.usedAt <= before) this.forget(part);
      if (this.#parts.size > 0) this.#forgetLater();
    }, FORGOTTEN_MS);
  }
}

function sizeOf({ message }: StoredMessage): number {
  return message.data.length + MESSAGE_BYTES;
}
