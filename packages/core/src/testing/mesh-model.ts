import type { BrokerHandler, WorkerId } from "../broker/broker.ts";
import { LocalBroker } from "../broker/local.ts";
import { type TrackedChannel, WorkerCursors } from "../broker/nats/worker-cursors.ts";
import type { Node } from "../broker/node.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import { namespaceOf } from "../hub/namespace.ts";
import type { Publication } from "../hub/publication.ts";
import { FakeClock } from "./fake-clock.ts";
import { RecordingLog } from "./recording-log.ts";

/** A stream of a namespace: what it has stored, and from where it has it still. */
class ModelStream {
  readonly app = "default";
  readonly name: string;
  readonly epoch: string;
  /** The number of the newest. */
  last = 0;
  /** By channel. */
  readonly #numbers = new Map<string, number[]>();
  /** The oldest number that has not become too old. */
  first = 1;

  constructor(name: string) {
    this.name = name;
    this.epoch = `${name}-epoch`;
  }

  /** The numbers of a channel that are kept, `size` and one more. */
  kept(channel: string, size: number): number[] {
    return this.of(channel)
      .slice(-(size + 1))
      .filter((offset) => offset >= this.first);
  }

  of(channel: string): readonly number[] {
    return this.#numbers.get(channel) ?? [];
  }

  /** Answers its number. */
  store(channel: string): number {
    const numbers = this.#numbers.get(channel);
    if (numbers === undefined) this.#numbers.set(channel, [++this.last]);
    else numbers.push(++this.last);
    return this.last;
  }
}

/** Streams as NATS has them: each worker is told of a channel in order, of different channels in any. */
export class MeshModel {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly counters = { late: 0 };
  readonly size: number;
  /** Whether more is published and arrives between the reading of a page and its answer. */
  isSlow = false;
  readonly #streams = new Map<string, ModelStream>();
  readonly #workers: ModelBroker[] = [];

  constructor(size: number) {
    this.size = size;
  }

  streamOf(channel: string): ModelStream {
    const namespace = namespaceOf(channel);
    let stream = this.#streams.get(namespace);
    if (stream === undefined) {
      stream = new ModelStream(namespace);
      this.#streams.set(namespace, stream);
    }
    return stream;
  }

  /** Stores a publication; the workers are told of it when the test lets them. */
  publish(channel: string): number {
    const offset = this.streamOf(channel).store(channel);
    for (const worker of this.#workers) worker.published(channel, offset);
    return offset;
  }

  place = (node: Node<Publication>, worker: WorkerId, handler: BrokerHandler): ModelBroker => {
    const broker = new ModelBroker(this, node, worker, handler);
    this.#workers.push(broker);
    return broker;
  };
}

interface ModelChannel {
  readonly tracked: TrackedChannel;
  /** Numbers that are on their way. */
  readonly waiting: number[];
  /** Up to which everything has arrived. */
  delivered: number;
}

/** A worker's part of the mesh. What it asks is answered, and what is on its way arrives, when the test says so. */
export class ModelBroker extends LocalBroker {
  override readonly isOrdered = false;
  readonly #model: MeshModel;
  readonly #handler: BrokerHandler;
  readonly #cursors: WorkerCursors;
  readonly #channels = new Map<string, ModelChannel>();
  readonly #asked: (() => void)[] = [];

  constructor(model: MeshModel, node: Node<Publication>, worker: WorkerId, handler: BrokerHandler) {
    super(node, worker, handler);
    this.#model = model;
    this.#handler = handler;
    this.#cursors = new WorkerCursors(model);
  }

  /** Channels of which something is on its way. */
  get arriving(): readonly string[] {
    const channels = this.#channels.entries().filter(([, { waiting }]) => waiting.length > 0);
    return Array.from(channels, ([channel]) => channel);
  }

  /** Questions without an answer. */
  get asked(): number {
    return this.#asked.length;
  }

  published(channel: string, offset: number): void {
    this.#channels.get(channel)?.waiting.push(offset);
  }

  /** The next publication of a channel arrives. */
  arrive(channel: string): void {
    const known = this.#channels.get(channel);
    const offset = known?.waiting.shift();
    if (known === undefined || offset === undefined) return;
    const publication = this.#publication(channel, offset);
    known.delivered = offset;
    known.tracked.deliver(publication);
    this.#handler.delivered(publication);
  }

  /** One question is answered. */
  answer(which: number): void {
    this.#asked.splice(which % Math.max(1, this.#asked.length), 1)[0]?.();
  }

  cursorsUpTo(app: string, epoch: string): number {
    return this.#cursors.upTo(app, epoch);
  }

  override interest(_app: string, channel: string, subscribers: number): Promise<void> | undefined {
    const known = this.#channels.get(channel);
    if (subscribers === 0) {
      known?.tracked.end();
      this.#channels.delete(channel);
    }
    if (subscribers === 0 || known !== undefined) return undefined;
    const stream = this.#model.streamOf(channel);
    const tracked = this.#cursors.track(stream);
    const { epoch, last } = stream;
    this.#channels.set(channel, { tracked, waiting: [], delivered: last });
    tracked.begin({ epoch, offset: last }, stream.of(channel).at(-1) ?? 0);
    return this.#ask(() => {});
  }

  override history(
    _app: string,
    channel: string,
    { since, limit, newestFirst }: HistoryRequest,
  ): never {
    const read = (): HistoryPage<Publication> => {
      const stream = this.#model.streamOf(channel);
      const { epoch, last, first } = stream;
      const known = this.#channels.get(channel);
      if (limit === 0 && since === undefined && known !== undefined) {
        const offset = known.waiting.length > 0 ? known.delivered : last;
        const hasMore = stream.of(channel).length > 0;
        const position = { epoch, offset };
        return { position, newest: last, entries: [], isComplete: !hasMore, hasMore };
      }
      const isKnown = since?.epoch === epoch && since.offset <= last;
      const from = isKnown ? since.offset : 0;
      const kept = stream.kept(channel, this.#model.size).filter((offset) => offset > from);
      // What is in a page has been delivered.
      while ((this.#channels.get(channel)?.waiting.length ?? 0) > 0) this.arrive(channel);
      const isComplete =
        (since === undefined || isKnown) && from >= first - 1 && kept.length <= this.#model.size;
      const wanted = (newestFirst === true ? kept.toReversed() : kept).slice(0, limit);
      const entries = wanted.map((offset) => {
        return { offset, time: 0, content: this.#publication(channel, offset) };
      });
      const position = { epoch, offset: last };
      const hasMore = kept.length > wanted.length;
      return { position, entries, isComplete: newestFirst === true || isComplete, hasMore };
    };
    const page = this.#ask(read);
    return (this.#model.isSlow ? page.then((old) => this.#ask(() => old)) : page) as never;
  }

  #ask<T>(answer: () => T): Promise<T> {
    return new Promise((resolve) => this.#asked.push(() => resolve(answer())));
  }

  #publication(channel: string, offset: number): Publication {
    const { epoch } = this.#model.streamOf(channel);
    const data = String(offset);
    return { app: "default", channel, event: "e", data, position: { epoch, offset } };
  }
}
