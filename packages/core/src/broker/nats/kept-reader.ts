import { StarlingError } from "@starling/protocol/errors.ts";
import type { Position } from "../../hub/position.ts";
import type { Publication } from "../../hub/publication.ts";
import { PublicationIds } from "../publication-ids.ts";
import type { HistoryEntry, HistoryPage, HistoryRequest } from "../stream.ts";
import type { Inbox } from "./inbox.ts";
import type { MeshStream, StreamState } from "./mesh-stream.ts";
import type { StoredMessage } from "./stored-message.ts";
import { readBackwards, readForwards } from "./stream-pages.ts";
import type { Subjects } from "./subjects.ts";

/** Bytes that a page has at most, if it has more than one entry. */
const PAGE_BYTES = 256 * 1024;
/** Publications of a whole stream that are read at a time, and their bytes. */
const RANGE_ENTRIES = 5_000;
const RANGE_BYTES = 4 * 1024 * 1024;

export interface KeptReaderOptions {
  readonly subjects: Subjects;
  readonly inbox: Inbox;
}

/** A channel with history, and the stream that keeps it. */
export interface KeptChannel {
  readonly app: string;
  readonly channel: string;
  readonly stream: MeshStream;
}

/** A page, and what is known beside it. */
export interface KeptPage extends HistoryPage<Publication> {
  /** Whether nothing behind `since` is missing but what may have been too old. */
  readonly isWithinSize: boolean;
}

/** What all channels of a stream have behind an offset. */
export interface StreamPart {
  readonly bySubject: ReadonlyMap<string, readonly StoredMessage[]>;
  /** Up to which it is all. */
  readonly upTo: number;
  /** Where the stream stood before it was read, and how it was afterwards. */
  readonly last: number;
  readonly state: StreamState;
}

/** What one channel has of it. */
export type ChannelPart = Pick<KeptPage, "entries" | "isComplete" | "isWithinSize">;

/** A part of what a channel keeps. */
interface Part {
  readonly entries: readonly HistoryEntry<Publication>[];
  readonly hasMore: boolean;
}

/** Reads what streams keep of channels. */
export class KeptReader {
  readonly #options: KeptReaderOptions;

  constructor(options: KeptReaderOptions) {
    this.#options = options;
  }

  /** Rejected, with `broker_unavailable` or what a server says, where the stream cannot be read. */
  async page(kept: KeptChannel, request: HistoryRequest): Promise<KeptPage> {
    const { stream } = kept;
    const before = await stream.look();
    const { since } = request;
    const isKnown = since?.epoch === before.epoch && since.offset <= before.last;
    const from = isKnown ? since : undefined;
    const isBackwards = request.newestFirst === true;
    const wanted = { ...request, since: from };
    const part = await (isBackwards ? this.#backwards(kept, wanted) : this.#forwards(kept, wanted));
    const start = from?.offset ?? 0;
    const canBeWhole = !isBackwards && (since === undefined || isKnown);
    const rest = canBeWhole ? await this.#restOf(kept, start) : undefined;
    const after = await stream.look();
    if (after.epoch !== before.epoch) throw new StarlingError("broker_unavailable");
    const isWithinSize = isBackwards || (rest !== undefined && hasAll(after, start, rest));
    const isComplete = isBackwards || (isWithinSize && start >= after.first - 1);
    const { entries, hasMore } = part;
    const { epoch } = before;
    // What came after the look at the stream is in the page, unless the page ends before it.
    const newest = isBackwards ? entries.at(0) : entries.at(-1);
    const isUpToNow = isBackwards || !hasMore;
    const offset = isUpToNow ? Math.max(before.last, newest?.offset ?? 0) : before.last;
    return { position: { epoch, offset }, entries, isComplete, hasMore, isWithinSize };
  }

  /** What all channels of a stream have behind an offset, by their subjects. */
  async allBehind(stream: MeshStream, offset: number): Promise<StreamPart> {
    const before = await stream.look();
    const messages: StoredMessage[] = [];
    for (let hasMore = true, start = offset + 1; hasMore; ) {
      const range = { limit: RANGE_ENTRIES, maxBytes: RANGE_BYTES };
      const part = await readForwards(stream, `${stream.keptPrefix}.*`, start, range);
      messages.push(...part.messages);
      ({ hasMore } = part);
      start = (messages.at(-1)?.offset ?? offset) + 1;
    }
    const state = await stream.look();
    if (state.epoch !== before.epoch) throw new StarlingError("broker_unavailable");
    const upTo = Math.max(before.last, messages.at(-1)?.offset ?? 0);
    const bySubject = Map.groupBy(messages, ({ message }) => message.subject);
    return { bySubject, upTo, last: before.last, state };
  }

  /** The same for one of its channels, behind an offset of its own. */
  partOf(kept: KeptChannel, { bySubject, last, state }: StreamPart, offset: number): ChannelPart {
    const all = bySubject.get(this.#subject(kept)) ?? [];
    const messages = all.filter((each) => each.offset > offset);
    const isWithinSize = offset <= last && hasAll(state, offset, messages.length);
    return {
      entries: this.#entries(kept, messages),
      isWithinSize,
      isComplete: isWithinSize && offset >= state.first - 1,
    };
  }

  /** Where a stream stands, and the last publication that the channel had there, or after that. */
  async position(kept: KeptChannel): Promise<{ position: Position; newest: number }> {
    const { epoch, last } = await kept.stream.look();
    return { position: { epoch, offset: last }, newest: await this.#newest(kept) };
  }

  /**
   * A number up to which a channel has nothing that lies behind the last of its publications at the position of
   * a page.
   */
  async newestIn(
    kept: KeptChannel,
    { since, newestFirst = false }: HistoryRequest,
    { entries, hasMore }: HistoryPage<Publication>,
  ): Promise<number> {
    const [first] = entries;
    if (newestFirst && since === undefined) return first?.offset ?? 0;
    const last = entries.at(-1);
    if (!newestFirst && !hasMore && last !== undefined) return last.offset;
    return this.#newest(kept);
  }

  #newest(kept: KeptChannel): Promise<number> {
    return kept.stream.newestOf(this.#subject(kept));
  }

  #subject({ app, channel, stream }: KeptChannel): string {
    return this.#options.subjects.kept(app, stream.namespace, channel);
  }

  async #forwards(kept: KeptChannel, { since, limit }: HistoryRequest): Promise<Part> {
    const { stream } = kept;
    const subject = this.#subject(kept);
    let start = (since?.offset ?? 0) + 1;
    for (;;) {
      const limits = { limit, maxBytes: PAGE_BYTES };
      const { messages, hasMore } = await readForwards(stream, subject, start, limits);
      const entries = this.#entries(kept, messages);
      const last = messages.at(-1);
      // What is no publication is passed over, or whoever reads would come to a stop there.
      if (entries.length > 0 || !hasMore || last === undefined) return { entries, hasMore };
      start = last.offset + 1;
    }
  }

  async #backwards(kept: KeptChannel, { since, limit }: HistoryRequest): Promise<Part> {
    const before = since?.offset ?? Infinity;
    const limits = { limit, maxBytes: PAGE_BYTES };
    const part = await readBackwards(kept.stream, this.#subject(kept), before, limits);
    return { entries: this.#entries(kept, part.messages), hasMore: part.hasMore };
  }

  /**
   * How many publications a channel may have behind an offset; none where it has kept older ones, since what is
   * too much goes from its front. It is asked after they were read, or they could be dropped meanwhile.
   */
  async #restOf(kept: KeptChannel, offset: number): Promise<number> {
    const { stream } = kept;
    const subject = this.#subject(kept);
    const [count, oldest] = await Promise.all([
      stream.countOf(subject),
      offset === 0 ? undefined : stream.next(subject, 1),
    ]);
    return oldest !== undefined && oldest.offset <= offset ? 0 : count;
  }

  #entries(
    { app, channel, stream }: KeptChannel,
    messages: readonly StoredMessage[],
  ): readonly HistoryEntry<Publication>[] {
    const { inbox } = this.#options;
    return messages.flatMap(({ offset, time, message }) => {
      const content = inbox.read(message, app, channel);
      if (content === undefined) return [];
      place(content, stream.epoch ?? "", offset);
      return [{ offset, time, content }];
    });
  }
}

/** Says where a publication stands; that of a back end has its id from there, the same on all workers. */
export function place(publication: Publication, epoch: string, offset: number): void {
  publication.position = { epoch, offset };
  publication.id ??= PublicationIds.of(epoch, offset);
}

/**
 * Whether nothing behind an offset has been dropped for being too much, with so many there: that goes only from a
 * channel that has as many as it may have, all of them newer. What is too old goes from the front of the stream.
 */
function hasAll({ size, least, until }: StreamState, since: number, total: number): boolean {
  return total < size && (since >= until || total < least);
}
