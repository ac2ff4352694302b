import { StarlingError } from "@starling/protocol/errors.ts";
import { Turns } from "../../hub/turns.ts";
import type { Clock } from "../../ports.ts";
import type { MeshLink } from "./link.ts";
import type { MeshStream, StreamState } from "./mesh-stream.ts";
import { Pace } from "./pace.ts";
import { nextOf, RecentMessages, type RecentPart } from "./recent-messages.ts";
import {
  type Range,
  type ReadOptions,
  readStored,
  type StoredMessage,
  type StoredPart,
} from "./stream-pages.ts";

/** Readers at a time: they share one link with what comes live. */
const READERS = 8;

/** A question that somebody waits for, or nobody any more. */
export interface Asking {
  isOver: boolean;
}

export interface SharedReadsOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
}

/** Reads from streams, each message once for all that ask within some seconds. */
export class SharedReads {
  readonly #options: SharedReadsOptions;
  readonly #pace = new Pace();
  readonly #turns = new Turns(READERS);
  readonly #recent: RecentMessages;
  /** The end of the last question of each channel. */
  readonly #busy = new Map<string, Promise<void>>();
  /** Numbers questions and readings, in the order in which they began. */
  #count = 0;
  /** The number of the reading that last came to the end of its channel, for the parts that end there. */
  readonly #ends = new WeakMap<RecentPart, number>();

  constructor(options: SharedReadsOptions) {
    this.#options = options;
    this.#recent = new RecentMessages(options.clock);
  }

  /**
   * A part of a channel, in which nothing is missing that was kept before this call. It may end before the range
   * does, but has one message if there is one.
   */
  async part(
    stream: MeshStream,
    subject: string,
    state: StreamState,
    range: Range,
    asking: Asking,
  ): Promise<StoredPart> {
    // Those that follow are counted only.
    if (range.limit === 0) return this.direct(stream, subject, range, asking);
    const number = ++this.#count;
    const before = this.#busy.get(subject);
    const end = Promise.withResolvers<void>();
    this.#busy.set(subject, end.promise);
    try {
      await before;
      return await this.#part(stream, subject, state, range, asking, number);
    } finally {
      if (this.#busy.get(subject) === end.promise) this.#busy.delete(subject);
      end.resolve();
    }
  }

  /** The same, read for whoever asks. */
  async direct(
    stream: MeshStream,
    subject: string,
    range: Range,
    asking: Asking,
    took?: ReadOptions["took"],
  ): Promise<StoredPart> {
    const { link, clock } = this.#options;
    return this.#turns.take(() => {
      const { connection } = link;
      if (connection === undefined || asking.isOver) throw new StarlingError("broker_unavailable");
      return readStored({ connection, clock, stream, subject, pace: this.#pace, took }, range);
    });
  }

  close(): void {
    this.#recent.close();
  }

  async #part(
    stream: MeshStream,
    subject: string,
    state: StreamState,
    range: Range,
    asking: Asking,
    number: number,
  ): Promise<StoredPart> {
    if (asking.isOver) throw new StarlingError("broker_unavailable");
    const { start, limit, maxBytes, upTo } = range;
    const part = this.#recent.at(subject, state.epoch, start);
    const known = part.messages.filter(({ offset }) => offset >= Math.max(start, state.first));
    const { messages, bytes } = cut(known, limit, maxBytes);
    const last = messages.at(-1);
    const isCut = messages.length < known.length;
    let found: StoredPart;
    const isFull = isCut || (messages.length === limit && last !== undefined && last.left > 0);
    if (isFull || (last !== undefined && last.offset >= upTo)) {
      found = { messages, left: Math.max(last?.left ?? 0, known.length - messages.length) };
    } else if ((this.#ends.get(part) ?? 0) > number) {
      found = { messages, left: 0 };
    } else {
      const began = ++this.#count;
      const rest = { start: nextOf(part), limit: limit - messages.length, upTo };
      const took = (more: readonly StoredMessage[]) => this.#recent.add(part, more);
      const room = Math.max(1, maxBytes - bytes);
      const read = await this.direct(stream, subject, { ...rest, maxBytes: room }, asking, took);
      if (read.left === 0) this.#ends.set(part, began);
      found = { messages: [...messages, ...read.messages], left: read.left };
    }
    // Whether something was dropped is known by what the stream has now, not by what it had.
    if (messages.length === 0 || found.messages.length + found.left < state.size) return found;
    this.#recent.forget(part);
    return this.#part(stream, subject, state, range, asking, number);
  }
}

/** As many as may be, but one. */
function cut(
  all: readonly StoredMessage[],
  limit: number,
  maxBytes: number,
): { readonly messages: readonly StoredMessage[]; readonly bytes: number } {
  let bytes = 0;
  let count = 0;
  for (const { message } of all.slice(0, limit)) {
    if (count > 0 && bytes + message.data.length > maxBytes) break;
    bytes += message.data.length;
    count++;
  }
  return { messages: all.slice(0, count), bytes };
}
