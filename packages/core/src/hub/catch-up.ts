import type { HistoryEntry } from "../broker/stream.ts";
import type { Channel } from "./channel.ts";
import type { OneOrMany } from "./one-or-many.ts";
import type { Position } from "./position.ts";
import type { Publication } from "./publication.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";

/** What one delivery to a stand-in was. */
interface Buffered {
  readonly frames: readonly Frame[];
  readonly id: number | undefined;
  readonly offset: number;
}

/**
 * Stands in a channel for a subscriber that is still getting what came before: keeps what is
 * published meanwhile, so that nothing is missed between the two.
 */
export class StandIn implements Subscriber {
  channels: OneOrMany<Channel>;
  bagIndex = -1;
  readonly channel: Channel;
  readonly format: WireFormat;
  readonly socket = undefined;
  readonly #subscriber: Subscriber;
  readonly #maxBytes: number;
  #buffered: Buffered[] = [];
  #bytes = 0;

  constructor(subscriber: Subscriber, channel: Channel, format: WireFormat, maxBytes: number) {
    this.#subscriber = subscriber;
    this.channel = channel;
    this.format = format;
    this.#maxBytes = maxBytes;
  }

  get id(): string {
    return this.#subscriber.id;
  }

  get app(): string {
    return this.#subscriber.app;
  }

  get user(): string | undefined {
    return this.#subscriber.user;
  }

  deliver(frames: readonly Frame[], id?: number, offset = 0): void {
    this.#buffered.push({ frames, id, offset });
    for (const { length } of frames) this.#bytes += length;
    if (this.#bytes > this.#maxBytes) this.#subscriber.cutSlow();
  }

  /** Whatever was published up to now is in the history that is asked for next. */
  forget(): void {
    this.#buffered = [];
    this.#bytes = 0;
  }

  /** What was published behind that offset. */
  after(offset: number): readonly Buffered[] {
    return this.#buffered.filter((each) => each.offset > offset);
  }

  isReady(): boolean {
    return false;
  }

  cutSlow(): void {}

  close(): void {}

  disconnect(): void {}
}

/** What one channel's history has given so far. */
export interface CaughtUp {
  readonly standIn: StandIn;
  readonly entries: readonly HistoryEntry<Publication>[];
  /** Whether there is more behind the last of the entries. */
  readonly hasMore: boolean;
  /** Where the stream stood. */
  readonly position: Position;
}

/**
 * The entries that can be sent, of all channels in one order, and the offset up to which those are all
 * of them: a client that has seen one has then seen all before it, in whichever channel.
 */
export function merge(parts: readonly CaughtUp[]): {
  readonly entries: readonly {
    readonly standIn: StandIn;
    readonly entry: HistoryEntry<Publication>;
  }[];
  readonly upTo: number;
} {
  const upTo = Math.min(
    ...parts.map(({ entries, hasMore }) => {
      return hasMore ? (entries.at(-1)?.offset ?? 0) : Number.POSITIVE_INFINITY;
    }),
  );
  const entries = parts
    .flatMap(({ standIn, entries }) => entries.map((entry) => ({ standIn, entry })))
    .filter(({ entry }) => entry.offset <= upTo)
    .toSorted((a, b) => a.entry.offset - b.entry.offset);
  return { entries, upTo };
}
