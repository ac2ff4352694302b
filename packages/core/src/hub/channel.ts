import type { MessageSocket } from "../ports.ts";
import { SmallSet } from "./small-set.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";

/** The subscribers of one channel that share a wire format. */
export class SubscriberGroup {
  readonly format: WireFormat;
  /** Name of the native topic that reaches the members with a socket. */
  readonly topic: string;
  readonly members = new SmallSet<Subscriber>();
  /** Members without a native socket; undefined while there are none, which is the usual case. */
  detached: Set<Subscriber> | undefined;
  /** Whether some member had frames waiting when a volatile publication was last delivered. */
  lagging = false;

  constructor(format: WireFormat, topic: string) {
    this.format = format;
    this.topic = topic;
  }

  get nativeCount(): number {
    return this.members.size - (this.detached?.size ?? 0);
  }

  add(subscriber: Subscriber): boolean {
    if (!this.members.add(subscriber)) return false;
    if (subscriber.socket === undefined) this.#detach(subscriber);
    else subscriber.socket.subscribe(this.topic);
    return true;
  }

  remove(subscriber: Subscriber): boolean {
    if (!this.members.delete(subscriber)) return false;
    if (!this.#undetach(subscriber)) subscriber.socket?.unsubscribe(this.topic);
    return true;
  }

  /** Moves a member from frame-by-frame delivery to native fan-out. */
  attach(subscriber: Subscriber, socket: MessageSocket): void {
    if (this.#undetach(subscriber)) socket.subscribe(this.topic);
  }

  #detach(subscriber: Subscriber): void {
    this.detached ??= new Set();
    this.detached.add(subscriber);
  }

  #undetach(subscriber: Subscriber): boolean {
    if (this.detached?.delete(subscriber) !== true) return false;
    if (this.detached.size === 0) this.detached = undefined;
    return true;
  }
}

/** One channel of one app with whoever is subscribed to it on this worker. */
export class Channel {
  readonly app: string;
  readonly name: string;
  readonly #groups: SubscriberGroup[] = [];

  constructor(app: string, name: string) {
    this.app = app;
    this.name = name;
  }

  get groups(): readonly SubscriberGroup[] {
    return this.#groups;
  }

  get size(): number {
    let size = 0;
    for (const group of this.#groups) size += group.members.size;
    return size;
  }

  add(subscriber: Subscriber): boolean {
    return (this.group(subscriber.format) ?? this.#open(subscriber.format)).add(subscriber);
  }

  remove(subscriber: Subscriber): boolean {
    return this.group(subscriber.format)?.remove(subscriber) ?? false;
  }

  group(format: WireFormat): SubscriberGroup | undefined {
    for (const group of this.#groups) if (group.format === format) return group;
    return undefined;
  }

  #open(format: WireFormat): SubscriberGroup {
    const group = new SubscriberGroup(format, `${format.id}:${this.app}:${this.name}`);
    this.#groups.push(group);
    return group;
  }
}
