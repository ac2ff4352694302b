import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers } from "../answer.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { Clock, TimerHandle } from "../ports.ts";
import {
  type Buffered,
  batches,
  byStream,
  type CaughtUp,
  endsOf,
  type MergedEntry,
  merge,
  newestOf,
  StandIn,
} from "./catch-up.ts";
import type { Channel } from "./channel.ts";
import { Chase } from "./chase.ts";
import type { Counters } from "./counters.ts";
import { idAt } from "./place-id.ts";
import { positionText } from "./position.ts";
import { Progress, type Start } from "./progress.ts";
import type { Publication } from "./publication.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";
import { type Beginning, type Begun, Track } from "./track.ts";

export type { Beginning, Begun } from "./track.ts";

/** Entries that are asked for at a time, of all channels together, and of each at least. */
const ROUND_ENTRIES = 500;
const LEAST_ENTRIES = 10;
/** Bytes that are asked for at a time, of all channels together: they are held until they are sent. */
const ROUND_BYTES = 1024 * 1024;
/** Bytes that a client is sent before it is looked at whether it reads. */
const BATCH_BYTES = 256 * 1024;
/** How often, and for how long, a client is looked at that has not read what it was sent; ms. */
const LOOK_MS = 10;
const PATIENCE_MS = 10_000;

export interface RecoveryOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly subscriber: Subscriber;
  readonly format: WireFormat;
  /** Bytes of what is published meanwhile that may be kept. */
  readonly maxBytes: number;
  /** Whether what comes live comes in the order of the streams' numbers, also of different channels. */
  readonly isOrdered: boolean;
  history(channel: string, request: HistoryRequest): Answer<HistoryPage<Publication>>;
  /** The stream that a channel was of when it was last looked at. */
  epochOf(channel: string): string | undefined;
  /** Whether the subscriber said it itself, and is not to hear it. */
  isOwn(publication: Publication): boolean;
  /**
   * Called once, before anything of the history is sent, with the channels that are still wanted, and the
   * cursor of somebody who stands there.
   */
  begun(channels: readonly Begun[], cursor: string): void;
  /** Called once, when everything has been sent; see `BeginOptions.ended`. */
  ended?(newest: ReadonlyMap<string, number>): void;
  /** Takes a stand-in out of its channel. */
  leave(standIn: StandIn): void;
  /** Takes the places of those that are left, and ends the recovery. */
  goLive(standIns: readonly StandIn[]): void;
}

/** Sends one subscriber what it wants of the histories of its channels, then takes it live. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #tracks = new Map<string, Track>();
  readonly #chase = new Chase();
  /** What the stand-ins keep. */
  #bytes = 0;
  /** Whether something may be missing from it. */
  #isStale = false;
  /** What the subscriber has; undefined until it has begun. */
  #progress: Progress | undefined;
  #isCancelled = false;
  #timer: TimerHandle | undefined;
  #wake: (() => void) | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Channels that the subscriber is about to have. */
  get size(): number {
    return this.#tracks.size;
  }

  standIn(channel: string): StandIn | undefined {
    return this.#tracks.get(channel)?.standIn;
  }

  /** One channel more; none comes once it runs. */
  add(channel: Channel, from: Beginning["from"]): void {
    const { subscriber, format } = this.#options;
    const standIn = new StandIn(subscriber, channel, format, (bytes) => this.#hold(bytes));
    channel.add(standIn, format);
    this.#tracks.set(channel.name, new Track(standIn, from));
  }

  /** The subscriber does not want that channel any more; answers whether it was one of these. */
  drop(channel: string): boolean {
    const track = this.#tracks.get(channel);
    if (track === undefined) return false;
    this.#tracks.delete(channel);
    track.standIn.forget();
    this.#options.leave(track.standIn);
    // Nobody has to read anything before the end of nothing.
    if (this.#tracks.size === 0) this.#wake?.();
    return true;
  }

  /** Publications may have been lost on their way here, so what the stand-ins keep is of no use. */
  restart(): void {
    this.#isStale = true;
  }

  /** Nothing more is sent, and nothing of it is left. */
  cancel(): void {
    this.#isCancelled = true;
    for (const channel of [...this.#tracks.keys()]) this.drop(channel);
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#wake?.();
  }

  /**
   * Rejected with `broker_unavailable`, and with `not_joined` when it was cancelled. Who has been told
   * of a beginning is closed then, and comes back.
   */
  run(): Answer<void> {
    const fail = (error: unknown): never => {
      const isPromised = this.#progress !== undefined && !this.#isCancelled;
      this.cancel();
      if (isPromised) this.#options.subscriber.close("messages_missed");
      throw error;
    };
    try {
      const done = this.#ask();
      return done instanceof Promise ? done.catch(fail) : done;
    } catch (error) {
      return fail(error);
    }
  }

  #ask(): Answer<void> {
    this.#requireGoingOn();
    this.#isStale = false;
    const tracks = [...this.#tracks.values()];
    for (const { standIn } of tracks) standIn.forget();
    const longer = tracks.filter(({ hasMore }) => hasMore).length;
    const pages = allAnswers(
      tracks.map((track) => {
        // One channel in which much is published is not to be as slow as if all were like it.
        const share = track.hasMore ? longer : tracks.length;
        const limit = Math.max(LEAST_ENTRIES, Math.floor(ROUND_ENTRIES / share));
        return this.#read(track, limit, Math.max(1, Math.floor(ROUND_BYTES / share)));
      }),
    );
    const proceed = (read: readonly HistoryPage<Publication>[]) => this.#proceed(tracks, read);
    if (!(pages instanceof Promise)) return proceed(pages);
    return pages.then(proceed, (error: unknown) => {
      // The questions were lost with what was on its way.
      if (this.#isStale) return this.#ask();
      throw error;
    });
  }

  #read(track: Track, limit: number, maxBytes: number): Answer<HistoryPage<Publication>> {
    const { history, epochOf } = this.#options;
    const { name } = track.standIn.channel;
    const ask = (request: HistoryRequest) => history(name, request);
    return track.read(limit, maxBytes, { epoch: epochOf(name), ask });
  }

  #proceed(asked: readonly Track[], pages: readonly HistoryPage<Publication>[]): Answer<void> {
    this.#requireGoingOn();
    if (this.#isStale) return this.#ask();
    const begun: Begun[] = [];
    const starts: Start[] = [];
    const tracks: Track[] = [];
    const parts: CaughtUp[] = [];
    for (const [index, track] of asked.entries()) {
      const page = pages[index];
      if (page === undefined || this.standIn(track.standIn.channel.name) !== track.standIn)
        continue;
      tracks.push(track);
      if (this.#progress !== undefined) {
        parts.push(this.#next(track.standIn, page));
      } else {
        const first = track.begin(page);
        parts.push(first.part);
        begun.push(first.begun);
        starts.push({
          from: track.from,
          position: first.begun.position ?? page.position,
          isRecovered: first.begun.recovered === true,
        });
      }
    }
    const { entries, upTo, hasMore } = merge(parts);
    const isLastRound = !hasMore && batches(entries, BATCH_BYTES).length <= 1;
    if (isLastRound) this.#goLive();
    if (this.#progress === undefined) {
      this.#progress = new Progress(starts);
      this.#options.begun(begun, this.#progress.text);
    }
    if (isLastRound) {
      this.#sendAll(entries, parts, upTo);
      this.#options.ended?.(newestOf(parts));
      return;
    }
    if (!this.#chase.isGaining(upTo, endsOf(parts))) this.#giveUp();
    for (const [index, track] of tracks.entries()) {
      const part = parts[index];
      if (part !== undefined) track.goOn(part, upTo.get(part.position.epoch) ?? 0);
    }
    const sure = entries.filter(({ entry, epoch }) => entry.offset <= (upTo.get(epoch) ?? 0));
    return this.#sendInTurns(batches(sure, BATCH_BYTES));
  }

  /** A page of a later round. */
  #next(standIn: StandIn, page: HistoryPage<Publication>): CaughtUp {
    if (page.isComplete) return { standIn, ...page };
    // What it has been promised is gone; it comes back, and is told.
    return this.#giveUp();
  }

  #giveUp(): never {
    this.#cut();
    throw new StarlingError("not_joined");
  }

  #goLive(): void {
    const standIns = [...this.#tracks.values()].map(({ standIn }) => standIn);
    this.#tracks.clear();
    this.#options.goLive(standIns);
  }

  /** `isNext`: it has been sent all that it wants of the stream up to here. */
  #send({ standIn, epoch, entry: { content, offset } }: MergedEntry, isNext: boolean): void {
    const { subscriber, isOwn } = this.#options;
    this.#advance(epoch, offset, isNext);
    if (content.sender === subscriber.id || isOwn(content)) return;
    content.cursor = this.#cursorOf(content);
    if (content.position !== undefined) content.id = idAt(content.position);
    subscriber.deliver(standIn.format.encode(content), content.id, offset);
  }

  /** Sends what was published meanwhile, whose frames say what others have who are in these channels. */
  #sendBuffered(
    standIn: StandIn,
    epoch: string,
    { frames, publication, id, offset }: Buffered,
  ): void {
    const { subscriber } = this.#options;
    if (offset !== undefined) this.#advance(epoch, offset, false);
    if (this.#isSimple || publication === undefined || offset === undefined) {
      subscriber.deliver(frames, id, offset);
    } else {
      publication.cursor = this.#cursorOf(publication);
      subscriber.deliver(standIn.format.encode(publication), id, offset);
    }
  }

  #advance(epoch: string, offset: number, isNext: boolean): void {
    if (isNext || this.#options.isOrdered) this.#progress?.settle(epoch, offset);
    else this.#progress?.mark(epoch, offset);
  }

  /** Whether the place of a publication says all that the subscriber has. */
  get #isSimple(): boolean {
    return this.#options.isOrdered && this.#progress?.size === 1;
  }

  #cursorOf({ position, cursor }: Publication): string | undefined {
    if (!this.#isSimple) return this.#progress?.text;
    return cursor ?? (position && positionText(position));
  }

  /** Sends the last of the history and what was published since: pages may be of different times. */
  #sendAll(
    entries: readonly MergedEntry[],
    parts: readonly CaughtUp[],
    upTo: ReadonlyMap<string, number>,
  ): void {
    for (const [epoch, ofStream] of byStream(parts)) {
      const own = entries.filter((each) => each.epoch === epoch);
      this.#sendStream(epoch, own, ofStream, upTo.get(epoch) ?? 0);
    }
  }

  #sendStream(
    epoch: string,
    entries: readonly MergedEntry[],
    parts: readonly CaughtUp[],
    upTo: number,
  ): void {
    const kept = parts.flatMap(({ standIn, position }) =>
      standIn.after(position.offset).map((buffered) => ({ standIn, buffered })),
    );
    const waiting = kept.toSorted((a, b) => a.buffered.order - b.buffered.order);
    let next = 0;
    const sendWaiting = (before: number) => {
      for (let each = waiting[next]; each !== undefined; each = waiting[++next]) {
        if (each.buffered.order >= before) return;
        this.#sendBuffered(each.standIn, epoch, each.buffered);
      }
    };
    const isBehind = ({ entry }: MergedEntry) => entry.offset > upTo;
    for (const each of entries) {
      sendWaiting(each.entry.offset);
      // Pages may be of different times, so behind the first of them all something may be still to come.
      if (isBehind(each)) this.#progress?.settle(epoch, upTo);
      this.#send(each, !isBehind(each));
    }
    this.#progress?.settle(epoch, upTo);
    sendWaiting(Number.POSITIVE_INFINITY);
  }

  async #sendInTurns(toSend: readonly (readonly MergedEntry[])[]): Promise<void> {
    for (const entries of toSend) {
      this.#requireGoingOn();
      for (const each of entries) {
        const { standIn } = each;
        if (this.standIn(standIn.channel.name) === standIn) this.#send(each, true);
      }
      await this.#whenReady();
    }
    return this.#ask();
  }

  /** Waits until the client has read what it was sent; one that does not read is cut. */
  #whenReady(): Promise<void> {
    const { clock, subscriber } = this.#options;
    const deadline = clock.now() + PATIENCE_MS;
    return new Promise((resolve) => {
      this.#wake = resolve;
      const look = () => {
        if (this.#tracks.size === 0 || subscriber.isReady()) return resolve();
        if (clock.now() >= deadline) return this.#cut();
        this.#timer = clock.setTimeout(look, LOOK_MS);
      };
      look();
    });
  }

  /** Takes so many bytes more into account. */
  #hold(bytes: number): void {
    this.#bytes += bytes;
    if (bytes > 0 && this.#bytes > this.#options.maxBytes) this.#cut();
  }

  #cut(): void {
    this.#options.counters.unfinishedRecoveries++;
    this.cancel();
    this.#options.subscriber.cutSlow();
  }

  #requireGoingOn(): void {
    if (this.#isCancelled) throw new StarlingError("not_joined");
  }
}
