import { publicationHolding } from "../broker/holdings.ts";
import type { HistoryEntry } from "../broker/stream.ts";
import type { Channel } from "./channel.ts";
import type { OneOrMany } from "./one-or-many.ts";
import type { Position } from "./position.ts";
import type { Publication } from "./publication.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";

/** What keeping a delivery costs beside its frames: about that, in bytes. */
const BUFFERED_BYTES = 100;

/** What one delivery to a stand-in was. */
export interface Buffered {
  readonly frames: readonly Frame[];
  readonly publication: Publication | undefined;
  readonly id: number | undefined;
  /** Its place in the history; undefined where it has none, as news of members. */
  readonly offset: number | undefined;
  /** The place that it is sent at. */
  readonly order: number;
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
  readonly #hold: (bytes: number) => void;
  #buffered: Buffered[] = [];
  #last = 0;

  /** `hold` is told the bytes that it takes, or gives back where they are negative. */
  constructor(
    subscriber: Subscriber,
    channel: Channel,
    format: WireFormat,
    hold: (bytes: number) => void,
  ) {
    this.#subscriber = subscriber;
    this.channel = channel;
    this.format = format;
    this.#hold = hold;
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

  deliver(frames: readonly Frame[], id?: number, offset?: number, publication?: Publication): void {
    this.#hold(size(frames));
    this.#last = offset ?? this.#last;
    this.#buffered.push({ frames, publication, id, offset, order: this.#last });
  }

  /** Whatever was published up to now is in the history that is asked for next. */
  forget(): void {
    for (const { frames, offset } of this.#buffered) {
      if (offset !== undefined) this.#hold(-size(frames));
    }
    this.#buffered = this.#buffered.filter(({ offset }) => offset === undefined);
  }

  /** What was published behind that offset, and what is in no history. */
  after(position: number): readonly Buffered[] {
    return this.#buffered.filter(({ offset }) => offset === undefined || offset > position);
  }

  isReady(): boolean {
    return false;
  }

  cutSlow(): void {}

  close(): void {}

  disconnect(): void {}
}

function size(frames: readonly Frame[]): number {
  return frames.reduce((sum, { length }) => sum + length, BUFFERED_BYTES);
}

/** What one channel's history has given so far. */
export interface CaughtUp {
  readonly standIn: StandIn;
  readonly entries: readonly HistoryEntry<Publication>[];
  /** Whether there is more behind the last of the entries. */
  readonly hasMore: boolean;
  /** Where the stream stood. */
  readonly position: Position;
  /** See `HistoryPage.newest`. */
  readonly newest?: number | undefined;
}

/** An entry, and the channel that it is of. */
export interface MergedEntry {
  readonly standIn: StandIn;
  /** The stream that it is of. */
  readonly epoch: string;
  readonly entry: HistoryEntry<Publication>;
}

/**
 * The entries of all channels in one order for each stream, one stream after the other, and the offsets up to
 * which they are all that there are: a client that has seen one has then seen all before it, in whichever
 * channel of the stream.
 */
export function merge(parts: readonly CaughtUp[]): {
  readonly entries: readonly MergedEntry[];
  /** By the epoch of the stream. */
  readonly upTo: ReadonlyMap<string, number>;
  /** Whether some channel has more, whatever comes meanwhile. */
  readonly hasMore: boolean;
} {
  const upTo = new Map<string, number>();
  const entries: MergedEntry[] = [];
  for (const [epoch, ofStream] of byStream(parts)) {
    const ends = ofStream.map(({ entries, hasMore, position }) => {
      return hasMore ? (entries.at(-1)?.offset ?? 0) : position.offset;
    });
    upTo.set(epoch, Math.min(...ends));
    const all = ofStream.flatMap(({ standIn, entries }) =>
      entries.map((entry) => ({ standIn, epoch, entry })),
    );
    entries.push(...all.toSorted((a, b) => a.entry.offset - b.entry.offset));
  }
  return { entries, upTo, hasMore: parts.some(({ hasMore }) => hasMore) };
}

/** The parts of each stream, by its epoch: numbers of different streams say nothing about one another. */
export function byStream(parts: readonly CaughtUp[]): ReadonlyMap<string, readonly CaughtUp[]> {
  return Map.groupBy(parts, ({ position }) => position.epoch);
}

/** Where each stream stood when it was read last, by its epoch. */
export function endsOf(parts: readonly CaughtUp[]): ReadonlyMap<string, number> {
  return highestOf(parts, ({ position }) => position.offset);
}

/** The newest number of each stream when it was read last, by its epoch. */
export function newestOf(parts: readonly CaughtUp[]): ReadonlyMap<string, number> {
  return highestOf(parts, ({ position, newest = position.offset }) => newest);
}

function highestOf(
  parts: readonly CaughtUp[],
  numberOf: (part: CaughtUp) => number,
): ReadonlyMap<string, number> {
  const highest = new Map<string, number>();
  for (const part of parts) {
    const { epoch } = part.position;
    highest.set(epoch, Math.max(highest.get(epoch) ?? 0, numberOf(part)));
  }
  return highest;
}

/** The entries in their order, in parts that take about so many bytes at most. */
export function batches(entries: readonly MergedEntry[], maxBytes: number): MergedEntry[][] {
  const parts: MergedEntry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const each of entries) {
    bytes += publicationHolding.bytes(each.entry.content);
    const part = parts.at(-1);
    if (part !== undefined && bytes <= maxBytes) {
      part.push(each);
    } else {
      parts.push([each]);
      bytes = publicationHolding.bytes(each.entry.content);
    }
  }
  return parts;
}
