import type { Hub } from "../../hub/hub.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { optionsOf } from "../../hub/namespace.ts";
import type { Member, Presence } from "../../hub/presence.ts";
import type { Subscriber } from "../../hub/subscriber.ts";
import type { Clock } from "../../ports.ts";
import { Conflater } from "./conflater.ts";
import { Debouncer } from "./debouncer.ts";
import type { SignallingFormat } from "./format.ts";

export interface MembersOptions {
  readonly hub: Hub;
  readonly presence: Presence;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly format: SignallingFormat;
  readonly clock: Clock;
}

/** Tells the signalling clients of a channel who comes, changes and goes. */
export class Members {
  readonly #options: MembersOptions;
  readonly #debouncer: Debouncer;
  readonly #states: Conflater<Subscriber, Uint8Array>;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#debouncer = new Debouncer(options.clock);
    this.#states = new Conflater(options.clock);
  }

  /** The member with which a connection is present in a channel. */
  find(subscriber: Subscriber, channel: string): Member | undefined {
    return this.#options.presence.member(subscriber.app, channel, subscriber.id);
  }

  /** Makes a connection a member; one that is present already keeps its place. */
  join(subscriber: Subscriber, channel: string, clientId: string, state?: Uint8Array): void {
    const { presence, clock } = this.#options;
    presence.join(subscriber.app, channel, {
      connection: subscriber.id,
      clientId,
      user: subscriber.user,
      state,
      since: clock.now(),
    });
  }

  /** The others hear `peer_online`, unless this member has only just left. */
  online(subscriber: Subscriber, channel: string, member: Member, pl?: Uint8Array): void {
    const { debounceMs } = this.#windows(subscriber, channel);
    const announce = () => this.#relay("peer_online", subscriber, channel, member.clientId, pl);
    if (debounceMs === 0) {
      announce();
      return;
    }
    this.#debouncer.join(keyOf(subscriber, channel, member.clientId), debounceMs, () => {
      announce();
      // Who was held back may have said something meanwhile.
      if (member.state === undefined) return;
      this.#relay("peer_state", subscriber, channel, member.clientId, member.state);
    });
  }

  /** The others hear `peer_state`, at most once in a window where the namespace has one. */
  changed(subscriber: Subscriber, channel: string, member: Member, pl: Uint8Array): void {
    member.state = pl.slice();
    const { conflateMs, debounceMs } = this.#windows(subscriber, channel);
    const isHeld = () => this.#debouncer.isUnannounced(keyOf(subscriber, channel, member.clientId));
    if (debounceMs > 0 && isHeld()) return;
    if (conflateMs === 0) {
      this.#relay("peer_state", subscriber, channel, member.clientId, pl);
      return;
    }
    const { format } = this.#options;
    const frame = format.peer("peer_state", channel, member.clientId, pl);
    this.#states.put(scopeOf(subscriber, channel), conflateMs, subscriber, frame, (sender, last) =>
      this.#options.hub.relay(sender.app, channel, format, last, sender),
    );
  }

  /** Ends the presence of a connection; the others hear `peer_offline`, unless it comes back soon. */
  leave(subscriber: Subscriber, channel: string): void {
    const member = this.#options.presence.leave(subscriber.app, channel, subscriber.id);
    if (member === undefined) return;
    const { conflateMs, debounceMs } = this.#windows(subscriber, channel);
    if (conflateMs > 0) this.#states.drop(scopeOf(subscriber, channel), subscriber);
    const announce = () =>
      this.#relay("peer_offline", subscriber, channel, member.clientId, undefined);
    if (debounceMs === 0) announce();
    else this.#debouncer.leave(keyOf(subscriber, channel, member.clientId), debounceMs, announce);
  }

  #relay(
    op: "peer_online" | "peer_state" | "peer_offline",
    sender: Subscriber,
    channel: string,
    clientId: string,
    pl: Uint8Array | undefined,
  ): void {
    const { hub, format } = this.#options;
    hub.relay(sender.app, channel, format, format.peer(op, channel, clientId, pl), sender);
  }

  #windows({ app }: Subscriber, channel: string): { debounceMs: number; conflateMs: number } {
    const options = optionsOf(this.#options.apps, app, channel);
    return { debounceMs: options.presenceDebounceMs ?? 0, conflateMs: options.conflateMs ?? 0 };
  }
}

function scopeOf({ app }: Subscriber, channel: string): string {
  return JSON.stringify([app, channel]);
}

function keyOf({ app }: Subscriber, channel: string, clientId: string): string {
  return JSON.stringify([app, channel, clientId]);
}
