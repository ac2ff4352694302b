import type { PresenceEvent } from "../broker/broker.ts";
import { ByChannel } from "../hub/by-channel.ts";
import type { Member } from "../hub/member.ts";
import { Dots } from "./dots.ts";
import { channelHash } from "./hash.ts";
import type { Mark } from "./messages.ts";
import { type Delta, type Known, OwnChannel } from "./own-channel.ts";
import type { Statement } from "./roster.ts";

/** Channels that may have changed since the others were told which. */
const MAX_CHANGED = 20_000;

/** The members of this node, what of them the others have not been told yet, and what has changed of late. */
export class OwnPresence {
  readonly #channels = new ByChannel<OwnChannel>();
  #size = 0;
  /** The first event is that the node begins, so that one without members has something to say, too. */
  #now = 1;
  readonly #pending = new Set<OwnChannel>();
  #changed = new Map<number, number>();
  #hasForgotten = false;

  /** The last event of all. */
  get now(): number {
    return this.#now;
  }

  /** Channels with members. */
  get channels(): number {
    return this.#size;
  }

  /** Takes note of an event; answers the channel, where it changes something. */
  note(
    app: string,
    name: string,
    event: PresenceEvent,
    member?: Readonly<Member>,
  ): OwnChannel | undefined {
    let channel = this.#channels.get(app, name);
    if (channel === undefined) {
      if (event.type !== "join") return undefined;
      channel = new OwnChannel(app, name, channelHash(app, name));
      this.#channels.set(app, name, channel);
      this.#size++;
    }
    if (!channel.note(this.#now + 1, event, member)) return undefined;
    this.#now++;
    this.#pending.add(channel);
    return channel;
  }

  /** Channels of which the others have not been told everything. */
  pending(): readonly OwnChannel[] {
    return [...this.#pending];
  }

  /** What the others have not been told of a channel, which counts as told from now on. */
  take(channel: OwnChannel): Delta | undefined {
    this.#pending.delete(channel);
    const delta = channel.take();
    if (delta === undefined) return undefined;
    if (this.#changed.size < MAX_CHANGED) this.#changed.set(channel.hash, channel.last);
    else this.#hasForgotten = true;
    if (channel.size === 0 && this.#isCurrent(channel)) {
      this.#channels.delete(channel.app, channel.name);
      this.#size--;
    }
    return delta;
  }

  /** The channels that have changed since this was asked before; undefined where they are too many to be known. */
  takeChanges(): readonly Mark[] | undefined {
    const changes = this.#hasForgotten ? undefined : [...this.#changed];
    this.#changed = new Map();
    this.#hasForgotten = false;
    return changes;
  }

  /** Every channel with members, by hash. */
  marks(): Mark[] {
    const marks: Mark[] = [];
    for (const [, , { hash, last }] of this.#channels.entries()) marks.push([hash, last]);
    return marks.sort(([a], [b]) => a - b);
  }

  /** What somebody does not know of a channel who knows `known`; see `OwnChannel.difference`. */
  *difference(app: string, name: string, known: Known, maxBytes: number): Iterable<Statement> {
    const channel = this.#channels.get(app, name);
    if (channel === undefined) {
      yield { heard: Dots.range(1, this.#now), context: Dots.range(1, this.#now), entries: [] };
      return;
    }
    // Of a channel that was forgotten meanwhile nothing is known but its end.
    const now = () => (this.#isCurrent(channel) ? this.#now : channel.last);
    yield* channel.difference(known, now, maxBytes);
  }

  #isCurrent(channel: OwnChannel): boolean {
    return this.#channels.get(channel.app, channel.name) === channel;
  }
}
