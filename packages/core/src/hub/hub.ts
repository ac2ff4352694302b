import { StarlingError } from "@starling/protocol/errors.ts";
import type { Fanout, MessageSocket } from "../ports.ts";
import type { ChannelSummary, DisconnectTarget, HubApi } from "./api.ts";
import { Channel, type SubscriberGroup } from "./channel.ts";
import type { Counters } from "./counters.ts";
import { type AppConfig, optionsOf } from "./namespace.ts";
import type { Publication } from "./publication.ts";
import type { Frame, Subscriber } from "./subscriber.ts";

export interface HubOptions {
  readonly fanout: Fanout;
  readonly counters: Counters;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Bytes that may wait for one connection before it is cut; the socket's own limit is the same. */
  readonly slowConsumerBytes: number;
  /** Channels that one connection may be subscribed to. */
  readonly maxChannelsPerConnection: number;
}

/** A subscriber together with the channels it is in. */
interface Registration {
  readonly subscriber: Subscriber;
  readonly channels: Channel[];
}

/** Connections, channels and delivery on one worker. */
export class Hub implements HubApi {
  readonly #options: HubOptions;
  readonly #registrations = new Map<string, Registration>();
  readonly #apps = new Map<string, Map<string, Channel>>();

  constructor(options: HubOptions) {
    this.#options = options;
    for (const app of options.apps.keys()) this.#apps.set(app, new Map());
  }

  /** Makes a connection known; its app must be configured. */
  register(subscriber: Subscriber): void {
    this.#registrations.set(subscriber.id, { subscriber, channels: [] });
    this.#options.counters.connections++;
  }

  /** Forgets a connection and everything it was subscribed to. */
  unregister(subscriber: Subscriber): void {
    const registration = this.#registrations.get(subscriber.id);
    if (registration === undefined) return;
    this.#registrations.delete(subscriber.id);
    this.#options.counters.connections--;
    for (const channel of registration.channels) this.#leave(channel, subscriber);
  }

  /**
   * Subscribes a registered connection; a second time changes nothing.
   *
   * @throws StarlingError `too_many_channels`
   */
  subscribe(subscriber: Subscriber, name: string): void {
    const registration = this.#registrations.get(subscriber.id);
    if (registration === undefined) return;
    const channels = this.#channelsOf(subscriber.app);
    let channel = channels.get(name);
    if (channel !== undefined && registration.channels.includes(channel)) return;
    if (registration.channels.length >= this.#options.maxChannelsPerConnection) {
      throw new StarlingError("too_many_channels");
    }
    if (channel === undefined) {
      channel = new Channel(subscriber.app, name);
      channels.set(name, channel);
    }
    channel.add(subscriber);
    registration.channels.push(channel);
  }

  /** Answers whether the connection was subscribed. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const registration = this.#registrations.get(subscriber.id);
    const index = registration?.channels.findIndex((channel) => channel.name === name) ?? -1;
    if (registration === undefined || index === -1) return false;
    const [channel] = registration.channels.splice(index, 1);
    if (channel !== undefined) this.#leave(channel, subscriber);
    return true;
  }

  /** Moves a connection that now has a socket to native fan-out, keeping the order of frames. */
  attach(subscriber: Subscriber, socket: MessageSocket): void {
    const registration = this.#registrations.get(subscriber.id);
    if (registration === undefined) return;
    for (const channel of registration.channels) {
      channel.group(subscriber.format)?.attach(subscriber, socket);
    }
  }

  publish(publication: Publication): number {
    const { apps, counters } = this.#options;
    counters.publications++;
    const channel = this.#channelsOf(publication.app).get(publication.channel);
    if (channel === undefined) return 0;
    const { volatile } = optionsOf(apps, publication.app, publication.channel);
    let reached = 0;
    for (const group of channel.groups) {
      reached += group.members.size;
      const frames = group.format.encode(publication);
      if (volatile) this.#deliverVolatile(group, frames);
      else this.#deliver(group, frames);
    }
    counters.deliveries += reached;
    return reached;
  }

  *channels(app: string): Iterable<ChannelSummary> {
    for (const channel of this.#channelsOf(app).values()) {
      yield { channel: channel.name, subscribers: channel.size };
    }
  }

  disconnect(app: string, target: DisconnectTarget): number {
    const leaving: Subscriber[] = [];
    for (const { subscriber } of this.#candidates(target)) {
      if (subscriber.app !== app) continue;
      if ("connection" in target || subscriber.user === target.user) leaving.push(subscriber);
    }
    for (const subscriber of leaving) subscriber.disconnect("disconnected_by_publisher");
    return leaving.length;
  }

  /** Connections that are registered now. */
  subscribers(): Subscriber[] {
    return Array.from(this.#registrations.values(), ({ subscriber }) => subscriber);
  }

  #candidates(target: DisconnectTarget): Iterable<Registration> {
    if (!("connection" in target)) return this.#registrations.values();
    const registration = this.#registrations.get(target.connection);
    return registration === undefined ? [] : [registration];
  }

  #deliver(group: SubscriberGroup, frames: readonly Frame[]): void {
    if (group.nativeCount > 0) {
      for (const frame of frames) {
        if (this.#options.fanout.publish(group.topic, frame) === 0) this.#cutSlowConsumers(group);
      }
    }
    if (group.detached !== undefined) {
      for (const subscriber of group.detached) subscriber.deliver(frames);
    }
  }

  /** Native fan-out while nobody lags; else one by one, passing over whoever is not ready. */
  #deliverVolatile(group: SubscriberGroup, frames: readonly Frame[]): void {
    if (!group.lagging && group.detached === undefined) {
      for (const frame of frames) {
        if (this.#options.fanout.publish(group.topic, frame) <= 0) group.lagging = true;
      }
      return;
    }
    group.lagging = false;
    group.members.forEach((subscriber) => {
      if (subscriber.isReady()) {
        subscriber.deliver(frames);
      } else {
        group.lagging = true;
        this.#options.counters.volatileDrops++;
      }
    });
  }

  /** The native publish says that somebody lost a frame, not who: those over the limit did. */
  #cutSlowConsumers(group: SubscriberGroup): void {
    const slow: Subscriber[] = [];
    group.members.forEach((subscriber) => {
      const buffered = subscriber.socket?.getBufferedAmount() ?? 0;
      if (buffered > this.#options.slowConsumerBytes) slow.push(subscriber);
    });
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
