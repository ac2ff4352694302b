import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../answer.ts";
import type { Broker, Delivery, DeliveryKey, Published } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import type { HistoryPage, HistoryRequest, Stream } from "../broker/stream.ts";
import type { Clock, Fanout, MessageSocket, Random } from "../ports.ts";
import type { DisconnectTarget, HubApi } from "./api.ts";
import { Bag } from "./bag.ts";
import type { StandIn } from "./catch-up.ts";
import { Channel } from "./channel.ts";
import type { ChannelPage, ChannelPageRequest } from "./channel-page.ts";
import type { Counters } from "./counters.ts";
import { Expectations } from "./expectations.ts";
import { type AppConfig, type NamespaceConfig, optionsOf } from "./namespace.ts";
import { each, excluding, includes, including, sizeOf } from "./one-or-many.ts";
import { Outlet } from "./outlet.ts";
import { closePaced } from "./paced-close.ts";
import { positionText } from "./position.ts";
import type { Publication } from "./publication.ts";
import { type BeginOptions, Recoveries } from "./recoveries.ts";
import type { Beginning, Begun } from "./recovery.ts";
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

/** The streams of what is published in no channel with history. */
const NONE: readonly Stream[] = [];

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
  readonly #recoveries: Recoveries;
  /** Connections that have published where the broker brings everybody's own publications back. */
  readonly #senders = new Map<string, Subscriber>();
  readonly #expected: Expectations;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#broker = options.broker;
    this.#outlet = new Outlet(options);
    this.#recoveries = new Recoveries({
      broker: options.broker,
      clock: options.clock,
      maxBytes: options.slowConsumerBytes,
      channel: (app, name) => this.#open(app, name),
      leave: (standIn) => this.#leave(standIn.channel, standIn),
      goLive: (standIn, subscriber) => this.#goLive(standIn, subscriber),
    });
    for (const app of options.apps.keys()) this.#apps.set(app, new Map());
    this.#expected = new Expectations(options.clock, (app, name) => {
      if (!this.#channelsOf(app).has(name)) void this.#broker.interest(app, name, 0);
    });
    const { handlers } = options;
    handlers.onDelivered((publication) => this.#delivered(publication));
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
    this.#senders.delete(subscriber.id);
    this.#recoveries.cancelAll(subscriber);
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
    this.#requireRoom(subscriber, 1);
    channel ??= this.#open(subscriber.app, name);
    channel.add(subscriber, format);
    subscriber.channels = including(subscriber.channels, channel);
    this.#expected.meet(subscriber.app, name);
    return this.#broker.interest(subscriber.app, name, channel.size);
  }

  /**
   * Subscribes a registered connection to different channels, and sends it what it wants of their
   * histories. What comes live follows with no gap and nothing twice, and in all channels at the same
   * moment. Where a channel has no history for clients, nothing is recovered.
   *
   * The answer comes when it is subscribed and has everything; `broker_unavailable` and
   * `not_joined`, when it was unsubscribed meanwhile, may come instead.
   *
   * @throws StarlingError `too_many_channels` or `app_channels_full`
   */
  begin(
    subscriber: Subscriber,
    beginnings: readonly Beginning[],
    options: BeginOptions,
  ): Answer<void> {
    if (!this.#subscribers.has(subscriber)) return;
    const isKept = ({ channel }: Beginning) => this.#recovers(subscriber, channel);
    const kept = beginnings.filter(isKept);
    const others = beginnings.filter((beginning) => !isKept(beginning));
    this.#requireRoom(subscriber, kept.length);
    const subscribed = others.map(({ channel }) =>
      this.subscribe(subscriber, channel, options.format),
    );
    const unrecovered = others.map(({ channel, from }) => ({
      channel,
      position: undefined,
      recovered: from === undefined || "last" in from ? undefined : false,
    }));
    return whenAnswered(allAnswers(subscribed), () => {
      if (kept.length === 0) return options.begun(unrecovered);
      const begun = (channels: readonly Begun[]) => options.begun([...channels, ...unrecovered]);
      return this.#recoveries.start(subscriber, kept, { ...options, begun });
    });
  }

  /** Answers whether the connection was subscribed. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const channel = this.#channelsOf(subscriber.app).get(name);
    if (this.#recoveries.cancel(subscriber, name)) return true;
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
  publish(publication: Publication, except?: Subscriber): Answer<Published> {
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
  ): Answer<Published> {
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

  history(app: string, channel: string, request: HistoryRequest): Answer<HistoryPage<Publication>> {
    this.#channelsOf(app);
    return this.#broker.history(app, channel, request);
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
    const { apps, counters } = this.#options;
    if (this.#broker.needsIds) publication.id = this.#broker.nextId();
    let reached = 0;
    let streams: Stream[] | undefined;
    for (const channel of channels) {
      counters.publications++;
      const options = optionsOf(apps, app, channel);
      if (options.history === undefined) {
        const said = channel === publication.channel ? publication : { ...publication, channel };
        reached += this.#deliver(said, options, except);
      } else {
        streams ??= [];
        streams.push({ channel, ...options.history });
      }
    }
    if (streams === undefined) {
      return { app, channels, streams: NONE, publication, reached, key };
    }
    if (except !== undefined) {
      this.#senders.set(except.id, except);
      publication.sender = except.id;
    }
    const kept = new Set(streams.map(({ channel }) => channel));
    const others = channels.filter((channel) => !kept.has(channel));
    return { app, channels: others, streams, publication, reached, key };
  }

  /** What the broker brings. */
  #delivered(publication: Publication): void {
    const { app, channel, position, sender } = publication;
    const options = optionsOf(this.#options.apps, app, channel);
    if (position !== undefined && options.recover === true) {
      publication.cursor = positionText(position);
    }
    this.#deliver(publication, options, sender === undefined ? sender : this.#senders.get(sender));
  }

  /** Delivers to the worker's own subscribers; answers how many that were. */
  #deliver(
    publication: Publication,
    { volatile }: NamespaceConfig,
    except: Subscriber | undefined,
  ): number {
    const { counters } = this.#options;
    const channel = this.#channelsOf(publication.app).get(publication.channel);
    if (channel === undefined) return 0;
    const reliability = volatile ? "unreliable" : "reliable";
    const { id, position } = publication;
    let reached = 0;
    for (const group of channel.groups) {
      const frames = group.format.encode(publication);
      if (frames.length === 0) continue;
      reached += this.#outlet.hand(group, frames, reliability, except, id, position?.offset);
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

  /** The channel of that name, which comes to be if it has to. */
  #open(app: string, name: string): Channel {
    const channels = this.#channelsOf(app);
    let channel = channels.get(name);
    if (channel !== undefined) return channel;
    this.requireChannel(app, name);
    channel = new Channel(app, name);
    channels.set(name, channel);
    return channel;
  }

  #requireRoom(subscriber: Subscriber, more: number): void {
    const taken = sizeOf(subscriber.channels) + this.#recoveries.count(subscriber);
    if (taken + more > this.#options.maxChannelsPerConnection) {
      throw new StarlingError("too_many_channels");
    }
  }

  /** Whether a subscription of it to the channel begins with history. */
  #recovers({ app, channels }: Subscriber, name: string): boolean {
    const { history, recover } = optionsOf(this.#options.apps, app, name);
    if (history === undefined || recover !== true) return false;
    const channel = this.#channelsOf(app).get(name);
    return channel === undefined || !includes(channels, channel);
  }

  #goLive(standIn: StandIn, subscriber: Subscriber): void {
    const { channel, format } = standIn;
    channel.remove(standIn);
    channel.add(subscriber, format);
    subscriber.channels = including(subscriber.channels, channel);
    this.#expected.meet(channel.app, channel.name);
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
