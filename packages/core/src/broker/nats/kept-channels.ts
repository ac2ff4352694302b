import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import { ByChannel } from "../../hub/by-channel.ts";
import type { Position } from "../../hub/position.ts";
import type { Publication } from "../../hub/publication.ts";
import type { Clock, Log } from "../../ports.ts";
import type { BrokerHandler, DeliveryKey } from "../broker.ts";
import type { HistoryPage, HistoryRequest, Retention } from "../stream.ts";
import type { MeshCounters } from "./counters.ts";
import { deliveryId } from "./delivery-id.ts";
import type { Envelopes } from "./envelope.ts";
import type { Inbox } from "./inbox.ts";
import { KeptPublisher } from "./kept-publisher.ts";
import { type KeptChannel, KeptReader } from "./kept-reader.ts";
import { KeptTails } from "./kept-tails.ts";
import type { MeshLink } from "./link.ts";
import { MeshStream, unavailable } from "./mesh-stream.ts";
import { RequestWindow } from "./request-window.ts";
import type { Asking } from "./shared-reads.ts";
import type { StreamSettings } from "./stream-config.ts";
import type { Subjects } from "./subjects.ts";
import type { Tail } from "./tail.ts";
import { whileHeard } from "./within.ts";

/** Milliseconds for which a stream may be silent while a page of a history is read, and that a page may take. */
const [SILENT_MS, MOST_MS] = [2_500, 10_000];
/** Milliseconds that the publications of a page have to come live, too. */
const REACH_MS = 5_000;

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

/** Channels with history, which JetStream keeps and numbers. */
export class KeptChannels {
  readonly #options: KeptChannelsOptions;
  /** By app and namespace. */
  readonly #streams = new ByChannel<MeshStream>();
  readonly #window: RequestWindow;
  readonly #reader: KeptReader;
  readonly #tails: KeptTails;
  readonly #publisher: KeptPublisher;

  constructor(options: KeptChannelsOptions) {
    this.#options = options;
    this.#window = new RequestWindow(options.clock);
    // Before anybody else is told of a link: what was known of the streams does not hold on the next one.
    const forget = () => {
      for (const [, , stream] of this.#streams.entries()) stream.reset();
    };
    options.link.use({ up: forget, down: forget });
    this.#reader = new KeptReader(options);
    const streamOf = (app: string, channel: string) => this.#streamOf(app, channel);
    const recovers = (app: string, channel: string) =>
      options.placeOf(app, channel)?.recover === true;
    this.#tails = new KeptTails({ ...options, reader: this.#reader, streamOf, recovers });
    this.#publisher = new KeptPublisher(options);
  }

  get waitingBytes(): number {
    return this.#publisher.waitingBytes;
  }

  interest(app: string, channel: string, isWanted: boolean): Answer<void> {
    return this.#tails.interest(app, channel, isWanted);
  }

  /** Keeps a publication; answers where it stands, when this worker has it too. */
  async publish(
    publication: Publication,
    channel: string,
    key: DeliveryKey | undefined,
  ): Promise<Position> {
    const { envelopes, nextSequence, origin, subjects } = this.#options;
    const { app } = publication;
    const stream = this.#streamOf(app, channel);
    const subject = subjects.kept(app, stream.namespace, channel);
    const sequence = nextSequence();
    const content = envelopes.only(publication, sequence);
    const id = key === undefined ? `${origin}.${sequence}` : deliveryId(key, channel);
    const position = await this.#publisher.publish({ stream, subject, content, id });
    const reached = this.#tails.of(app, channel)?.reach(position.offset);
    // Where it does not come in time it is kept all the same.
    if (reached instanceof Promise) await reached;
    return position;
  }

  /** Rejected with `broker_unavailable` where the stream cannot be read in time. */
  async history(
    app: string,
    channel: string,
    request: HistoryRequest,
  ): Promise<HistoryPage<Publication>> {
    const asking: Asking = { isOver: false };
    const stream = this.#streamOf(app, channel);
    try {
      return await this.#whileHeard(stream, this.#history(app, channel, request, asking));
    } finally {
      asking.isOver = true;
    }
  }

  /** Answered when all that has been kept in a channel was delivered here; rejected as `history` is. */
  caughtUp(app: string, channel: string): Promise<void> {
    const stream = this.#streamOf(app, channel);
    return this.#whileHeard(stream, this.#caughtUp({ app, channel, stream }));
  }

  /** See `Broker.cursorsUpTo`. */
  cursorsUpTo(app: string, epoch: string): number {
    return this.#tails.cursorsUpTo(app, epoch);
  }

  /** See `GapFiller.filled`. */
  filled(): Promise<void> {
    return this.#tails.filled();
  }

  /** What was kept since a moment may not have come, ms since the epoch. */
  lost(since: number): void {
    this.#tails.lost(since);
  }

  close(): void {
    this.#tails.close();
    this.#reader.close();
    this.#publisher.close();
  }

  async #history(
    app: string,
    channel: string,
    request: HistoryRequest,
    asking: Asking,
  ): Promise<HistoryPage<Publication>> {
    const stream = this.#streamOf(app, channel);
    const kept = { app, channel, stream };
    const tail = await this.#tails.begun(app, channel);
    const delivered = tail?.delivered;
    if (delivered !== undefined && request.limit === 0 && request.since === undefined) {
      return this.#beginning(kept, delivered);
    }
    const { isWithinSize: _, ...page } = await this.#reader.page(kept, request, asking);
    const { position } = page;
    if (tail === undefined || tail.hasReached(position.offset)) return page;
    // What is in the page and comes live after it would be had twice.
    await reached(kept, tail, await this.#reader.newestIn(kept, request, page), position.epoch);
    return page;
  }

  async #caughtUp(kept: KeptChannel): Promise<void> {
    const tail = await this.#tails.begun(kept.app, kept.channel);
    const { position, newest } = await this.#reader.position(kept);
    if (tail !== undefined) await reached(kept, tail, newest, position.epoch);
  }

  async #whileHeard<T>(stream: MeshStream, answer: Promise<T>): Promise<T> {
    const patience = { silentMs: SILENT_MS, mostMs: MOST_MS, heardAt: () => stream.heardAt };
    try {
      return await whileHeard(this.#options.clock, patience, answer);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * The position of a subscriber that wants nothing of the history: everything that is published after it asked
   * lies behind that, also where it was faster than the answer of the stream.
   */
  async #beginning(kept: KeptChannel, delivered: number): Promise<HistoryPage<Publication>> {
    const { position, newest } = await this.#reader.position(kept);
    const offset = newest > delivered ? delivered : position.offset;
    return {
      ...{ position: { ...position, offset }, newest: position.offset, entries: [] },
      ...{ isComplete: newest === 0, hasMore: newest > 0 },
    };
  }

  #streamOf(app: string, channel: string): MeshStream {
    const place = this.#options.placeOf(app, channel);
    if (place === undefined) throw new StarlingError("internal", `${channel} keeps no history`);
    const { namespace } = place;
    let stream = this.#streams.get(app, namespace);
    if (stream === undefined) {
      const renewed = (which: MeshStream) => this.#tails.renewed(which);
      const shared = { ...this.#options, window: this.#window };
      stream = new MeshStream({ ...shared, app, namespace, retention: place, renewed });
      this.#streams.set(app, namespace, stream);
    }
    return stream;
  }
}

/** @throws StarlingError `broker_unavailable` where a publication does not come, or of a stream that is no more */
async function reached(
  { stream }: KeptChannel,
  tail: Tail,
  offset: number,
  epoch: string,
): Promise<void> {
  if ((await tail.reach(offset, REACH_MS)) && stream.epoch === epoch) return;
  throw new StarlingError("broker_unavailable", "a publication has not arrived from NATS yet");
}
