import { StarlingError } from "@starling/protocol/errors.ts";
import { Turns } from "../../hub/turns.ts";
import type { Clock } from "../../ports.ts";
import type { StreamState } from "./mesh-stream.ts";
import { RecentMessages, type RecentPart } from "./recent-messages.ts";
import type { StoredChannel, StoredLimits, StoredStretch } from "./stored-stream.ts";
import {
  bytesOf,
  cut,
  type Range,
  readBackwards,
  readForwards,
  type StoredPart,
  sampleOf,
} from "./stream-pages.ts";
import { MEMORY, type Sample } from "./stream-walk.ts";

/** Readings at a time: they share one link with what comes live. */
const READERS = 8;

/** A question that somebody waits for, or nobody any more. */
export interface Asking {
  isOver: boolean;
}

/** Reads from streams, each message once for all that ask within some seconds. */
export class SharedReads {
  readonly #clock: Clock;
  readonly #turns = new Turns(READERS);
  readonly #recent: RecentMessages;
  /** The end of the last question of each channel. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#recent = new RecentMessages(clock);
  }

  /** A part of a channel, which may end before the range does, but has one message if there is one. */
  async part(
    channel: StoredChannel,
    state: Pick<StreamState, "epoch" | "first">,
    range: Range,
    asking: Asking,
  ): Promise<StoredPart> {
    // Whether there are any is answered without those that others wait for.
    if (range.limit === 0) return this.direct(channel, range, asking);
    const { subject } = channel;
    const before = this.#busy.get(subject);
    const end = Promise.withResolvers<void>();
    this.#busy.set(subject, end.promise);
    try {
      await before;
      return await this.#part(channel, state, range, asking);
    } finally {
      if (this.#busy.get(subject) === end.promise) this.#busy.delete(subject);
      end.resolve();
    }
  }

  /** The same, read for whoever asks, perhaps with some more messages. */
  async direct(
    channel: StoredChannel,
    range: Range,
    asking: Asking,
    took?: (stretch: StoredStretch) => void,
  ): Promise<StoredPart> {
    return this.#turn(asking, () => readForwards(channel, range, this.#clock, took));
  }

  /** The newest first, before an offset. */
  async backwards(
    channel: StoredChannel,
    before: number,
    limits: StoredLimits,
    asking: Asking,
  ): Promise<StoredPart> {
    return this.#turn(asking, () => readBackwards(channel, before, limits, this.#clock));
  }

  close(): void {
    this.#recent.close();
  }

  async #turn(asking: Asking, read: () => Promise<StoredPart>): Promise<StoredPart> {
    return this.#turns.take(() => {
      if (asking.isOver) throw new StarlingError("broker_unavailable");
      return read();
    });
  }

  async #part(
    channel: StoredChannel,
    { epoch, first }: Pick<StreamState, "epoch" | "first">,
    range: Range,
    asking: Asking,
  ): Promise<StoredPart> {
    const { start, limit, maxBytes, upTo } = range;
    const part = this.#recent.at(channel.subject, epoch, start);
    const from = Math.max(start, first);
    const all = part.messages.filter(({ offset }) => offset >= from && offset <= upTo);
    const known = cut(all, range);
    if (known.hasMore || part.upTo >= upTo) return known;
    const rest = {
      start: Math.max(from, part.upTo + 1),
      limit: limit - all.length,
      maxBytes: maxBytes - bytesOf(all),
      upTo,
      known: endOf(part),
    };
    const took = (stretch: StoredStretch) => this.#recent.add(part, stretch);
    const read = await this.direct(channel, rest, asking, took);
    const found = cut([...all, ...read.messages], range);
    return { messages: found.messages, hasMore: found.hasMore || read.hasMore };
  }
}

/** What a part has at its end, which what follows is probably like. */
function endOf({ messages, from, upTo }: Pick<RecentPart, "messages" | "from" | "upTo">): Sample {
  const before = messages.at(-MEMORY - 1)?.offset ?? from - 1;
  return sampleOf(messages.slice(-MEMORY), upTo - before);
}
