import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../answer.ts";
import type { Broker } from "../broker/broker.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { Clock, TimerHandle } from "../ports.ts";
import { type CaughtUp, merge, type StandIn } from "./catch-up.ts";
import { type Position, positionText } from "./position.ts";
import type { Publication } from "./publication.ts";
import type { Subscriber } from "./subscriber.ts";

/** Entries that are asked for at a time. */
const PAGE_ENTRIES = 500;
/** How often, and for how long, a client is looked at that has not read what it was sent; ms. */
const LOOK_MS = 10;
const PATIENCE_MS = 10_000;

/** With what a subscription to one channel begins. */
export interface Beginning {
  readonly channel: string;
  /** What came behind a position, or the last publications, so many; undefined is nothing. */
  readonly from?: Position | { readonly last: number } | undefined;
}

/** How a subscription to one channel has begun. */
export interface Begun {
  readonly channel: string;
  /** Where the subscriber stands, before it is sent anything; undefined where it cannot recover. */
  readonly position: Position | undefined;
  /** Whether everything since the wanted position follows; undefined where none was wanted. */
  readonly recovered: boolean | undefined;
}

export interface RecoveryOptions {
  readonly broker: Pick<Broker, "history">;
  readonly clock: Clock;
  readonly subscriber: Subscriber;
  /** One for each channel, and they are in it. */
  readonly standIns: readonly StandIn[];
  readonly beginnings: readonly Beginning[];
  /** Whether the subscriber said it itself, and is not to hear it. */
  isOwn(publication: Publication): boolean;
  /** Called once, before anything of the history is sent. */
  begun(channels: readonly Begun[]): void;
  /** Takes the stand-ins' places. Nothing is asked or waited for between this and what follows. */
  goLive(): void;
}

/** Sends one subscriber what it wants of the histories of its channels, then takes it live. */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** From where each channel goes on; undefined in the first round. */
  #cursors: readonly Position[] | undefined;
  #timer: TimerHandle | undefined;
  #cancel: (() => void) | undefined;
  #isCancelled = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  get channels(): readonly string[] {
    return this.#options.beginnings.map(({ channel }) => channel);
  }

  /** Rejected with `broker_unavailable`, and with `not_joined` when it was cancelled. */
  run(): Answer<void> {
    this.#requireGoingOn();
    const { standIns, subscriber, broker } = this.#options;
    for (const standIn of standIns) standIn.forget();
    const pages = standIns.map(({ channel }, index) =>
      broker.history(subscriber.app, channel.name, this.#request(index)),
    );
    return whenAnswered(allAnswers(pages), (read) => this.#proceed(read));
  }

  /** Nothing more is sent; the stand-ins are the caller's. */
  cancel(): void {
    this.#isCancelled = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#cancel?.();
  }

  #request(index: number): HistoryRequest {
    const since = this.#cursors?.[index];
    if (since !== undefined) return { since, limit: PAGE_ENTRIES };
    const from = this.#options.beginnings[index]?.from;
    if (from === undefined) return { limit: 0 };
    return "last" in from
      ? { limit: from.last, newestFirst: true }
      : { since: from, limit: PAGE_ENTRIES };
  }

  #proceed(pages: readonly HistoryPage<Publication>[]): Answer<void> {
    this.#requireGoingOn();
    const parts = this.#options.standIns.flatMap((standIn, index) => {
      const page = pages[index];
      return page === undefined ? [] : [this.#part(standIn, index, page)];
    });
    const isFirst = this.#cursors === undefined;
    if (!isFirst && pages.some(({ isComplete }) => !isComplete)) {
      // What it has been promised is gone; it comes back, and is told.
      this.#options.subscriber.cutSlow();
      throw new StarlingError("not_joined");
    }
    const { entries, upTo } = merge(parts);
    const hasMore = upTo !== Number.POSITIVE_INFINITY;
    if (!hasMore) this.#options.goLive();
    if (isFirst) this.#options.begun(parts.map((part, index) => this.#begun(part, pages, index)));
    for (const { standIn, entry } of entries) this.#send(standIn, entry.content, entry.offset);
    if (!hasMore) {
      this.#sendBuffered(parts);
      return;
    }
    this.#cursors = parts.map(({ position: { epoch } }) => ({ epoch, offset: upTo }));
    return this.#whenReady().then(() => this.run());
  }

  #part(standIn: StandIn, index: number, page: HistoryPage<Publication>): CaughtUp {
    const { position } = page;
    const from = this.#options.beginnings[index]?.from;
    // What is left of a broken row would look like the whole.
    const isWhole = this.#cursors !== undefined || from === undefined || page.isComplete;
    if (!isWhole) return { standIn, position, entries: [], hasMore: false };
    const isLast = this.#cursors === undefined && from !== undefined && "last" in from;
    return isLast
      ? { standIn, position, entries: page.entries.toReversed(), hasMore: false }
      : { standIn, position, entries: page.entries, hasMore: page.hasMore && from !== undefined };
  }

  #begun(
    { position, entries }: CaughtUp,
    pages: readonly HistoryPage<Publication>[],
    index: number,
  ): Begun {
    const { channel = "", from } = this.#options.beginnings[index] ?? {};
    if (from === undefined) return { channel, position, recovered: undefined };
    if ("last" in from) {
      const first = entries[0]?.offset;
      const before = first === undefined ? position : { ...position, offset: first - 1 };
      return { channel, position: before, recovered: undefined };
    }
    const recovered = pages[index]?.isComplete ?? false;
    return { channel, position: recovered ? from : position, recovered };
  }

  #send(standIn: StandIn, publication: Publication, offset: number): void {
    const { subscriber, isOwn } = this.#options;
    if (isOwn(publication)) return;
    const { position } = publication;
    if (position !== undefined) publication.cursor ??= positionText(position);
    subscriber.deliver(standIn.format.encode(publication), publication.id, offset);
  }

  #sendBuffered(parts: readonly CaughtUp[]): void {
    const { subscriber } = this.#options;
    const live = parts
      .flatMap(({ standIn, position }) => standIn.after(position.offset))
      .toSorted((a, b) => a.offset - b.offset);
    for (const { frames, id, offset } of live) subscriber.deliver(frames, id, offset);
  }

  /** Waits until the client has read what it was sent; one that does not read is cut. */
  #whenReady(): Promise<void> {
    const { clock, subscriber } = this.#options;
    const deadline = clock.now() + PATIENCE_MS;
    return new Promise((resolve) => {
      this.#cancel = resolve;
      const look = () => {
        if (subscriber.isReady()) return resolve();
        if (clock.now() >= deadline) return subscriber.cutSlow();
        this.#timer = clock.setTimeout(look, LOOK_MS);
      };
      look();
    });
  }

  #requireGoingOn(): void {
    if (this.#isCancelled) throw new StarlingError("not_joined");
  }
}
