import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../answer.ts";
import type { Broker } from "../broker/broker.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { Clock } from "../ports.ts";
import { type Behind, behind } from "./behind.ts";
import type { StandIn } from "./catch-up.ts";
import type { Channels } from "./channels.ts";
import type { Counters } from "./counters.ts";
import type { Cursor } from "./cursor.ts";
import { type AppConfig, type NamespaceConfig, optionsOf } from "./namespace.ts";
import type { Publication } from "./publication.ts";
import { type Beginning, type Begun, Recovery } from "./recovery.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";
import { Turns } from "./turns.ts";

/**
 * Pages that are on their way to this worker at most: after a restart everybody asks at once, and what
 * waits in the link to the node has a limit.
 */
const MAX_PAGES = 16;

/** How a connection wants to be subscribed. */
export interface BeginOptions {
  /** What it is told in these channels; its own format unless it says otherwise. */
  readonly format?: WireFormat;
  /** Whether it said that itself, and is not to hear it; default: it has said nothing. */
  isOwn?(publication: Publication): boolean;
  /**
   * Called once, when it is subscribed, before anything of the history is sent. `cursor` is what somebody says
   * who stands there in all of the channels; undefined where none of them can be recovered.
   */
  begun(channels: readonly Begun[], cursor: string | undefined): void;
  /**
   * Called once, when it has been sent everything that it wanted of histories, with the newest number of each stream, by
   * its epoch, when that was asked last: nobody had seen a higher one when the subscription began.
   */
  ended?(newest: ReadonlyMap<string, number>): void;
}

export interface RecoveriesOptions {
  readonly broker: Pick<Broker, "history" | "isOrdered">;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly channels: Channels;
  /** Bytes that may be kept for one subscriber meanwhile. */
  readonly maxBytes: number;
}

/** Subscribers that are getting what they missed. */
export class Recoveries {
  readonly #options: RecoveriesOptions;
  readonly #turns = new Turns(MAX_PAGES);
  /** The stream of each namespace, when it was last looked at. */
  readonly #epochs = new Map<NamespaceConfig, string>();
  /** With their ends. */
  readonly #underWay = new Map<Subscriber, Map<Recovery, Promise<void>>>();

  constructor(options: RecoveriesOptions) {
    this.#options = options;
  }

  /** Subscribers that are getting something. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Channels that a subscriber is about to have. */
  count(subscriber: Subscriber): number {
    let count = 0;
    for (const { size } of this.#of(subscriber)) count += size;
    return count;
  }

  /** What stands in a channel for a subscriber that is about to have it. */
  standIn(subscriber: Subscriber, channel: string): StandIn | undefined {
    for (const recovery of this.#of(subscriber)) {
      const standIn = recovery.standIn(channel);
      if (standIn !== undefined) return standIn;
    }
    return undefined;
  }

  /** When a subscriber has a channel that it is about to have; rejected as `Recovery.run` is. */
  whenLive(subscriber: Subscriber, channel: string): Promise<void> | undefined {
    for (const [recovery, end] of this.#underWay.get(subscriber) ?? []) {
      if (recovery.standIn(channel) !== undefined) return end;
    }
    return undefined;
  }

  /** A subscriber does not want a channel any more; answers whether it was about to have it. */
  drop(subscriber: Subscriber, channel: string): boolean {
    for (const recovery of this.#of(subscriber)) if (recovery.drop(channel)) return true;
    return false;
  }

  /** The subscriber is no more. */
  cancel(subscriber: Subscriber): void {
    for (const recovery of [...this.#of(subscriber)]) recovery.cancel();
  }

  /** What a channel keeps behind a cursor: the first page of so many. */
  behind(
    app: string,
    channel: string,
    cursor: Cursor,
    limit: number,
    least: number,
  ): Answer<Behind> {
    const epoch = this.#epochs.get(this.#optionsOf(app, channel));
    const ask = (request: HistoryRequest) =>
      this.#turns.take(() => this.#history(app, channel, request));
    return behind(cursor, { limit }, { epoch, least, ask });
  }

  /** Publications may have been lost on their way here. */
  restart(): void {
    for (const recoveries of this.#underWay.values()) {
      for (const recovery of recoveries.keys()) recovery.restart();
    }
  }

  /**
   * Begins once `ready` is there.
   *
   * @throws StarlingError `app_channels_full`; rejected as `Recovery.run` is
   */
  start(
    subscriber: Subscriber,
    beginnings: readonly Beginning[],
    ready: Answer<unknown>,
    { format = subscriber.format, isOwn = () => false, begun, ended }: BeginOptions,
  ): Answer<void> {
    const { broker, clock, counters, channels, maxBytes } = this.#options;
    const { isOrdered } = broker;
    const { app } = subscriber;
    const recovery: Recovery = new Recovery({
      ...{ clock, counters },
      subscriber,
      format,
      maxBytes,
      isOrdered,
      history: (name, request) =>
        this.#turns.take(() => {
          // Others wait behind whoever has gone meanwhile.
          if (recovery.size === 0) throw new StarlingError("not_joined");
          return this.#history(app, name, request);
        }),
      epochOf: (name) => this.#epochs.get(this.#optionsOf(app, name)),
      isOwn,
      begun,
      ...(ended === undefined ? {} : { ended }),
      leave: (standIn) => channels.leave(standIn.channel, standIn),
      goLive: (standIns) => {
        for (const standIn of standIns) channels.replace(standIn, subscriber);
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever asked is told below; hardly anybody else waits.
    promise.catch(() => {});
    this.#add(subscriber, recovery, promise);
    const end = () => {
      this.#remove(subscriber, recovery);
      resolve();
    };
    const fail = (error: unknown): never => {
      this.#remove(subscriber, recovery);
      recovery.cancel();
      reject(error);
      throw error;
    };
    try {
      const known = beginnings.map(({ channel: name, from }) => {
        const channel = channels.open(app, name);
        recovery.add(channel, from);
        return channels.tell(channel);
      });
      const done = whenAnswered(allAnswers([...known, ready]), () => recovery.run());
      return done instanceof Promise ? done.then(end, fail) : end();
    } catch (error) {
      return fail(error);
    }
  }

  #history(
    app: string,
    channel: string,
    request: HistoryRequest,
  ): Answer<HistoryPage<Publication>> {
    const { broker } = this.#options;
    return whenAnswered(broker.history(app, channel, request), (page) => {
      this.#epochs.set(this.#optionsOf(app, channel), page.position.epoch);
      return page;
    });
  }

  #optionsOf(app: string, channel: string): NamespaceConfig {
    return optionsOf(this.#options.apps, app, channel);
  }

  #of(subscriber: Subscriber): Iterable<Recovery> {
    return this.#underWay.get(subscriber)?.keys() ?? [];
  }

  #add(subscriber: Subscriber, recovery: Recovery, end: Promise<void>): void {
    const recoveries = this.#underWay.get(subscriber);
    if (recoveries === undefined) this.#underWay.set(subscriber, new Map([[recovery, end]]));
    else recoveries.set(recovery, end);
  }

  #remove(subscriber: Subscriber, recovery: Recovery): void {
    const recoveries = this.#underWay.get(subscriber);
    if (recoveries?.delete(recovery) === true && recoveries.size === 0) {
      this.#underWay.delete(subscriber);
    }
  }
}
