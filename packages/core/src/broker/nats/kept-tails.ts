import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import { ByChannel } from "../../hub/by-channel.ts";
import type { Clock, Log } from "../../ports.ts";
import type { BrokerHandler } from "../broker.ts";
import type { MeshCounters } from "./counters.ts";
import { GapFiller, type TailedChannel } from "./gap-filler.ts";
import type { Inbox } from "./inbox.ts";
import { type KeptReader, place } from "./kept-reader.ts";
import { LeaderWatch } from "./leader-watch.ts";
import type { MeshLink } from "./link.ts";
import type { MeshStream } from "./mesh-stream.ts";
import { streamNumbers } from "./stream-numbers.ts";
import type { Subjects } from "./subjects.ts";
import { type Live, Tail } from "./tail.ts";
import { within } from "./within.ts";
import { type TrackedChannel, WorkerCursors } from "./worker-cursors.ts";

/** Milliseconds for which whoever subscribes waits for a stream, and for which it is then taken to be away. */
const BEGIN_MS = 2_500;
const AWAY_MS = 1_000;

export interface KeptTailsOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  readonly log: Log;
  readonly handler: Pick<BrokerHandler, "delivered" | "missed">;
  readonly subjects: Subjects;
  readonly inbox: Inbox;
  readonly counters: MeshCounters;
  readonly reader: KeptReader;
  streamOf(app: string, channel: string): MeshStream;
  /** Whether clients of a channel may recover. */
  recovers(app: string, channel: string): boolean;
}

interface Wanted extends TailedChannel {
  readonly subject: string;
  /** Where its clients may recover. */
  readonly cursors: TrackedChannel | undefined;
  subscription: Subscription | undefined;
  begun: Promise<void> | undefined;
  /** When its stream could not be had last, ms since the epoch. */
  failedAt: number;
}

/** What streams say that they have kept, in the channels with history that this worker has subscribers in. */
export class KeptTails {
  readonly #options: KeptTailsOptions;
  readonly #wanted = new ByChannel<Wanted>();
  readonly #filler: GapFiller;
  readonly #cursors: WorkerCursors;
  readonly #leaders: LeaderWatch;

  constructor(options: KeptTailsOptions) {
    this.#options = options;
    this.#filler = new GapFiller({
      ...options,
      channelsOf: (stream) => this.#ofStream(stream),
      missed: (tails) => this.#missed(tails),
    });
    this.#cursors = new WorkerCursors(options);
    this.#leaders = new LeaderWatch({
      ...options,
      elected: (stream) => this.#filler.leaderIsNew(stream),
    });
    options.link.use({ up: (connection) => this.#up(connection), down() {} });
  }

  interest(app: string, channel: string, isWanted: boolean): Answer<void> {
    const { link } = this.#options;
    const known = this.#wanted.get(app, channel);
    if (!isWanted) {
      known?.subscription?.unsubscribe();
      known?.tail.reset();
      known?.cursors?.end();
      this.#wanted.delete(app, channel);
      return;
    }
    if (known !== undefined) return known.begun;
    const wanted = this.#open(app, channel);
    if (link.subscriber !== undefined) this.#subscribe(link.subscriber, wanted);
    if (link.connection !== undefined) return this.#begin(wanted);
    wanted.cursors?.fail();
    return;
  }

  /** The tail of a channel, if this worker has subscribers there. */
  of(app: string, channel: string): Tail | undefined {
    return this.#wanted.get(app, channel)?.tail;
  }

  /** The same once it is known what is wanted of it; rejected with `broker_unavailable` where that cannot be. */
  async begun(app: string, channel: string): Promise<Tail | undefined> {
    const wanted = this.#wanted.get(app, channel);
    if (wanted === undefined) return undefined;
    const { clock, link } = this.#options;
    await wanted.begun;
    // Whoever has waited for the stream once does not do it again.
    const isAway = link.connection === undefined || clock.now() - wanted.failedAt < AWAY_MS;
    if (wanted.tail.last === undefined && !isAway) await this.#begin(wanted);
    if (wanted.tail.last === undefined) throw new StarlingError("broker_unavailable");
    return wanted.tail;
  }

  /** What its channels have delivered is of a stream that is no more; nobody can be told what was in it. */
  renewed(stream: MeshStream): void {
    const { counters, handler, log } = this.#options;
    log.warn({ stream: stream.name }, "a stream was made anew: what it had kept is lost");
    counters.missed++;
    this.#filler.forget(stream);
    for (const wanted of this.#ofStream(stream)) {
      wanted.tail.reset();
      void this.#begin(wanted);
    }
    handler.missed((app, channel) => this.#wanted.get(app, channel)?.stream === stream);
  }

  /** See `Broker.cursorsUpTo`. */
  cursorsUpTo(app: string, epoch: string): number {
    return this.#cursors.upTo(app, epoch);
  }

  /** See `GapFiller.filled`. */
  filled(): Promise<void> {
    return this.#filler.filled();
  }

  /** What was kept since a moment may not have come, ms since the epoch. */
  lost(since: number): void {
    this.#filler.lost(since);
  }

  close(): void {
    this.#filler.close();
  }

  #open(app: string, channel: string): Wanted {
    const { handler, counters, subjects, clock, link, streamOf, recovers } = this.#options;
    const stream = streamOf(app, channel);
    this.#leaders.watch(stream);
    const cursors = recovers(app, channel) ? this.#cursors.track(stream) : undefined;
    const tail = new Tail({
      clock,
      deliver: (publication) => {
        counters.received++;
        cursors?.deliver(publication);
        handler.delivered(publication);
      },
      flushed: () => link.flushed(),
      gate: this.#filler.gateOf(stream),
      doubt: () => stream.doubt(),
    });
    const wanted: Wanted = {
      ...{ app, channel, tail, stream, cursors },
      subject: subjects.live(app, stream.namespace, channel),
      ...{ subscription: undefined, begun: undefined, failedAt: Number.NEGATIVE_INFINITY },
    };
    this.#wanted.set(app, channel, wanted);
    return wanted;
  }

  #subscribe(connection: NatsConnection, wanted: Wanted): void {
    const { inbox } = this.#options;
    const { app, channel, tail, subject } = wanted;
    wanted.subscription = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return inbox.failed(error, app, channel);
        const live = this.#live(message, wanted);
        if (live === undefined) return;
        wanted.stream.heard();
        tail.take(live);
      },
    });
  }

  #live(message: Msg, { app, channel, stream }: Wanted): Live | undefined {
    const { inbox } = this.#options;
    const numbers = streamNumbers(message);
    if (numbers === undefined) return undefined;
    const { offset, previous } = numbers;
    const publication = inbox.read(message, app, channel);
    if (publication !== undefined) place(publication, stream.epoch ?? "", offset);
    return { offset, previous, publication };
  }

  /** From here on nothing passes by: the subscription is there, and what lies before is not wanted. */
  #begin(wanted: Wanted): Promise<void> {
    wanted.begun ??= this.#tryToBegin(wanted).finally(() => {
      wanted.begun = undefined;
    });
    return wanted.begun;
  }

  async #tryToBegin(wanted: Wanted): Promise<void> {
    const { link, clock, subjects } = this.#options;
    const { app, channel, stream, tail, cursors } = wanted;
    const kept = subjects.kept(app, stream.namespace, channel);
    const look = async () => {
      await link.flushed();
      const state = await stream.look();
      const newest = cursors && (await stream.newestOf(kept).catch(() => undefined));
      return { ...state, newest };
    };
    try {
      const { newest, ...state } = await within(clock, BEGIN_MS, look());
      // What waits behind a gap is older, and would come too late for a cursor.
      const isKnown = !this.#filler.gateOf(stream).isHeld;
      beginAt(state, isKnown ? newest : undefined, tail, cursors);
    } catch {
      // Whoever asked cannot wait for that.
      cursors?.fail();
      wanted.failedAt = clock.now();
      this.#filler.catchUpLater();
    }
  }

  #missed(tails: ReadonlySet<Tail>): void {
    const { counters, handler } = this.#options;
    counters.missed++;
    handler.missed((app, channel) => {
      const tail = this.of(app, channel);
      return tail !== undefined && tails.has(tail);
    });
  }

  *#ofStream(stream: MeshStream): Iterable<Wanted> {
    for (const [, , wanted] of this.#wanted.entries()) if (wanted.stream === stream) yield wanted;
  }

  #up(connection: NatsConnection): void {
    for (const [, , wanted] of this.#wanted.entries()) {
      wanted.failedAt = Number.NEGATIVE_INFINITY;
      // A connection that was closed for good has taken its subscriptions along.
      if (wanted.subscription === undefined || wanted.subscription.isClosed()) {
        this.#subscribe(connection, wanted);
      }
    }
    this.#filler.linkIsUp();
  }
}

/** A channel whose newest publication there is known, or undefined, begins where its stream stands. */
export function beginAt(
  { epoch, last }: { readonly epoch: string; readonly last: number },
  newest: number | undefined,
  tail: Tail,
  cursors: Pick<TrackedChannel, "begin"> | undefined,
): void {
  const position = { epoch, offset: last };
  cursors?.begin(position, undefined);
  tail.begin(last);
  // If it begins earlier, with what came meanwhile, the newest is wanted, and may be still to come.
  if (tail.last === last) cursors?.begin(position, newest);
}
