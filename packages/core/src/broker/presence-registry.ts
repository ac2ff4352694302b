import { Bag, type BagMember } from "../hub/bag.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import { each, excluding, including, type OneOrMany, sizeOf } from "../hub/one-or-many.ts";
import { UserCount } from "../hub/user-count.ts";
import type { PresenceEvent } from "./broker.ts";
import type { NodeObserver } from "./observer.ts";

/** A channel with members or watchers. */
interface Channel<Worker extends object> {
  readonly app: string;
  readonly name: string;
  /** By connection, in the order in which they joined. */
  readonly members: Map<string, Present<Worker>>;
  readonly users: UserCount;
  watchers: OneOrMany<Worker>;
}

/** A member, and the worker that its connection is on. */
interface Present<Worker extends object> extends BagMember {
  readonly channel: Channel<Worker>;
  readonly owner: Worker;
  /** The registry's own copy, since members change. */
  readonly member: Member;
}

export type TellWatcher<Worker> = (
  watcher: Worker,
  app: string,
  channel: string,
  event: PresenceEvent,
) => void;

/**
 * Who is present in which channel, on all workers.
 *
 * A member belongs to the worker that last said that it joined, and only that one can change it: a
 * connection that moved is not taken away by what its former worker says later.
 */
export class PresenceRegistry<Worker extends object> {
  readonly #tell: TellWatcher<Worker>;
  readonly #observer: Pick<NodeObserver, "joined" | "left">;
  readonly #apps = new Map<string, Map<string, Channel<Worker>>>();
  readonly #ofWorkers = new Map<Worker, Bag<Present<Worker>>>();
  readonly #watchedBy = new Map<Worker, Set<Channel<Worker>>>();

  constructor(tell: TellWatcher<Worker>, observer: Pick<NodeObserver, "joined" | "left">) {
    this.#tell = tell;
    this.#observer = observer;
  }

  /** Channels, and the apps, workers with members and workers that watch, that they are kept by. */
  get size(): number {
    let size = this.#apps.size + this.#ofWorkers.size + this.#watchedBy.size;
    for (const channels of this.#apps.values()) size += channels.size;
    return size;
  }

  /** Takes note of an event and tells those who watch, but not the worker that it comes from. */
  present(owner: Worker, app: string, name: string, event: PresenceEvent): void {
    const channel =
      event.type === "join" ? this.#channel(app, name) : this.#apps.get(app)?.get(name);
    if (channel === undefined) return;
    if (event.type === "join") {
      this.#join(owner, channel, event.member);
    } else {
      const present = channel.members.get(event.connection);
      if (present === undefined || present.owner !== owner) return;
      this.#change(present, event);
    }
    this.#tellWatchers(channel, event, owner);
    this.#forgetEmpty(channel);
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

  /** The worker is gone: it watches nothing, and its members leave. */
  forget(worker: Worker): void {
    for (const { app, name } of [...(this.#watchedBy.get(worker) ?? [])]) {
      this.unwatch(worker, app, name);
    }
    for (const { channel, member } of [...(this.#ofWorkers.get(worker)?.values() ?? [])]) {
      const { connection } = member;
      this.present(worker, channel.app, channel.name, { type: "leave", connection });
    }
  }

  #join(owner: Worker, channel: Channel<Worker>, member: Member): void {
    const former = channel.members.get(member.connection);
    if (former !== undefined) this.#disown(former);
    const present = { channel, owner, member: { ...member }, bagIndex: -1 };
    channel.members.set(member.connection, present);
    channel.users.add(member);
    let own = this.#ofWorkers.get(owner);
    if (own === undefined) {
      own = new Bag();
      this.#ofWorkers.set(owner, own);
    }
    own.add(present);
    // One that moved has been there all the time.
    if (former === undefined) this.#observer.joined(channel.app, channel.name, present.member);
  }

  #change(
    present: Present<Worker>,
    event: Exclude<PresenceEvent, { readonly type: "join" }>,
  ): void {
    const { channel, member } = present;
    switch (event.type) {
      case "state":
        member.state = event.state;
        member.clientId = event.clientId;
        break;
      case "rename":
        member.clientId = event.clientId;
        break;
      case "leave":
        this.#disown(present);
        channel.members.delete(member.connection);
        this.#observer.left(channel.app, channel.name, member);
        break;
      case "online":
        break;
    }
  }

  #disown(present: Present<Worker>): void {
    const { channel, owner, member } = present;
    channel.users.remove(member);
    const own = this.#ofWorkers.get(owner);
    own?.remove(present);
    if (own?.size === 0) this.#ofWorkers.delete(owner);
  }

  #tellWatchers(channel: Channel<Worker>, event: PresenceEvent, owner: Worker): void {
    for (const watcher of each(channel.watchers)) {
      if (watcher !== owner) this.#tell(watcher, channel.app, channel.name, event);
    }
  }

  #channel(app: string, name: string): Channel<Worker> {
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

  #forgetEmpty(channel: Channel<Worker>): void {
    if (channel.members.size > 0 || sizeOf(channel.watchers) > 0) return;
    const channels = this.#apps.get(channel.app);
    // Whoever was told may have emptied the channel first, and filled another of its name.
    if (channels?.get(channel.name) !== channel) return;
    channels.delete(channel.name);
    if (channels.size === 0) this.#apps.delete(channel.app);
  }
}
