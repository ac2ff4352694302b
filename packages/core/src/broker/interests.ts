import type { ChannelSummary } from "../hub/api.ts";
import { Bag, type BagMember } from "../hub/bag.ts";
import { each, excluding, including, type OneOrMany } from "../hub/one-or-many.ts";

/** One worker's subscribers in one channel. */
export interface Interest<Worker> extends BagMember {
  readonly worker: Worker;
  readonly app: string;
  readonly channel: string;
  /** At least one. */
  subscribers: number;
}

type Channels<Worker> = Map<string, OneOrMany<Interest<Worker>>>;

/**
 * Which worker has how many subscribers in which channel.
 *
 * Most channels have subscribers on one worker, so what a channel costs is its place in one map and
 * one object for each interested worker.
 */
export class Interests<Worker> {
  readonly #apps = new Map<string, Channels<Worker>>();
  readonly #ofWorkers = new Map<Worker, Bag<Interest<Worker>>>();

  /** Interests of all workers, and the apps and workers that they are kept by. */
  get size(): number {
    let size = this.#apps.size + this.#ofWorkers.size;
    for (const interests of this.#ofWorkers.values()) size += interests.size;
    return size;
  }

  /** Answers whether the channel came to be, or is no more. */
  set(
    worker: Worker,
    app: string,
    channel: string,
    subscribers: number,
  ): "opened" | "closed" | undefined {
    const channels = this.#apps.get(app);
    const known = channels?.get(channel);
    for (const interest of each(known)) {
      if (interest.worker !== worker) continue;
      if (subscribers <= 0) return this.#remove(interest);
      interest.subscribers = subscribers;
      return undefined;
    }
    if (subscribers <= 0) return undefined;
    this.#add({ worker, app, channel, subscribers, bagIndex: -1 });
    return known === undefined ? "opened" : undefined;
  }

  has(app: string, channel: string): boolean {
    return this.#apps.get(app)?.has(channel) ?? false;
  }

  /** Channels of the app. */
  count(app: string): number {
    return this.#apps.get(app)?.size ?? 0;
  }

  /** Who is interested in a channel, in the order in which they came. */
  of(app: string, channel: string): Iterable<Interest<Worker>> {
    return each(this.#apps.get(app)?.get(channel));
  }

  names(app: string): Iterable<string> {
    return this.#apps.get(app)?.keys() ?? [];
  }

  *summaries(app: string): Iterable<ChannelSummary> {
    for (const [channel, interests] of this.#apps.get(app) ?? []) {
      let subscribers = 0;
      for (const interest of each(interests)) subscribers += interest.subscribers;
      yield { channel, subscribers };
    }
  }

  /** Ends all interest of a worker; answers the channels that are no more, by their app. */
  forget(worker: Worker): ReadonlyMap<string, readonly string[]> {
    const closed = new Map<string, string[]>();
    for (const interest of [...(this.#ofWorkers.get(worker)?.values() ?? [])]) {
      if (this.#remove(interest) !== "closed") continue;
      const names = closed.get(interest.app);
      if (names === undefined) closed.set(interest.app, [interest.channel]);
      else names.push(interest.channel);
    }
    return closed;
  }

  #add(interest: Interest<Worker>): void {
    const { worker, app, channel } = interest;
    let channels = this.#apps.get(app);
    if (channels === undefined) {
      channels = new Map();
      this.#apps.set(app, channels);
    }
    channels.set(channel, including(channels.get(channel), interest));
    let ofWorker = this.#ofWorkers.get(worker);
    if (ofWorker === undefined) {
      ofWorker = new Bag();
      this.#ofWorkers.set(worker, ofWorker);
    }
    ofWorker.add(interest);
  }

  #remove(interest: Interest<Worker>): "closed" | undefined {
    const { worker, app, channel } = interest;
    const ofWorker = this.#ofWorkers.get(worker);
    ofWorker?.remove(interest);
    if (ofWorker?.size === 0) this.#ofWorkers.delete(worker);
    const channels = this.#apps.get(app);
    const left = excluding(channels?.get(channel), interest);
    if (left !== undefined) {
      channels?.set(channel, left);
      return undefined;
    }
    channels?.delete(channel);
    if (channels?.size === 0) this.#apps.delete(app);
    return "closed";
  }
}
