import { StarlingError } from "@starling/protocol/errors.ts";
import type { Fanout, MessageSocket } from "../ports.ts";
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
  readonly counters: Counters;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Bytes that may wait for one connection before it is cut; the socket's own limit is the same. */
  readonly slowConsumerBytes: number;
  /** Channels that one connection may be subscribed to. */
  readonly maxChannelsPerConnection: number;
}

/** Connections, channels and delivery on one worker. */
export class Hub implements HubApi {
  readonly #options: HubOptions;
  readonly #subscribers = new Bag<Subscriber>();
  readonly #apps = new Map<string, Map<string, Channel>>();

  constructor(options: HubOptions) {
    this.#options = options;
    for (const app of options.apps.keys()) this.#apps.set(app, new Map());
  }

  /** Makes a connection known; its app must be configured. */
  register(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    this.#options.counters.connections++;
  }

  /** Forgets a connection and everything it was subscribed to. */
  unregister(subscriber: Subscriber): void {
    if (!this.#subscribers.remove(subscriber)) return;
    this.#options.counters.connections--;
    for (const channel of each(subscriber.channels)) this.#leave(channel, subscriber);
    subscriber.channels = undefined;
  }

  /**
   * Subscribes a registered connection; a second time changes nothing. `format` is what it is told
   * in this channel, its own format unless it says otherwise.
   *
   * @throws StarlingError `too_many_channels`
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
    counters.publications++;
    const channel = this.#channelsOf(publication.app).get(publication.channel);
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
    if (volatile) this.#deliverVolatile(group, frames, except);
    else this.#deliver(group, frames, except);
    return except !== undefined && group.has(except) ? group.size - 1 : group.size;
  }

  #deliver(group: SubscriberGroup, frames: readonly Frame[], except: Subscriber | undefined): void {
    for (const frame of frames) {
      const outcome = group.fanOut(this.#options.fanout, frame, except);
      if (outcome === 0) this.#cutSlowConsumers(group);
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

  /** The native publish says that somebody lost a frame, not who: those over the limit did. */
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
