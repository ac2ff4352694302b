import { Bag, type BagMember } from "../hub/bag.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import { each, excluding, including, type OneOrMany, sizeOf } from "../hub/one-or-many.ts";
import { UserCount } from "../hub/user-count.ts";
import type { PresenceEvent } from "./broker.ts";

/** A channel with members or watchers. */
interface Channel<Owner extends object, Worker extends Owner> {
  readonly app: string;
  readonly name: string;
  /** By connection, in the order in which they came to be known. */
  readonly members: Map<string, Present<Owner, Worker>>;
  readonly users: UserCount;
  watchers: OneOrMany<Worker>;
}

/** A member, and the worker that its connection is on. */
interface Present<Owner extends object, Worker extends Owner> extends BagMember {
  readonly channel: Channel<Owner, Worker>;
  readonly owner: Owner;
  /** The registry's own, which is never changed but replaced, so that it can be shared with whoever does the same. */
  member: Readonly<Member>;
}

/** Whose a member is, and how it is. */
export interface Owned<Owner> {
  readonly owner: Owner;
  readonly member: Readonly<Member>;
}

/**
 * Is told of an event that was taken note of, before anybody who watches is: what it has made of the member, and what
 * was known of it before, which is what it was there with where it left.
 */
export type Changed<Owner> = (
  owner: Owner,
  app: string,
  channel: string,
  event: PresenceEvent,
  member: Readonly<Member> | undefined,
  former: Owned<Owner> | undefined,
) => void;

export type TellWatcher<Worker> = (
  watcher: Worker,
  app: string,
  channel: string,
  event: PresenceEvent,
) => void;

/**
 * Who is present in which channel, on all workers, and on whatever else owns members.
 *
 * A member belongs to the worker that last said that it joined, and only that one can change it: a
 * connection that moved is not taken away by what its former worker says later.
 */
export class PresenceRegistry<Owner extends object, Worker extends Owner = Owner> {
  readonly #tell: TellWatcher<Worker>;
  readonly #changed: Changed<Owner>;
  readonly #apps = new Map<string, Map<string, Channel<Owner, Worker>>>();
  readonly #ofWorkers = new Map<Owner, Bag<Present<Owner, Worker>>>();
  readonly #watchedBy = new Map<Worker, Set<Channel<Owner, Worker>>>();

  constructor(tell: TellWatcher<Worker>, changed: Changed<Owner> = () => {}) {
    this.#tell = tell;
    this.#changed = changed;
  }

  /** Channels, and the apps, workers with members and workers that watch, that they are kept by. */
  get size(): number {
    let size = this.#apps.size + this.#ofWorkers.size + this.#watchedBy.size;
    for (const channels of this.#apps.values()) size += channels.size;
    return size;
  }

  /**
   * Takes note of an event and tells those who watch, but not the worker that it comes from.
   *
   * @param made what it has made of the member, which nobody changes; default: made here
   */
  present(
    owner: Owner,
    app: string,
    name: string,
    event: PresenceEvent,
    made?: Readonly<Member>,
  ): void {
    const channel =
      event.type === "join" ? this.#channel(app, name) : this.#apps.get(app)?.get(name);
    if (channel === undefined) return;
    const { connection } = event.type === "join" ? event.member : event;
    const former = channel.members.get(connection);
    if (event.type === "join") {
      this.#join(owner, channel, made ?? { ...event.member }, former);
    } else {
      if (former === undefined || former.owner !== owner) return;
      this.#change(former, event, made);
    }
    this.#changed(owner, app, name, event, channel.members.get(connection)?.member, former);
    this.#tellWatchers(channel, event, owner);
    this.#forgetEmpty(channel);
  }

  /** Whose member a connection is. */
  owner(app: string, name: string, connection: string): Owner | undefined {
    return this.#apps.get(app)?.get(name)?.members.get(connection)?.owner;
  }

  isWatched(app: string, name: string): boolean {
    return sizeOf(this.#apps.get(app)?.get(name)?.watchers) > 0;
  }

  /** From now on the worker is told of events; answers the members that are other workers'. */
  watch(worker: Worker, app: string, name: string): Member[] {
    const channel = this.#channel(app, name);
    channel.watchers = including(channel.watchers, worker);
    const watched = this.#watchedBy.get(worker);
    if (watched === undefined) this.#watchedBy.set(worker, new Set([channel]));
    else watched.add(channel);
    const others: Member[] = [];
    for (const { owner, member } of channel.members.values()) {
      if (owner !== worker) others.push({ ...member });
    }
    return others;
  }

  unwatch(worker: Worker, app: string, name: string): void {
    const channel = this.#apps.get(app)?.get(name);
    if (channel === undefined) return;
    channel.watchers = excluding(channel.watchers, worker);
    const watched = this.#watchedBy.get(worker);
    watched?.delete(channel);
    if (watched?.size === 0) this.#watchedBy.delete(worker);
    this.#forgetEmpty(channel);
  }

  members(app: string, name: string): Member[] {
    const members = this.#apps.get(app)?.get(name)?.members.values() ?? [];
    return Array.from(members, ({ member }) => ({ ...member }));
  }

  /** Costs the same however many members there are. */
  stats(app: string, name: string): PresenceStats {
    const channel = this.#apps.get(app)?.get(name);
    return { members: channel?.members.size ?? 0, users: channel?.users.size ?? 0 };
  }

  /** The channels that a worker watches. */
  watchedBy(worker: Worker): readonly { readonly app: string; readonly name: string }[] {
    return [...(this.#watchedBy.get(worker) ?? [])];
  }

  /** All members of an owner leave. */
  forget(owner: Owner): void {
    for (const { channel, member } of [...(this.#ofWorkers.get(owner)?.values() ?? [])]) {
      const { connection } = member;
      this.present(owner, channel.app, channel.name, { type: "leave", connection });
    }
  }

  #join(
    owner: Owner,
    channel: Channel<Owner, Worker>,
    member: Readonly<Member>,
    former: Present<Owner, Worker> | undefined,
  ): void {
    if (former !== undefined) this.#disown(former);
    const present = { channel, owner, member, bagIndex: -1 };
    channel.members.set(member.connection, present);
    channel.users.add(member);
    let own = this.#ofWorkers.get(owner);
    if (own === undefined) {
      own = new Bag();
      this.#ofWorkers.set(owner, own);
    }
    own.add(present);
  }

  #change(
    present: Present<Owner, Worker>,
    event: Exclude<PresenceEvent, { readonly type: "join" }>,
    made: Readonly<Member> | undefined,
  ): void {
    const { channel, member } = present;
    switch (event.type) {
      case "state":
        present.member = made ?? { ...member, state: event.state, clientId: event.clientId };
        break;
      case "rename":
        present.member = made ?? { ...member, clientId: event.clientId };
        break;
      case "leave":
        this.#disown(present);
        channel.members.delete(member.connection);
        break;
      case "online":
        break;
    }
  }

  #disown(present: Present<Owner, Worker>): void {
    const { channel, owner, member } = present;
    channel.users.remove(member);
    const own = this.#ofWorkers.get(owner);
    own?.remove(present);
    if (own?.size === 0) this.#ofWorkers.delete(owner);
  }

  #tellWatchers(channel: Channel<Owner, Worker>, event: PresenceEvent, owner: Owner): void {
    for (const watcher of each(channel.watchers)) {
      if (watcher !== owner) this.#tell(watcher, channel.app, channel.name, event);
    }
  }

  #channel(app: string, name: string): Channel<Owner, Worker> {
    let channels = this.#apps.get(app);
    if (channels === undefined) {
      channels = new Map();
      this.#apps.set(app, channels);
    }
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = { app, name, members: new Map(), users: new UserCount(), watchers: undefined };
      channels.set(name, channel);
    }
    return channel;
  }

  #forgetEmpty(channel: Channel<Owner, Worker>): void {
    if (channel.members.size > 0 || sizeOf(channel.watchers) > 0) return;
    const channels = this.#apps.get(channel.app);
    // Whoever was told may have emptied the channel first, and filled another of its name.
    if (channels?.get(channel.name) !== channel) return;
    channels.delete(channel.name);
    if (channels.size === 0) this.#apps.delete(channel.app);
  }
}
