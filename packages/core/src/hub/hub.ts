import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, whenAnswered } from "../answer.ts";
import type { Broker, Delivery, DeliveryKey } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import type { Clock, Fanout, MessageSocket, Random } from "../ports.ts";
import type { DisconnectTarget, HubApi } from "./api.ts";
import { Bag } from "./bag.ts";
import { Channel } from "./channel.ts";
import type { ChannelPage, ChannelPageRequest } from "./channel-page.ts";
import type { Counters } from "./counters.ts";
import { Expectations } from "./expectations.ts";
import { type AppConfig, optionsOf } from "./namespace.ts";
import { each, excluding, includes, including, sizeOf } from "./one-or-many.ts";
import { Outlet } from "./outlet.ts";
import { closePaced } from "./paced-close.ts";
import type { Publication } from "./publication.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";

export interface HubOptions {
  readonly fanout: Fanout;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  /** The worker's link to the others of its node. */
  readonly broker: Broker;
  /** Where the hub registers for what the others want of it. */
  readonly handlers: WorkerHandlers;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Bytes that may wait for one connection before it is cut; the socket's own limit lies far above. */
  readonly slowConsumerBytes: number;
  /** Channels that one connection may be subscribed to. */
  readonly maxChannelsPerConnection: number;
}

/** Over how long those are closed who may have missed something, so that they come back spread. */
const MISSED_WITHIN_MS = 5_000;

/**
 * Connections, channels and delivery on one worker.
 *
 * What is published here is delivered to the worker's own subscribers first, then handed to the
 * broker for those of the others.
 */
export class Hub implements HubApi {
  readonly #options: HubOptions;
  readonly #broker: Broker;
  readonly #subscribers = new Bag<Subscriber>();
  readonly #apps = new Map<string, Map<string, Channel>>();
  readonly #outlet: Outlet;
  readonly #expected: Expectations;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#broker = options.broker;
    this.#outlet = new Outlet(options);
    for (const app of options.apps.keys()) this.#apps.set(app, new Map());
    this.#expected = new Expectations(options.clock, (app, name) => {
      if (!this.#channelsOf(app).has(name)) void this.#broker.interest(app, name, 0);
    });
    const { handlers } = options;
    handlers.onDelivered((publication) => void this.#deliver(publication));
    handlers.onMissed(() => void this.#closeMembers());
    handlers.method("disconnect", (argument) => {
      const { app, target } = argument as { app: string; target: DisconnectTarget };
      return this.#disconnectOwn(app, target);
    });
  }

  /**
   * Room for one connection more of an app, which is held for a while, until it is registered.
   *
   * @throws StarlingError `unknown_app` or `too_many_connections`
   */
  admit(app: string): Answer<void> {
    this.#channelsOf(app);
    const limit = this.#options.apps.get(app)?.maxConnections ?? 0;
    if (limit > 0) return this.#broker.admit(app);
  }

  /**
   * Whether the app may have this channel.
   *
   * @throws StarlingError `unknown_app` or `app_channels_full`
   */
  requireChannel(app: string, name: string): void {
    if (this.#channelsOf(app).has(name) || this.#broker.hasRoomForChannel(app, name)) return;
    throw new StarlingError("app_channels_full");
  }

  /**
   * Tells the other workers of a channel that somebody is about to be subscribed to, within ten
   * seconds; the answer comes when a subscriber will get what any of them publishes.
   *
   * @throws StarlingError `app_channels_full`
   */
  expect(app: string, name: string): Answer<void> {
    // A worker that is alone has nobody to tell.
    if (!this.#broker.needsIds) return;
    // Whoever is expected has its channel, so this is where the limit is looked at.
    this.requireChannel(app, name);
    this.#expected.add(app, name);
    return this.#broker.interest(app, name, this.#channelsOf(app).get(name)?.size ?? 1);
  }

  /** Makes a connection known; its app must be configured. */
  register(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    this.#broker.connectionOpened(subscriber.app);
    this.#options.counters.connections++;
  }

  /** Forgets a connection and everything it was subscribed to. */
  unregister(subscriber: Subscriber): void {
    if (!this.#subscribers.remove(subscriber)) return;
    this.#broker.connectionClosed(subscriber.app);
    this.#options.counters.connections--;
    for (const channel of each(subscriber.channels)) this.#leave(channel, subscriber);
    subscriber.channels = undefined;
  }

  /**
   * Subscribes a registered connection; a second time changes nothing. `format` is what it is told
   * in this channel, its own format unless it says otherwise.
   *
   * It gets what this worker publishes at once; the answer comes when it gets what any does.
   *
   * @throws StarlingError `too_many_channels` or `app_channels_full`
   */
  subscribe(subscriber: Subscriber, name: string, format = subscriber.format): Answer<void> {
    if (!this.#subscribers.has(subscriber)) return;
    const channels = this.#channelsOf(subscriber.app);
    let channel = channels.get(name);
    if (channel !== undefined && includes(subscriber.channels, channel)) {
      // The first time may not have its answer yet.
      return this.#broker.interest(subscriber.app, name, channel.size);
    }
    if (sizeOf(subscriber.channels) >= this.#options.maxChannelsPerConnection) {
      throw new StarlingError("too_many_channels");
    }
    if (channel === undefined) {
      this.requireChannel(subscriber.app, name);
      channel = new Channel(subscriber.app, name);
      channels.set(name, channel);
    }
    channel.add(subscriber, format);
    subscriber.channels = including(subscriber.channels, channel);
    this.#expected.meet(subscriber.app, name);
    return this.#broker.interest(subscriber.app, name, channel.size);
  }

  /** Answers whether the connection was subscribed. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const channel = this.#channelsOf(subscriber.app).get(name);
    if (channel === undefined || !includes(subscriber.channels, channel)) return false;
    subscriber.channels = excluding(subscriber.channels, channel);
    this.#leave(channel, subscriber);
    return true;
  }

  /** Moves a connection that now has a socket to native fan-out, keeping the order of frames. */
  attach(subscriber: Subscriber, socket: MessageSocket): void {
    for (const channel of each(subscriber.channels)) channel.attach(subscriber, socket);
  }

  /** Delivers to every subscriber but `except`; answers how many that were, on all workers. */
  publish(publication: Publication, except?: Subscriber): Answer<number> {
    return this.#broker.publish(this.#begin(publication, [publication.channel], except));
  }

  /** The same where nobody wants to know. */
  publishUnanswered(publication: Publication, except?: Subscriber): void {
    this.#broker.publishUnanswered(this.#begin(publication, [publication.channel], except));
  }

  broadcast(
    publication: Publication,
    channels: readonly string[],
    key?: DeliveryKey,
  ): Answer<number> {
    return this.#broker.publish(this.#begin(publication, channels, undefined, key));
  }

  /**
   * Hands a frame of one protocol to its subscribers in a channel, such as news of its members. Where
   * `isReplaced`, what comes later takes its place: it is no more reliable than the channel's data.
   */
  relay(
    app: string,
    name: string,
    format: WireFormat,
    frame: Frame,
    except?: Subscriber,
    isReplaced = false,
  ): void {
    const group = this.#channelsOf(app).get(name)?.group(format);
    if (group === undefined) return;
    const { volatile } = optionsOf(this.#options.apps, app, name);
    const reliability = !volatile ? "reliable" : isReplaced ? "unreliable" : "volatile";
    this.#outlet.hand(group, [frame], reliability, except);
  }

  /** Every connection, in no order. */
  subscribers(): readonly Subscriber[] {
    return this.#subscribers.values();
  }

  channels(app: string, page: ChannelPageRequest): Answer<ChannelPage> {
    this.#channelsOf(app);
    return this.#broker.channels(app, page);
  }

  disconnect(app: string, target: DisconnectTarget): Answer<number> {
    const own = this.#disconnectOwn(app, target);
    // An id names one connection of the whole node.
    if ("connection" in target && own > 0) return own;
    return whenAnswered(this.#broker.disconnect(app, target), (others) => own + others);
  }

  #disconnectOwn(app: string, target: DisconnectTarget): number {
    const isTarget = (subscriber: Subscriber) =>
      "connection" in target
        ? subscriber.id === target.connection
        : subscriber.user === target.user;
    const leaving = this.#subscribers
      .values()
      .filter((subscriber) => subscriber.app === app && isTarget(subscriber));
    for (const subscriber of leaving) subscriber.disconnect("disconnected_by_publisher");
    return leaving.length;
  }

  /** Delivers here, and answers what the other workers are to be told. */
  #begin(
    publication: Publication,
    channels: readonly string[],
    except: Subscriber | undefined,
    key?: DeliveryKey,
  ): Delivery {
    const { app } = publication;
    if (this.#broker.needsIds) publication.id = this.#broker.nextId();
    let reached = 0;
    for (const channel of channels) {
      this.#options.counters.publications++;
      const said = channel === publication.channel ? publication : { ...publication, channel };
      reached += this.#deliver(said, except);
    }
    return { app, channels, publication, reached, key };
  }

  /** Delivers to the worker's own subscribers; answers how many that were. */
  #deliver(publication: Publication, except?: Subscriber): number {
    const { apps, counters } = this.#options;
    const channel = this.#channelsOf(publication.app).get(publication.channel);
    if (channel === undefined) return 0;
    const { volatile } = optionsOf(apps, publication.app, publication.channel);
    const reliability = volatile ? "unreliable" : "reliable";
    let reached = 0;
    for (const group of channel.groups) {
      const frames = group.format.encode(publication);
      if (frames.length === 0) continue;
      reached += this.#outlet.hand(group, frames, reliability, except, publication.id);
    }
    counters.deliveries += reached;
    return reached;
  }

  /** Closes whoever may have missed something, so that they come back and can ask for it. */
  #closeMembers(): Promise<void> {
    const { clock, random } = this.#options;
    return closePaced({
      subscribers: this.#subscribers.values().filter(({ channels }) => channels !== undefined),
      reason: "messages_missed",
      withinMs: MISSED_WITHIN_MS,
      clock,
      random,
    });
  }

  #leave(channel: Channel, subscriber: Subscriber): void {
    channel.remove(subscriber);
    const { app, name, size } = channel;
    if (size === 0) this.#channelsOf(app).delete(name);
    const isExpected = size === 0 && this.#expected.has(app, name);
    void this.#broker.interest(app, name, isExpected ? 1 : size);
  }

  #channelsOf(app: string): Map<string, Channel> {
    const channels = this.#apps.get(app);
    if (channels === undefined) throw new StarlingError("unknown_app");
    return channels;
  }
}
