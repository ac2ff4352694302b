import type { PresenceEvent } from "../../broker/broker.ts";
import { areEqual } from "../../hub/equal-bytes.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Member } from "../../hub/member.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { optionsOf } from "../../hub/namespace.ts";
import type { Presence } from "../../hub/presence.ts";
import type { Subscriber, WireFormat } from "../../hub/subscriber.ts";
import type { Clock } from "../../ports.ts";
import { Conflater } from "./conflater.ts";
import { Debouncer } from "./debouncer.ts";
import type { SignallingFormat } from "./format.ts";

export interface MembersOptions {
  readonly hub: Hub;
  readonly presence: Presence;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly format: SignallingFormat;
  /** Of members that are told offsets. */
  readonly offsetFormat: WireFormat;
  readonly clock: Clock;
}

/** Where a member is, and which client of this worker must not hear of it: its own. */
interface Place {
  readonly app: string;
  readonly channel: string;
  readonly except: Subscriber | undefined;
}

/**
 * Tells the signalling clients of this worker who comes, changes and goes in their channels, and the
 * other workers what the clients of this one do.
 *
 * What is held back is held back by each worker for its own clients. All see the same events of a
 * member, so one that leaves here and comes back there within the window is announced by none.
 */
export class Members {
  readonly #options: MembersOptions;
  readonly #debouncer: Debouncer;
  readonly #states: Conflater<Member, Place>;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#debouncer = new Debouncer(options.clock);
    this.#states = new Conflater(options.clock);
    options.presence.observe((app, channel, news) => {
      const place = { app, channel, except: undefined };
      if (news.type === "online") this.#announce(place, news.replica, news.payload);
      else if (news.type === "state") this.#announceState(place, news.replica);
      else this.#announceLeave(place, news.replica);
    });
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
    const { connection } = member;
    const payload = pl?.slice();
    this.#announce(placeOf(subscriber, channel), member, payload);
    const event = { type: "online", connection } as const;
    this.#tell(subscriber, channel, payload === undefined ? event : { ...event, payload });
  }

  /** The others hear `peer_state`, at most once in a window where the namespace has one. */
  changed(subscriber: Subscriber, channel: string, member: Member, pl: Uint8Array): void {
    member.state = pl.slice();
    const place = placeOf(subscriber, channel);
    const { conflateMs } = this.#windows(place);
    if (conflateMs === 0) this.#change(place, member);
    else {
      this.#states.put(scopeOf(place), conflateMs, member, place, (changed, where) =>
        this.#change(where, changed),
      );
    }
  }

  /** Gives a member another name, by which the others know it from now on. */
  rename(subscriber: Subscriber, channel: string, member: Member, clientId: string): void {
    this.#options.presence.rename(subscriber.app, channel, member, clientId);
  }

  /**
   * Ends the presence of a connection; the others hear `peer_offline`, unless its client is there over another
   * connection or comes back soon.
   */
  leave(subscriber: Subscriber, channel: string): void {
    const member = this.#options.presence.leave(subscriber.app, channel, subscriber.id);
    if (member === undefined) return;
    const place = placeOf(subscriber, channel);
    if (this.#windows(place).conflateMs > 0) this.#states.drop(scopeOf(place), member);
    this.#announceLeave(place, member);
  }

  #change(place: Place, member: Member): void {
    this.#announceState(place, member);
    const { connection, clientId, state } = member;
    if (state === undefined) return;
    this.#tell(place, place.channel, { type: "state", connection, clientId, state });
  }

  #announce(place: Place, member: Member, pl: Uint8Array | undefined): void {
    const { debounceMs } = this.#windows(place);
    const announce = () => this.#relay("peer_online", place, member, pl);
    if (debounceMs === 0) {
      announce();
      return;
    }
    this.#debouncer.join(keyOf(place, member), debounceMs, () => {
      announce();
      // Who was held back may have said something meanwhile.
      if (member.state === undefined) return;
      this.#relay("peer_state", place, member, member.state);
    });
  }

  #announceState(place: Place, member: Member): void {
    const { debounceMs } = this.#windows(place);
    if (debounceMs > 0 && this.#debouncer.isUnannounced(keyOf(place, member))) return;
    this.#relay("peer_state", place, member, member.state);
  }

  #announceLeave(place: Place, member: Member): void {
    const { debounceMs } = this.#windows(place);
    const { clientId, mesh } = member;
    const still = this.#options.presence.named(place.app, place.channel, clientId);
    if (still !== undefined) {
      // The others may have what was said over the connection that has gone.
      const isHidden = still.state !== undefined && !areEqual(still.state, member.state);
      if (isHidden) this.#announceState(place, still);
      return;
    }
    const announce = () => this.#relay("peer_offline", place, { clientId, mesh }, undefined);
    if (debounceMs === 0) announce();
    else this.#debouncer.leave(keyOf(place, member), debounceMs, announce);
  }

  #relay(
    op: "peer_online" | "peer_state" | "peer_offline",
    { app, channel, except }: Place,
    { clientId, mesh }: Pick<Member, "clientId" | "mesh">,
    pl: Uint8Array | undefined,
  ): void {
    const { hub, format, offsetFormat } = this.#options;
    const frame = format.peer(op, channel, clientId, pl, mesh);
    for (const told of [format, offsetFormat]) {
      hub.relay(app, channel, told, frame, except, op === "peer_state");
    }
  }

  #tell({ app }: { readonly app: string }, channel: string, event: PresenceEvent): void {
    this.#options.presence.tell(app, channel, event);
  }

  #windows({ app, channel }: Place): { debounceMs: number; conflateMs: number } {
    const options = optionsOf(this.#options.apps, app, channel);
    return { debounceMs: options.presenceDebounceMs ?? 0, conflateMs: options.conflateMs ?? 0 };
  }
}

function placeOf(subscriber: Subscriber, channel: string): Place {
  return { app: subscriber.app, channel, except: subscriber };
}

function scopeOf({ app, channel }: Place): string {
  return JSON.stringify([app, channel]);
}

function keyOf({ app, channel }: Place, { clientId }: Member): string {
  return JSON.stringify([app, channel, clientId]);
}
