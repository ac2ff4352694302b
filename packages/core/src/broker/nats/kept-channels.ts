import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import { sha256 } from "@noble/hashes/sha2.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import { ByChannel } from "../../hub/by-channel.ts";
import type { Position } from "../../hub/position.ts";
import type { Publication } from "../../hub/publication.ts";
import type { Clock, Log, TimerHandle } from "../../ports.ts";
import type { BrokerHandler, DeliveryKey } from "../broker.ts";
import type { HistoryEntry, HistoryPage, HistoryRequest, Retention } from "../stream.ts";
import type { MeshCounters } from "./counters.ts";
import type { Envelopes } from "./envelope.ts";
import type { Inbox } from "./inbox.ts";
import { KeptPublisher } from "./kept-publisher.ts";
import type { MeshLink } from "./link.ts";
import { MeshStream, type StreamSettings, type StreamState, unavailable } from "./mesh-stream.ts";
import { readStored, type StoredMessage } from "./stream-pages.ts";
import type { Subjects } from "./subjects.ts";
import { Gate, type Live, Tail, type Waiting } from "./tail.ts";
import { type TrackedChannel, WorkerCursors } from "./worker-cursors.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** Bytes that a page has at most, if it has more than one entry. */
const PAGE_BYTES = 256 * 1024;
/** Channels whose gaps are read at a time. */
const READERS = 16;
/** Publications that a gap is filled with at a time. */
const FILL_ENTRIES = 1_000;
/** Milliseconds for which a publisher waits until it has its own publication. */
const OWN_MS = 500;
/** Milliseconds until a stream that cannot be had is looked for again. */
const RETRY_MS = 1_000;

/** Where a channel with history is kept. */
export interface Place extends Retention {
  readonly namespace: string;
  /** Whether its clients may recover; default `false`. */
  readonly recover?: boolean | undefined;
}

export interface KeptChannelsOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  readonly log: Log;
  readonly handler: Pick<BrokerHandler, "delivered" | "missed">;
  readonly subjects: Subjects;
  readonly envelopes: Envelopes;
  readonly inbox: Inbox;
  readonly counters: MeshCounters;
  readonly nextSequence: () => number;
  readonly origin: string;
  readonly settings: StreamSettings;
  placeOf(app: string, channel: string): Place | undefined;
}

interface Wanted {
  readonly app: string;
  readonly channel: string;
  readonly tail: Tail;
  readonly stream: MeshStream;
  readonly subject: string;
  /** Where its clients may recover. */
  readonly cursors: TrackedChannel | undefined;
  subscription: Subscription | undefined;
  begun: Promise<void> | undefined;
}

/** Channels with history, which JetStream keeps and numbers. */
export class KeptChannels {
  readonly #options: KeptChannelsOptions;
  readonly #publisher: KeptPublisher;
  readonly #streams = new Map<string, MeshStream>();
  readonly #wanted = new ByChannel<Wanted>();
  readonly #gates = new Map<MeshStream, Gate>();
  readonly #cursors: WorkerCursors;
  #retry: TimerHandle | undefined;

  constructor(options: KeptChannelsOptions) {
    this.#options = options;
    options.link.use({ up: (connection) => this.#up(connection), down: () => this.#down() });
    this.#publisher = new KeptPublisher(options);
    this.#cursors = new WorkerCursors(options);
  }

  get waitingBytes(): number {
    return this.#publisher.waitingBytes;
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
    if (link.subscriber !== undefined) this.#subscribe(link.subscriber, app, channel, wanted);
    if (link.connection !== undefined) return this.#begin(wanted);
    wanted.cursors?.fail();
    return;
  }

  /** Keeps a publication; answers where it stands, when this worker has it too. */
  async publish(
    publication: Publication,
    channel: string,
    key: DeliveryKey | undefined,
  ): Promise<Position> {
    const { envelopes, nextSequence, origin, subjects, clock } = this.#options;
    const { app } = publication;
    const stream = this.#streamOf(app, channel);
    const subject = subjects.kept(app, stream.namespace, channel);
    const sequence = nextSequence();
    const bytes = envelopes.seal(envelopes.content(publication), sequence);
    const id = key === undefined ? `${origin}.${sequence}` : idOf(key, channel);
    const position = await this.#publisher.publish(stream, subject, bytes, id);
    const tail = this.#wanted.get(app, channel)?.tail;
    const own = tail?.reached(position.offset);
    if (tail !== undefined && own !== undefined) {
      // Lost on its way here, if it takes that long; it is kept all the same.
      const timers = [
        clock.setTimeout(() => tail.refill(), OWN_MS),
        clock.setTimeout(() => tail.giveUp(position.offset), 4 * OWN_MS),
      ];
      await own;
      for (const timer of timers) clock.clearTimeout(timer);
    }
    return position;
  }

  /** Rejected with `broker_unavailable` where the stream cannot be read. */
  async history(
    app: string,
    channel: string,
    request: HistoryRequest,
  ): Promise<HistoryPage<Publication>> {
    const stream = this.#streamOf(app, channel);
    try {
      const before = await stream.look();
      const { since } = request;
      const isKnown = since?.epoch === before.epoch && since.offset <= before.last;
      const read = request.newestFirst === true ? this.#readBackwards : this.#readForwards;
      const from = isKnown ? since : undefined;
      const part = await read.call(this, stream, app, channel, { ...request, since: from });
      const after = await stream.look();
      if (after.epoch !== before.epoch) throw new StarlingError("broker_unavailable");
      const isComplete =
        request.newestFirst === true ||
        ((since === undefined || isKnown) && isWhole(after, from?.offset ?? 0, part.total));
      const { entries, hasMore } = part;
      const { epoch } = before;
      // What came after the look at the stream is in the page, unless the page ends before it.
      const newest = request.newestFirst === true ? entries.at(0) : entries.at(-1);
      const isUpToNow = request.newestFirst === true || !hasMore;
      const offset = isUpToNow ? Math.max(before.last, newest?.offset ?? 0) : before.last;
      return { position: { epoch, offset }, entries, isComplete, hasMore };
    } catch (error) {
      throw unavailable(error);
    }
  }

  close(): void {
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    this.#publisher.close();
  }

  async #readForwards(
    stream: MeshStream,
    app: string,
    channel: string,
    { since, limit }: HistoryRequest,
  ): Promise<Part> {
    const start = (since?.offset ?? 0) + 1;
    const range = { start, limit, maxBytes: PAGE_BYTES };
    const { messages, left } = await this.#read(stream, app, channel, range);
    const entries = this.#entries(stream, app, channel, messages);
    return { entries, hasMore: left > 0, total: messages.length + left };
  }

  /** There is no reader that goes backwards; a channel has no more than its namespace keeps. */
  async #readBackwards(
    stream: MeshStream,
    app: string,
    channel: string,
    { since, limit }: HistoryRequest,
  ): Promise<Part> {
    const range = { start: 1, limit: Infinity, maxBytes: Infinity };
    const { messages } = await this.#read(stream, app, channel, range);
    const before = since?.offset ?? Infinity;
    const all = messages.filter(({ offset }) => offset < before).toReversed();
    let bytes = 0;
    const wanted = all.slice(0, limit).filter(({ message: { data } }, index) => {
      bytes += data.length;
      return index === 0 || bytes <= PAGE_BYTES;
    });
    const entries = this.#entries(stream, app, channel, wanted);
    return { entries, hasMore: all.length > wanted.length, total: messages.length };
  }

  #read(
    stream: MeshStream,
    app: string,
    channel: string,
    range: { start: number; limit: number; maxBytes: number },
  ) {
    const { link, clock, subjects } = this.#options;
    const { connection } = link;
    if (connection === undefined) throw new StarlingError("broker_unavailable");
    const subject = subjects.kept(app, stream.namespace, channel);
    return readStored(connection, clock, stream, subject, range);
  }

  #entries(
    stream: MeshStream,
    app: string,
    channel: string,
    messages: readonly StoredMessage[],
  ): readonly HistoryEntry<Publication>[] {
    const { inbox } = this.#options;
    return messages.flatMap(({ offset, time, message }) => {
      const content = inbox.read(message, app, channel);
      if (content === undefined) return [];
      content.position = { epoch: stream.epoch ?? "", offset };
      return [{ offset, time, content }];
    });
  }

  #streamOf(app: string, channel: string): MeshStream {
    const place = this.#options.placeOf(app, channel);
    if (place === undefined) throw new StarlingError("internal", `${channel} keeps no history`);
    const { namespace } = place;
    const name = this.#options.subjects.stream(app, namespace);
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      const renewed = (which: MeshStream) => this.#renewed(which);
      stream = new MeshStream({ ...this.#options, app, namespace, retention: place, renewed });
      this.#streams.set(name, stream);
    }
    return stream;
  }

  #open(app: string, channel: string): Wanted {
    const { handler, counters, subjects, placeOf } = this.#options;
    const stream = this.#streamOf(app, channel);
    const isRecoverable = placeOf(app, channel)?.recover === true;
    const cursors = isRecoverable ? this.#cursors.track(stream) : undefined;
    const missed = () => {
      counters.missed++;
      handler.missed((anApp, name) => anApp === app && name === channel);
    };
    const tail = new Tail({
      deliver: (publication) => {
        counters.received++;
        cursors?.deliver(publication);
        handler.delivered(publication);
      },
      gate: this.#gateOf(stream),
      doubt: () => stream.doubt(),
      missed,
    });
    const subject = subjects.live(app, stream.namespace, channel);
    const wanted: Wanted = {
      ...{ app, channel, tail, stream, subject, cursors },
      ...{ subscription: undefined, begun: undefined },
    };
    this.#wanted.set(app, channel, wanted);
    return wanted;
  }

  #subscribe(connection: NatsConnection, app: string, channel: string, wanted: Wanted): void {
    const { inbox } = this.#options;
    const { tail, stream } = wanted;
    wanted.subscription = connection.subscribe(wanted.subject, {
      callback: (error, message) => {
        if (error !== null) return inbox.failed(error, app, channel);
        const live = this.#live(message, stream, app, channel);
        if (live !== undefined) tail.take(live);
      },
    });
  }

  #live(message: Msg, stream: MeshStream, app: string, channel: string): Live | undefined {
    const { inbox } = this.#options;
    const offset = Number(message.headers?.get("Nats-Sequence"));
    const previous = Number(message.headers?.get("Nats-Last-Sequence") || 0);
    if (!Number.isSafeInteger(offset) || offset <= 0) return undefined;
    const publication = inbox.read(message, app, channel);
    if (publication !== undefined) publication.position = { epoch: stream.epoch ?? "", offset };
    return { offset, previous, publication };
  }

  /** From here on nothing passes by: the subscription is there, and what lies before is not wanted. */
  #begin(wanted: Wanted): Promise<void> {
    const { link, subjects } = this.#options;
    const { app, channel, cursors, stream } = wanted;
    const begin = async () => {
      try {
        await link.flushed();
        const { last, epoch } = await stream.look();
        const kept = subjects.kept(app, stream.namespace, channel);
        const newest = cursors && (await stream.newestOf(kept).catch(() => undefined));
        // What waits behind a gap is older, and would come too late for a cursor.
        const isKnown = !this.#gateOf(stream).isHeld;
        cursors?.begin({ epoch, offset: last }, isKnown ? newest : undefined);
        wanted.tail.begin(last);
      } catch {
        // Whoever asked cannot wait for that.
        cursors?.fail();
        this.#catchUpLater();
      }
      wanted.begun = undefined;
    };
    wanted.begun = begin();
    return wanted.begun;
  }

  #gateOf(stream: MeshStream): Gate {
    let gate = this.#gates.get(stream);
    if (gate === undefined) {
      const made = new Gate(() => void this.#fill(stream, made));
      gate = made;
      this.#gates.set(stream, gate);
    }
    return gate;
  }

  /** Fills all gaps there are, in the order of the stream, and opens the gate. */
  async #fill(stream: MeshStream, gate: Gate): Promise<void> {
    const { counters } = this.#options;
    const read: Waiting[] = [];
    try {
      while (gate.gaps.size > 0) {
        const gaps = [...this.#ofStream(stream)].filter(({ tail }) => gate.gaps.has(tail));
        const parts = await inTurns(gaps, READERS, (wanted) => this.#readGap(wanted));
        gate.gaps.clear();
        for (const { tail, lives, isComplete, upTo } of parts) {
          if (!isComplete) tail.missed();
          if (lives.length > 0) counters.filled++;
          tail.hasRead(upTo);
          for (const live of lives) read.push({ tail, live });
        }
      }
    } catch {
      // What waits goes on waiting: behind a gap nothing may be delivered.
      this.#catchUpLater();
      return;
    }
    gate.open(read);
  }

  /** What a channel has in the stream behind the last that was delivered. */
  async #readGap({ app, channel, tail, stream }: Wanted): Promise<{
    readonly tail: Tail;
    readonly lives: readonly Live[];
    readonly isComplete: boolean;
    readonly upTo: number;
  }> {
    const lives: Live[] = [];
    let isComplete = true;
    let since = { epoch: stream.epoch ?? "", offset: tail.last ?? 0 };
    for (let hasMore = tail.last !== undefined; hasMore; ) {
      const page = await this.history(app, channel, { since, limit: FILL_ENTRIES });
      isComplete &&= page.isComplete;
      for (const { offset, content } of page.entries) {
        lives.push({ offset, previous: 0, publication: content });
      }
      since = { ...page.position, offset: page.entries.at(-1)?.offset ?? page.position.offset };
      hasMore = page.hasMore && page.entries.length > 0;
    }
    return { tail, lives, isComplete, upTo: since.offset };
  }

  *#ofStream(stream: MeshStream): Iterable<Wanted> {
    for (const [, , wanted] of this.#wanted.entries()) if (wanted.stream === stream) yield wanted;
  }

  #up(connection: NatsConnection): void {
    for (const stream of this.#streams.values()) stream.reset();
    for (const [app, channel, wanted] of this.#wanted.entries()) {
      const { subscription } = wanted;
      if (subscription === undefined || subscription.isClosed()) {
        this.#subscribe(connection, app, channel, wanted);
      }
    }
    // Nothing may pass what came while nobody was here.
    for (const gate of this.#gates.values()) gate.hold();
    void this.#catchUp();
  }

  /** What came while the link was down is in the streams. */
  async #catchUp(): Promise<void> {
    await Promise.all(
      [...this.#gates].map(async ([stream, gate]) => {
        try {
          const { last } = await stream.look();
          for (const { tail } of this.#ofStream(stream)) {
            if (tail.last === undefined) tail.begin(last);
            else if (tail.last < last) gate.gaps.add(tail);
          }
          await this.#fill(stream, gate);
        } catch {
          this.#catchUpLater();
        }
      }),
    );
  }

  /** Tries again what a stream has not answered; the next link does it by itself. */
  #catchUpLater(): void {
    const { link, clock } = this.#options;
    const { number } = link;
    this.#retry ??= clock.setTimeout(() => {
      this.#retry = undefined;
      if (link.number === number && link.connection !== undefined) void this.#catchUp();
    }, RETRY_MS);
  }

  #down(): void {
    for (const stream of this.#streams.values()) stream.reset();
  }

  /** What its channels have delivered is of a stream that is no more; nobody can be told what was in it. */
  #renewed(stream: MeshStream): void {
    const { counters, handler, log } = this.#options;
    log.warn({ stream: stream.name }, "a stream was made anew: what it had kept is lost");
    counters.missed++;
    this.#gates.get(stream)?.clear();
    for (const wanted of this.#ofStream(stream)) {
      wanted.tail.reset();
      void this.#begin(wanted);
    }
    handler.missed((app, channel) => this.#wanted.get(app, channel)?.stream === stream);
  }
}

/** A part of what a channel keeps. */
interface Part {
  readonly entries: readonly HistoryEntry<Publication>[];
  readonly hasMore: boolean;
  /** Publications of the channel behind the one that was read from, those of this part and the rest. */
  readonly total: number;
}

/**
 * Whether nothing behind an offset has been dropped, with so many there. What is too old goes from the front of
 * the stream, whose first number tells it; what is too much goes only from a channel that has as many as it
 * may have, all of them newer.
 */
function isWhole(
  { first, size, least, until }: StreamState,
  since: number,
  total: number,
): boolean {
  return since >= first - 1 && total < size && (since >= until || total < least);
}

function idOf({ key, fingerprint }: DeliveryKey, channel: string): string {
  const bytes = new TextEncoder().encode(JSON.stringify([key, fingerprint, channel]));
  return sha256(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Does something with each, so many at a time; answers what came of it, in order. */
async function inTurns<T, U>(
  all: readonly T[],
  atOnce: number,
  work: (each: T) => Promise<U>,
): Promise<U[]> {
  const done: U[] = [];
  for (let at = 0; at < all.length; at += atOnce) {
    done.push(...(await Promise.all(all.slice(at, at + atOnce).map(work))));
  }
  return done;
}
