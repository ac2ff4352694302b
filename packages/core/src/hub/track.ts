import { type Answer, whenAnswered } from "../answer.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import { type BehindOptions, behind } from "./behind.ts";
import type { CaughtUp, StandIn } from "./catch-up.ts";
import { Cursor } from "./cursor.ts";
import type { Position } from "./position.ts";
import type { Publication } from "./publication.ts";

/** With what a subscription to one channel begins. */
export interface Beginning {
  readonly channel: string;
  /** What came behind a position, or behind what was seen, or the last publications, so many; undefined is nothing. */
  readonly from?: Position | Cursor | { readonly last: number } | undefined;
}

/** How a subscription to one channel has begun. */
export interface Begun {
  readonly channel: string;
  /** Where the subscriber stands, before it is sent anything; undefined where it cannot recover. */
  readonly position: Position | undefined;
  /** Whether everything since the wanted position follows; undefined where none was wanted. */
  readonly recovered: boolean | undefined;
}

/** One channel of a recovery: what is wanted of it, and how far it is. */
export class Track {
  readonly standIn: StandIn;
  readonly from: Beginning["from"];
  /** Whether there was more than its last page had room for. */
  hasMore = false;
  /** Where the client stands by what it wants, in this channel. */
  #since: Position | undefined;
  /** Behind which it goes on; undefined until the first page has come. */
  #cursor: Position | undefined;

  constructor(standIn: StandIn, from: Beginning["from"]) {
    this.standIn = standIn;
    this.from = from;
  }

  /** The next page, of so many entries and bytes. */
  read(limit: number, maxBytes: number, options: BehindOptions): Answer<HistoryPage<Publication>> {
    const { from } = this;
    if (this.#cursor !== undefined || !(from instanceof Cursor)) {
      return options.ask(this.#request(limit, maxBytes));
    }
    return whenAnswered(behind(from, { limit, maxBytes }, options), ({ page, since }) => {
      this.#since = since;
      return page;
    });
  }

  #request(limit: number, maxBytes: number): HistoryRequest {
    const { from } = this;
    if (this.#cursor !== undefined) return { since: this.#cursor, limit, maxBytes };
    if (from === undefined || from instanceof Cursor) return { limit: 0 };
    if ("last" in from) return { limit: from.last, maxBytes, newestFirst: true };
    this.#since = from;
    return { since: from, limit, maxBytes };
  }

  /** The first page: what of it is sent, and how that begins. */
  begin(page: HistoryPage<Publication>): { readonly part: CaughtUp; readonly begun: Begun } {
    const { standIn } = this;
    const { position } = page;
    const { from } = this;
    const isLast = from !== undefined && "last" in from;
    // What is left of a broken row would look like the whole.
    const isSent = from !== undefined && page.isComplete;
    const entries = !isSent ? [] : isLast ? page.entries.toReversed() : page.entries;
    const hasMore = isSent && !isLast && page.hasMore;
    const [first] = entries;
    if (isSent && !isLast) this.#cursor = this.#since;
    else if (first === undefined) this.#cursor = position;
    else this.#cursor = { ...position, offset: first.offset - 1 };
    const recovered = from === undefined || isLast ? undefined : isSent;
    const begun = { channel: standIn.channel.name, position: this.#cursor, recovered };
    const part = { standIn, position, newest: page.newest, entries, hasMore };
    return { part, begun };
  }

  /** Goes on behind that offset; what lies before its own beginning was not wanted. */
  goOn({ position: { epoch }, hasMore }: CaughtUp, offset: number): void {
    this.hasMore = hasMore;
    this.#cursor = { epoch, offset: Math.max(offset, this.#cursor?.offset ?? 0) };
  }
}
