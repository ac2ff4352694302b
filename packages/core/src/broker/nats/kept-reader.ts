import { StarlingError } from "@starling/protocol/errors.ts";
import type { Position } from "../../hub/position.ts";
import type { Publication } from "../../hub/publication.ts";
import type { Clock } from "../../ports.ts";
import { PublicationIds } from "../publication-ids.ts";
import type { HistoryEntry, HistoryPage, HistoryRequest } from "../stream.ts";
import type { Inbox } from "./inbox.ts";
import type { MeshStream, StreamState } from "./mesh-stream.ts";
import { type Asking, SharedReads } from "./shared-reads.ts";
import type { StoredMessage } from "./stored-message.ts";
import type { StoredChannel } from "./stored-stream.ts";
import { sampleOf } from "./stream-pages.ts";
import type { Sample } from "./stream-walk.ts";
import type { Subjects } from "./subjects.ts";

/** Bytes that a page has at most, if it has more than one entry. */
const PAGE_BYTES = 256 * 1024;
/** What nobody gives up. */
const GOING_ON: Asking = { isOver: false };
/** Publications of a whole stream that are read at a time, and their bytes. */
const RANGE_ENTRIES = 5_000;
const RANGE_BYTES = 4 * 1024 * 1024;

export interface KeptReaderOptions {
  readonly clock: Clock;
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
  /** Up to which it is all: where the stream stood before it was read. */
  readonly upTo: number;
  /** How the stream was afterwards. */
  readonly state: StreamState;
}

/** What one channel has of it. */
export type ChannelPart = Pick<KeptPage, "entries" | "isComplete" | "isWithinSize">;

/** A part of what a channel keeps. */
interface Part {
  readonly entries: readonly HistoryEntry<Publication>[];
  readonly hasMore: boolean;
}

/** How a stream was after a channel was read. */
interface Rest {
  readonly state: StreamState;
  readonly isWithinSize: boolean;
  /** The oldest message that the channel has; 0 where it has none, or nothing can have been dropped. */
  readonly oldest: number;
}

/** Reads what streams keep of channels. */
export class KeptReader {
  readonly #options: KeptReaderOptions;
  readonly #reads: SharedReads;

  constructor(options: KeptReaderOptions) {
    this.#options = options;
    this.#reads = new SharedReads(options.clock);
  }

  /** Rejected, with `broker_unavailable` or what a server says, where the stream cannot be read. */
  async page(
    kept: KeptChannel,
    request: HistoryRequest,
    asking: Asking = GOING_ON,
  ): Promise<KeptPage> {
    const before = await kept.stream.look();
    const { since } = request;
    const isKnown = since?.epoch === before.epoch && since.offset <= before.last;
    const wanted = { ...request, since: isKnown ? since : undefined };
    if (request.newestFirst === true) return this.#newestFirst(kept, wanted, before, asking);
    const start = isKnown ? since.offset : 0;
    let part = await this.#forwards(kept, wanted, start, before, asking);
    const { state, oldest, ...rest } = await this.#restOf(kept, start, before);
    // What was read for others may have been dropped since, and is not history any more.
    if (!rest.isWithinSize && (part.entries[0]?.offset ?? oldest) < oldest) {
      part = await this.#forwards(kept, wanted, oldest - 1, before, asking);
    }
    const isWithinSize = (since === undefined || isKnown) && rest.isWithinSize;
    const isComplete = isWithinSize && start >= state.first - 1;
    const position = { epoch: before.epoch, offset: before.last };
    return { position, ...part, isComplete, isWithinSize };
  }

  /** What all channels of a stream have behind an offset, by their subjects. */
  async allBehind(stream: MeshStream, offset: number): Promise<StreamPart> {
    const before = await stream.look();
    const channel = { stream, subject: `${stream.keptPrefix}.*` };
    const upTo = before.last;
    const messages: StoredMessage[] = [];
    let known: Sample | undefined;
    for (let hasMore = true, start = offset + 1; hasMore; ) {
      const range = { start, limit: RANGE_ENTRIES, maxBytes: RANGE_BYTES, upTo, known };
      const part = await this.#reads.direct(channel, range, GOING_ON);
      messages.push(...part.messages);
      ({ hasMore } = part);
      const end = messages.at(-1)?.offset ?? offset;
      known = sampleOf(part.messages, end - start + 1);
      start = end + 1;
    }
    const state = await this.#stateAfter(stream, before);
    const bySubject = Map.groupBy(messages, ({ message }) => message.subject);
    return { bySubject, upTo, state };
  }

  /** The same for one of its channels, behind an offset of its own. */
  partOf(kept: KeptChannel, { bySubject, upTo, state }: StreamPart, offset: number): ChannelPart {
    const all = bySubject.get(this.#subject(kept)) ?? [];
    const messages = all.filter((each) => each.offset > offset);
    const isWithinSize = offset <= upTo && hasAll(state, offset, messages.length);
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

  close(): void {
    this.#reads.close();
  }

  async #forwards(
    kept: KeptChannel,
    { limit, maxBytes = PAGE_BYTES }: HistoryRequest,
    after: number,
    state: StreamState,
    asking: Asking,
  ): Promise<Part> {
    const channel = this.#stored(kept);
    for (let start = after + 1; ; ) {
      const most = Math.min(maxBytes, PAGE_BYTES);
      const range = { start, limit, maxBytes: most, upTo: state.last };
      const { messages, hasMore } = await this.#reads.part(channel, state, range, asking);
      const entries = this.#entries(kept, messages);
      const last = messages.at(-1);
      // What is no publication is passed over, or whoever reads would come to a stop there.
      if (entries.length > 0 || !hasMore || last === undefined) return { entries, hasMore };
      start = last.offset + 1;
    }
  }

  async #newestFirst(
    kept: KeptChannel,
    { since, limit, maxBytes = PAGE_BYTES }: HistoryRequest,
    before: StreamState,
    asking: Asking,
  ): Promise<KeptPage> {
    const limits = { limit, maxBytes: Math.min(maxBytes, PAGE_BYTES) };
    const end = since?.offset ?? Infinity;
    const part = await this.#reads.backwards(this.#stored(kept), end, limits, asking);
    await this.#stateAfter(kept.stream, before);
    const entries = this.#entries(kept, part.messages);
    // What came after the look at the stream is in the page.
    const offset = Math.max(before.last, entries[0]?.offset ?? 0);
    const position = { epoch: before.epoch, offset };
    return { position, entries, hasMore: part.hasMore, isComplete: true, isWithinSize: true };
  }

  /**
   * Whether a channel has lost nothing behind an offset for being too much. It is asked after it was read, or that
   * could be dropped meanwhile.
   */
  async #restOf(kept: KeptChannel, offset: number, before: StreamState): Promise<Rest> {
    const { stream } = kept;
    const after = await this.#stateAfter(stream, before);
    // There are not more of one channel than of all.
    const isFew = hasAll(after, offset, after.last - offset);
    if (isFew) return { state: after, isWithinSize: true, oldest: 0 };
    const subject = this.#subject(kept);
    const [count, oldest] = await Promise.all([stream.countOf(subject), stream.next(subject, 1)]);
    const state = await this.#stateAfter(stream, before);
    // Where it has kept older ones nothing is lost, since what is too much goes from its front.
    const total = oldest !== undefined && oldest.offset <= offset ? 0 : count;
    return { state, isWithinSize: hasAll(state, offset, total), oldest: oldest?.offset ?? 0 };
  }

  /** @throws StarlingError `broker_unavailable` where the stream is another one, or one that lags behind */
  async #stateAfter(stream: MeshStream, { epoch, last }: StreamState): Promise<StreamState> {
    const state = await stream.look();
    if (state.epoch === epoch && state.last >= last) return state;
    throw new StarlingError("broker_unavailable");
  }

  #stored(kept: KeptChannel): StoredChannel {
    return { stream: kept.stream, subject: this.#subject(kept) };
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
