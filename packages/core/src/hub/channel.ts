import type { Fanout, MessageSocket } from "../ports.ts";
import { each, excluding, includes, including, type OneOrMany, sizeOf } from "./one-or-many.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";

/** The subscribers of one channel that share a wire format. */
export class SubscriberGroup {
  readonly format: WireFormat;
  /** Whether some member had frames waiting when a volatile publication was last delivered. */
  isLagging = false;
  #members: OneOrMany<Subscriber>;
  /** Members without a socket, which take frames one by one. */
  #detached: OneOrMany<Subscriber>;
  /** Native topic of the members with a socket; one alone needs none and is sent to directly. */
  #topic: string | undefined;

  constructor(format: WireFormat) {
    this.format = format;
  }

  get size(): number {
    return sizeOf(this.#members);
  }

  get members(): Iterable<Subscriber> {
    return each(this.#members);
  }

  get detached(): Iterable<Subscriber> {
    return each(this.#detached);
  }

  get hasDetached(): boolean {
    return this.#detached !== undefined;
  }

  has(subscriber: Subscriber): boolean {
    return includes(this.#members, subscriber);
  }

  /** `channel` names the native topic, should one be needed. */
  add(subscriber: Subscriber, channel: Channel): void {
    if (subscriber.socket === undefined) this.#detached = including(this.#detached, subscriber);
    else this.#join(subscriber.socket, channel);
    this.#members = including(this.#members, subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.#members = excluding(this.#members, subscriber);
    if (includes(this.#detached, subscriber)) {
      this.#detached = excluding(this.#detached, subscriber);
    } else if (this.#topic !== undefined) {
      subscriber.socket?.unsubscribe(this.#topic);
      if (this.#nativeCount === 0) this.#topic = undefined;
    }
  }

  /** Moves a member from frame-by-frame delivery to native fan-out. */
  attach(subscriber: Subscriber, socket: MessageSocket, channel: Channel): void {
    if (!includes(this.#detached, subscriber)) return;
    this.#join(socket, channel);
    this.#detached = excluding(this.#detached, subscriber);
  }

  /**
   * Hands a frame to every member with a socket, but not to `except`: a positive number when all
   * took it, `-1` when some buffered it, `0` when one lost it.
   */
  fanOut(fanout: Fanout, frame: Frame, except: Subscriber | undefined): number {
    const own = except !== undefined && this.#hasNative(except) ? except.socket : undefined;
    const others = this.#nativeCount - (own === undefined ? 0 : 1);
    if (others === 0) return 1;
    if (this.#topic === undefined) return this.#loneSocket()?.send(frame) ?? 1;
    return own?.publish(this.#topic, frame) ?? fanout.publish(this.#topic, frame);
  }

  /** The same with a frame that may be lost on the way, where the sockets can lose any. */
  fanOutUnreliable(fanout: Fanout, frame: Frame, except: Subscriber | undefined): number {
    if (fanout.publishUnreliable === undefined) return this.fanOut(fanout, frame, except);
    const own = except !== undefined && this.#hasNative(except) ? except.socket : undefined;
    const others = this.#nativeCount - (own === undefined ? 0 : 1);
    if (others === 0) return 1;
    if (this.#topic === undefined) {
      const lone = this.#loneSocket();
      return lone?.sendUnreliable?.(frame) ?? lone?.send(frame) ?? 1;
    }
    if (own === undefined) return fanout.publishUnreliable(this.#topic, frame);
    return own.publishUnreliable?.(this.#topic, frame) ?? own.publish(this.#topic, frame);
  }

  #hasNative(subscriber: Subscriber): boolean {
    return includes(this.#members, subscriber) && !includes(this.#detached, subscriber);
  }

  get #nativeCount(): number {
    return sizeOf(this.#members) - sizeOf(this.#detached);
  }

  /** The second socket makes a topic, and takes the first along. */
  #join(socket: MessageSocket, channel: Channel): void {
    if (this.#topic === undefined) {
      const first = this.#loneSocket();
      if (first === undefined) return;
      this.#topic = channel.topic(this.format);
      first.subscribe(this.#topic);
    }
    socket.subscribe(this.#topic);
  }

  #loneSocket(): MessageSocket | undefined {
    if (this.#nativeCount === 0) return undefined;
    for (const member of this.members) {
      if (!includes(this.#detached, member)) return member.socket;
    }
    return undefined;
  }
}

/** One channel of one app with whoever is subscribed to it on this worker. */
export class Channel {
  readonly app: string;
  readonly name: string;
  #groups: OneOrMany<SubscriberGroup>;

  constructor(app: string, name: string) {
    this.app = app;
    this.name = name;
  }

  get groups(): Iterable<SubscriberGroup> {
    return each(this.#groups);
  }

  get size(): number {
    let size = 0;
    for (const group of this.groups) size += group.size;
    return size;
  }

  /** The name of the native topic of one wire format; apps and formats have no colon. */
  topic(format: WireFormat): string {
    return `${format.id}:${this.app}:${this.name}`;
  }

  add(subscriber: Subscriber, format: WireFormat): void {
    let group = this.group(format);
    if (group === undefined) {
      group = new SubscriberGroup(format);
      this.#groups = including(this.#groups, group);
    }
    group.add(subscriber, this);
  }

  remove(subscriber: Subscriber): void {
    for (const group of this.groups) if (group.has(subscriber)) group.remove(subscriber);
  }

  /** The subscriber's connection now has a socket. */
  attach(subscriber: Subscriber, socket: MessageSocket): void {
    for (const group of this.groups) group.attach(subscriber, socket, this);
  }

  group(format: WireFormat): SubscriberGroup | undefined {
    for (const group of this.groups) if (group.format === format) return group;
    return undefined;
  }
}
