import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../answer.ts";
import type { Channels } from "./channels.ts";
import { type AppConfig, optionsOf } from "./namespace.ts";
import { each, excluding, includes, sizeOf } from "./one-or-many.ts";
import type { BeginOptions, Recoveries } from "./recoveries.ts";
import type { Beginning, Begun } from "./recovery.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";

export interface SubscriptionsOptions {
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly channels: Channels;
  readonly recoveries: Recoveries;
  /** Channels that one connection may be subscribed to. */
  readonly maxChannelsPerConnection: number;
}

/** Which connection is in which channels; the methods mean what those of `Hub` do. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #channels: Channels;
  readonly #recoveries: Recoveries;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#channels = options.channels;
    this.#recoveries = options.recoveries;
  }

  subscribe(subscriber: Subscriber, name: string, format: WireFormat): Answer<void> {
    const { app } = subscriber;
    const known = this.#channels.get(app, name);
    // The first time may not have its answer yet.
    if (known !== undefined && includes(subscriber.channels, known)) {
      return this.#channels.tell(known);
    }
    const underWay = this.#recoveries.whenLive(subscriber, name);
    if (underWay !== undefined) return underWay;
    this.#requireRoom(subscriber, 1);
    return this.#channels.join(known ?? this.#channels.open(app, name), subscriber, format);
  }

  begin(
    subscriber: Subscriber,
    beginnings: readonly Beginning[],
    options: BeginOptions,
  ): Answer<void> {
    const added = beginnings.filter(({ channel }) => !this.#has(subscriber, channel));
    const kept = added.filter(({ channel }) => this.#isRecoverable(subscriber.app, channel));
    const others = beginnings.filter((beginning) => !kept.includes(beginning));
    this.#requireRoom(subscriber, added.length);
    const unrecovered = others.map(({ channel, from }) => ({
      channel,
      position: undefined,
      recovered: from === undefined || "last" in from ? undefined : false,
    }));
    const begun = (recoverable: readonly Begun[], cursor: string | undefined) => {
      const channels = [...recoverable, ...unrecovered];
      if (channels.length === 0) throw new StarlingError("not_joined");
      options.begun(channels, recoverable.length === 0 ? undefined : cursor);
    };
    const fail = (error: unknown): never => {
      for (const { channel } of added) this.unsubscribe(subscriber, channel);
      throw error;
    };
    try {
      const { format = subscriber.format } = options;
      const answers = others.map(({ channel }) => this.subscribe(subscriber, channel, format));
      const ready = allAnswers(answers);
      // Where the rest is refused at once, nobody looks at what becomes of these.
      if (ready instanceof Promise) ready.catch(() => {});
      const done =
        kept.length === 0
          ? whenAnswered(ready, () => options.begun(unrecovered, undefined))
          : this.#recoveries.start(subscriber, kept, ready, { ...options, begun });
      return done instanceof Promise ? done.catch(fail) : done;
    } catch (error) {
      return fail(error);
    }
  }

  unsubscribe(subscriber: Subscriber, name: string): boolean {
    if (this.#recoveries.drop(subscriber, name)) return true;
    const channel = this.#channels.get(subscriber.app, name);
    if (channel === undefined || !includes(subscriber.channels, channel)) return false;
    subscriber.channels = excluding(subscriber.channels, channel);
    this.#channels.leave(channel, subscriber);
    return true;
  }

  /** A connection is no more. */
  forget(subscriber: Subscriber): void {
    this.#recoveries.cancel(subscriber);
    for (const channel of each(subscriber.channels)) this.#channels.leave(channel, subscriber);
    subscriber.channels = undefined;
  }

  /**
   * Publications may have been lost on their way here. What comes now would come behind the gap, and
   * who asks later for what was missed would begin there: so nothing comes any more where one can ask.
   */
  missed(subscribers: readonly Subscriber[]): void {
    for (const subscriber of subscribers) {
      for (const channel of each(subscriber.channels)) {
        if (this.#isRecoverable(channel.app, channel.name)) channel.remove(subscriber);
      }
    }
    this.#recoveries.restart();
  }

  #requireRoom(subscriber: Subscriber, more: number): void {
    const taken = sizeOf(subscriber.channels) + this.#recoveries.count(subscriber);
    if (taken + more > this.#options.maxChannelsPerConnection) {
      throw new StarlingError("too_many_channels");
    }
  }

  /** Whether it is subscribed, or about to be. */
  #has(subscriber: Subscriber, name: string): boolean {
    const channel = this.#channels.get(subscriber.app, name);
    if (channel === undefined) return false;
    if (includes(subscriber.channels, channel)) return true;
    return this.#recoveries.standIn(subscriber, name) !== undefined;
  }

  /** Whether subscribers may have what the channel keeps. */
  #isRecoverable(app: string, name: string): boolean {
    const { history, recover } = optionsOf(this.#options.apps, app, name);
    return history !== undefined && recover === true;
  }
}
