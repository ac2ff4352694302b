import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, Fanout, MessageSocket } from "../ports.ts";
import type { ChannelSummary, DisconnectTarget, HubApi } from "./api.ts";
import { Bag } from "./bag.ts";
import { Channel, type SubscriberGroup } from "./channel.ts";
import type { Counters } from "./counters.ts";
import { type AppConfig, optionsOf } from "./namespace.ts";
import { each, excluding, includes, including, sizeOf } from "./one-or-many.ts";
import type { Publication } from "./publication.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";

export interface HubOptions {
  readonly fanout: Fanout;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Bytes that may wait for one connection before it is cut; the socket's own limit lies far above. */
  readonly slowConsumerBytes: number;
  /** Channels that one connection may be subscribed to. */
  readonly maxChannelsPerConnection: number;
}

/** Connections, channels and delivery on one worker. */
export class Hub implements HubApi {
  readonly #options: HubOptions;
  readonly #subscribers = new Bag<Subscriber>();
  /** Connections of each app. */
  readonly #connections = new Map<string, number>();
  readonly #apps = new Map<string, Map<string, Channel>>();
  /** Where somebody buffered since the last look at buffers. */
  readonly #lagging = new Set<SubscriberGroup>();
  /** What was published to them since. */
  #unseenBytes = 0;
  #isLooking = false;

  constructor(options: HubOptions) {
    this.#options = options;
    for (const app of options.apps.keys()) this.#apps.set(app, new Map());
  }

  /**
   * Whether the app may have one connection more.
   *
   * @throws StarlingError `unknown_app` or `too_many_connections`
   */
  requireRoom(app: string): void {
    this.#channelsOf(app);
    const limit = this.#options.apps.get(app)?.maxConnections ?? 0;
    if (limit > 0 && (this.#connections.get(app) ?? 0) >= limit) {
      throw new StarlingError("too_many_connections");
    }
  }

  /**
   * Whether the app may have this channel.
   *
   * @throws StarlingError `unknown_app` or `app_channels_full`
   */
  requireChannel(app: string, name: string): void {
    const channels = this.#channelsOf(app);
    const limit = this.#options.apps.get(app)?.maxChannels ?? 0;
    if (limit > 0 && channels.size >= limit && !channels.has(name)) {
      throw new StarlingError("app_channels_full");
    }
  }

  /** Makes a connection known; its app must be configured. */
  register(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    this.#connections.set(subscriber.app, (this.#connections.get(subscriber.app) ?? 0) + 1);
    this.#options.counters.connections++;
  }

  /** Forgets a connection and everything it was subscribed to. */
  unregister(subscriber: Subscriber): void {
    if (!this.#subscribers.remove(subscriber)) return;
    this.#connections.set(subscriber.app, (this.#connections.get(subscriber.app) ?? 1) - 1);
    this.#options.counters.connections--;
    for (const channel of each(subscriber.channels)) this.#leave(channel, subscriber);
    subscriber.channels = undefined;
  }

  /**
   * Subscribes a registered connection; a second time changes nothing. `format` is what it is told
   * in this channel, its own format unless it says otherwise.
   *
   * @throws StarlingError `too_many_channels` or `app_channels_full`
   */
  subscribe(subscriber: Subscriber, name: string, format = subscriber.format): void {
    if (!this.#subscribers.has(subscriber)) return;
    const channels = this.#channelsOf(subscriber.app);
    let channel = channels.get(name);
    if (channel !== undefined && includes(subscriber.channels, channel)) return;
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

  /** Delivers to every subscriber but `except`; answers how many that were. */
  publish(publication: Publication, except?: Subscriber): number {
    const { apps, counters } = this.#options;
    const channel = this.#channelsOf(publication.app).get(publication.channel);
    counters.publications++;
    if (channel === undefined) return 0;
    const { volatile } = optionsOf(apps, publication.app, publication.channel);
    let reached = 0;
    for (const group of channel.groups) {
      const frames = group.format.encode(publication);
      if (frames.length > 0) reached += this.#hand(group, frames, volatile, except);
    }
    counters.deliveries += reached;
    return reached;
  }

  /** Hands a frame of one protocol to its subscribers in a channel, such as news of its members. */
  relay(app: string, name: string, format: WireFormat, frame: Frame, except?: Subscriber): void {
    const group = this.#channelsOf(app).get(name)?.group(format);
    if (group === undefined) return;
    const { volatile } = optionsOf(this.#options.apps, app, name);
    this.#hand(group, [frame], volatile, except);
  }

  /** Every connection, in no order. */
  subscribers(): readonly Subscriber[] {
    return this.#subscribers.values();
  }

  *channels(app: string): Iterable<ChannelSummary> {
    for (const channel of this.#channelsOf(app).values()) {
      yield { channel: channel.name, subscribers: channel.size };
    }
  }

  disconnect(app: string, target: DisconnectTarget): number {
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

  /** Answers how many subscribers the frames were for. */
  #hand(
    group: SubscriberGroup,
    frames: readonly Frame[],
    volatile: boolean,
    except: Subscriber | undefined,
  ): number {
    // Counted before, since who is cut by this very frame is no member afterwards.
    const reached = except !== undefined && group.has(except) ? group.size - 1 : group.size;
    if (volatile) this.#deliverVolatile(group, frames, except);
    else this.#deliver(group, frames, except);
    return reached;
  }

  #deliver(group: SubscriberGroup, frames: readonly Frame[], except: Subscriber | undefined): void {
    for (const frame of frames) {
      const outcome = group.fanOut(this.#options.fanout, frame, except);
      if (outcome === 0) this.#cutSlowConsumers(group);
      else if (outcome < 0) this.#lookLater(group, frame.length);
    }
    for (const subscriber of group.detached) {
      if (subscriber !== except) subscriber.deliver(frames);
    }
  }

  /** Native fan-out while nobody lags; else one by one, passing over whoever is not ready. */
  #deliverVolatile(
    group: SubscriberGroup,
    frames: readonly Frame[],
    except: Subscriber | undefined,
  ): void {
    if (!group.isLagging && !group.hasDetached) {
      for (const frame of frames) {
        if (group.fanOut(this.#options.fanout, frame, except) <= 0) group.isLagging = true;
      }
      return;
    }
    group.isLagging = false;
    for (const subscriber of group.members) {
      if (subscriber === except) continue;
      if (subscriber.isReady()) {
        subscriber.deliver(frames);
      } else {
        group.isLagging = true;
        this.#options.counters.volatileDrops++;
      }
    }
  }

  /**
   * The runtime writes what is published at the end of its turn, and only then may somebody be over
   * the limit; nobody can be before a good part of the limit was published since the last look.
   */
  #lookLater(group: SubscriberGroup, bytes: number): void {
    this.#lagging.add(group);
    this.#unseenBytes += bytes;
    if (this.#isLooking || this.#unseenBytes < this.#options.slowConsumerBytes / 4) return;
    this.#isLooking = true;
    this.#options.clock.setTimeout(() => {
      this.#isLooking = false;
      this.#unseenBytes = 0;
      const groups = [...this.#lagging];
      this.#lagging.clear();
      for (const each of groups) this.#cutSlowConsumers(each);
    }, 0);
  }

  /** The native publish does not say who buffers or lost a frame: those over the limit are cut. */
  #cutSlowConsumers(group: SubscriberGroup): void {
    const limit = this.#options.slowConsumerBytes;
    const slow = [...group.members].filter(
      ({ socket }) => socket !== undefined && socket.getBufferedAmount() > limit,
    );
    for (const subscriber of slow) subscriber.cutSlow();
  }

  #leave(channel: Channel, subscriber: Subscriber): void {
    channel.remove(subscriber);
    if (channel.size === 0) this.#channelsOf(channel.app).delete(channel.name);
  }

  #channelsOf(app: string): Map<string, Channel> {
    const channels = this.#apps.get(app);
    if (channels === undefined) throw new StarlingError("unknown_app");
    return channels;
  }
}
