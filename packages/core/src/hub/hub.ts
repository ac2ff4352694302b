import { type Answer, whenAnswered } from "../answer.ts";
import type { Ban } from "../bans/ban.ts";
import type { Broker, Concerns, DeliveryKey, Published } from "../broker/broker.ts";
import { bothDisconnected, type Disconnection, nobodyDisconnected } from "../broker/elsewhere.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { Clock, Fanout, MessageSocket, Random } from "../ports.ts";
import type { DisconnectTarget, HubApi } from "./api.ts";
import { Bag } from "./bag.ts";
import { Banned } from "./banned.ts";
import type { ChannelPage, ChannelPageRequest } from "./channel-page.ts";
import { Channels } from "./channels.ts";
import type { Counters } from "./counters.ts";
import type { Cursor } from "./cursor.ts";
import type { AppConfig } from "./namespace.ts";
import { each } from "./one-or-many.ts";
import { closePaced } from "./paced-close.ts";
import type { Position } from "./position.ts";
import type { Publication } from "./publication.ts";
import { Publishing } from "./publishing.ts";
import { type BeginOptions, Recoveries } from "./recoveries.ts";
import type { Beginning } from "./recovery.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";
import { Subscriptions } from "./subscriptions.ts";

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
 * broker for those of the others; where a channel keeps history, the broker brings it to all.
 */
export class Hub implements HubApi {
  readonly #options: HubOptions;
  readonly #broker: Broker;
  readonly #subscribers = new Bag<Subscriber>();
  readonly #channels: Channels;
  readonly #recoveries: Recoveries;
  readonly #subscriptions: Subscriptions;
  readonly #publishing: Publishing;
  readonly #banned: Banned;

  constructor(options: HubOptions) {
    const { broker, handlers, slowConsumerBytes } = options;
    this.#options = options;
    this.#broker = broker;
    const channels = new Channels(options);
    const recoveries = new Recoveries({ ...options, channels, maxBytes: slowConsumerBytes });
    this.#channels = channels;
    this.#recoveries = recoveries;
    this.#subscriptions = new Subscriptions({ ...options, channels, recoveries });
    this.#publishing = new Publishing({ ...options, channels, recoveries });
    handlers.onDelivered((publication) => this.#publishing.delivered(publication));
    handlers.onMissed((concerns = () => true) => void this.#missed(concerns));
    this.#banned = new Banned({
      ...options,
      banned: (app, user) => void this.#disconnectOwn(app, { user }),
    });
    handlers.method("disconnect", (argument) => {
      const { app, target } = argument as { app: string; target: DisconnectTarget };
      return this.#disconnectOwn(app, target);
    });
  }

  /** Learns who may not connect, before anybody does; settles soon in any case. */
  prepare(): Answer<void> {
    return this.#banned.ask();
  }

  /**
   * Room for one connection more of an app, which is held for a while, until it is registered.
   *
   * @throws StarlingError `unknown_app`, `banned`, `too_many_connections` or `too_many_user_connections`
   */
  admit(app: string, user?: string): Answer<void> {
    this.#channels.requireApp(app);
    this.#banned.require(app, user);
    const { maxConnections = 0, maxConnectionsPerUser = 0 } = this.#options.apps.get(app) ?? {};
    const limitsUser = user !== undefined && maxConnectionsPerUser > 0;
    if (limitsUser) return this.#broker.admit(app, user);
    if (maxConnections > 0) return this.#broker.admit(app);
  }

  /**
   * Whether the app may have this channel.
   *
   * @throws StarlingError `unknown_app` or `app_channels_full`
   */
  requireChannel(app: string, name: string): void {
    this.#channels.requireRoom(app, name);
  }

  /**
   * Tells the other workers of a channel that somebody is about to be subscribed to, within ten
   * seconds; the answer comes when a subscriber will get what any of them publishes.
   *
   * @throws StarlingError `app_channels_full`
   */
  expect(app: string, name: string): Answer<void> {
    return this.#channels.expect(app, name);
  }

  /** Makes a connection known; its app must be configured. */
  register(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    const { app, id, user } = subscriber;
    this.#broker.connectionOpened(app);
    if (this.#tellsConnections(app)) this.#broker.connected(app, id, user);
    this.#options.counters.connections++;
    // Whoever was let in before the ban came must not stay.
    if (user !== undefined && this.#banned.list.has(app, user)) {
      this.#options.clock.setTimeout(() => this.#disconnectOwn(app, { user }), 0);
    }
  }

  /** Forgets a connection and everything it was subscribed to. */
  unregister(subscriber: Subscriber): void {
    if (!this.#subscribers.remove(subscriber)) return;
    const { app, id } = subscriber;
    this.#broker.connectionClosed(app);
    this.#options.counters.connections--;
    this.#subscriptions.forget(subscriber);
    this.#publishing.forget(subscriber);
    if (this.#tellsConnections(app)) this.#broker.disconnected(app, id);
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
    return this.#subscriptions.subscribe(subscriber, name, format);
  }

  /**
   * Subscribes a registered connection to different channels, and sends it what it wants of their
   * histories. What comes live follows with no gap and nothing twice, and in all channels at the same
   * moment. Where a channel has no history for clients, nothing is recovered.
   *
   * The answer comes when it is subscribed and has everything. `broker_unavailable` may come instead, and
   * `not_joined` when it has left all of the channels meanwhile or was cut: then it has none of them that
   * it did not have before, and if it had begun it is closed, so that it comes back.
   *
   * @throws StarlingError `too_many_channels` or `app_channels_full`
   */
  begin(
    subscriber: Subscriber,
    beginnings: readonly Beginning[],
    options: BeginOptions,
  ): Answer<void> {
    if (!this.#subscribers.has(subscriber)) return;
    return this.#subscriptions.begin(subscriber, beginnings, options);
  }

  /** See `Broker.caughtUp`. */
  caughtUp(app: string, channels: readonly string[]): Answer<void> {
    return this.#channels.caughtUp(app, channels);
  }

  /** Answers whether the connection was subscribed, or about to be. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    return this.#subscriptions.unsubscribe(subscriber, name);
  }

  /** Moves a connection that now has a socket to native fan-out, keeping the order of frames. */
  attach(subscriber: Subscriber, socket: MessageSocket): void {
    for (const channel of each(subscriber.channels)) channel.attach(subscriber, socket);
  }

  /** Delivers to every subscriber but `except`; answers how many that were, on all workers. */
  publish(publication: Publication, except?: Subscriber): Answer<Published> {
    return this.#broker.publish(this.#publishing.begin(publication, [publication.channel], except));
  }

  /** The same where nobody wants to know. */
  publishUnanswered(publication: Publication, except?: Subscriber): void {
    this.#broker.publishUnanswered(
      this.#publishing.begin(publication, [publication.channel], except),
    );
  }

  broadcast(
    publication: Publication,
    channels: readonly string[],
    key?: DeliveryKey,
  ): Answer<Published> {
    return this.#broker.publish(this.#publishing.begin(publication, channels, undefined, key));
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
    this.#publishing.relay(app, name, format, frame, except, isReplaced);
  }

  /** Every connection, in no order. */
  subscribers(): readonly Subscriber[] {
    return this.#subscribers.values();
  }

  history(app: string, channel: string, request: HistoryRequest): Answer<HistoryPage<Publication>> {
    this.#channels.requireApp(app);
    return this.#broker.history(app, channel, request);
  }

  /** See `Publishing.deliveredUpTo`. */
  deliveredUpTo(app: string, epoch: string): number {
    return this.#publishing.deliveredUpTo(app, epoch);
  }

  /**
   * Where in a channel somebody stands who has seen what a cursor says, but not before the offset `least`;
   * undefined where something behind it is not kept any more.
   */
  standing(
    app: string,
    channel: string,
    cursor: Cursor,
    least: number,
  ): Answer<Position | undefined> {
    const found = this.#recoveries.behind(app, channel, cursor, 0, least);
    return whenAnswered(found, ({ page, since }) => (page.isComplete ? since : undefined));
  }

  channels(app: string, page: ChannelPageRequest): Answer<ChannelPage> {
    this.#channels.requireApp(app);
    return this.#broker.channels(app, page);
  }

  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection> {
    const own = { ...nobodyDisconnected, connections: this.#disconnectOwn(app, target) };
    // An id names one connection of the whole mesh.
    if ("connection" in target && own.connections > 0) return own;
    return whenAnswered(this.#broker.disconnect(app, target), (others) =>
      bothDisconnected(own, others),
    );
  }

  ban(app: string, user: string, until: number): Answer<void> {
    return this.#broker.ban(app, user, until);
  }

  bans(app: string): readonly Ban[] {
    return this.#banned.list.ofApp(app);
  }

  #tellsConnections(app: string): boolean {
    return this.#options.apps.get(app)?.tellsConnections === true;
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

  /**
   * Closes whoever may have missed something, so that they come back and can ask for it. Until then they
   * get nothing more of what they can ask for: it would come behind the gap, and they would begin there.
   */
  #missed(concerns: Concerns): Promise<void> {
    const { clock, random } = this.#options;
    const members = this.#subscribers.values().filter(({ channels }) => {
      for (const { app, name } of each(channels)) if (concerns(app, name)) return true;
      return false;
    });
    this.#subscriptions.missed(members);
    const withinMs = MISSED_WITHIN_MS;
    return closePaced({ subscribers: members, reason: "messages_missed", withinMs, clock, random });
  }
}
