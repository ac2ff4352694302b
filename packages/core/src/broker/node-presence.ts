import { type Answer, whenAnswered } from "../answer.ts";
import { ByChannel } from "../hub/by-channel.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import type { PresenceEvent } from "./broker.ts";
import { type NodeObserver, nobodyObserves } from "./observer.ts";
import { PresenceRegistry, type TellWatcher } from "./presence-registry.ts";

/** The other nodes of a mesh, as the presence of a node needs them. */
export interface OtherNodes {
  /** Tells them what became of a member of this node, which nobody changes. */
  present(
    app: string,
    channel: string,
    event: PresenceEvent,
    member: Readonly<Member> | undefined,
  ): void;
  /** From now on their members are shown; answered when those that there are have been. */
  watch(app: string, channel: string): Answer<void>;
  unwatch(app: string, channel: string): void;
  /**
   * Sees to it that their members are shown for a while.
   *
   * @throws StarlingError `broker_unavailable` when too many channels are looked at
   */
  look(app: string, channel: string): Answer<void>;
}

/** What is heard of members. */
type MemberObserver = Pick<NodeObserver, "joined" | "left">;

/** Where a node that is no part of a mesh looks. */
const NOBODY: OtherNodes = {
  present() {},
  watch() {},
  unwatch() {},
  look() {},
};

/**
 * Who is present, as the workers of a node see it: their members, and those of other nodes where these are shown.
 *
 * A worker that begins to watch is told of nothing until the members of other nodes are known, so that they are part of
 * its answer and no news.
 */
export class NodePresence<Worker extends object> {
  readonly #registry: PresenceRegistry<object, Worker>;
  /** Owners that are other nodes. */
  readonly #others = new WeakSet<object>();
  /** Workers that wait for the answer to a watch. */
  readonly #waiting = new ByChannel<Map<Worker, object>>();
  #nodes: OtherNodes = NOBODY;

  /** @param observer hears of the members of this node alone: each node tells its own observer of its own */
  constructor(tell: TellWatcher<Worker>, observer: MemberObserver = nobodyObserves) {
    this.#registry = new PresenceRegistry(tell, (owner, app, channel, event, member, former) => {
      if (this.#others.has(owner)) return;
      this.#nodes.present(app, channel, event, member);
      if (event.type === "leave") {
        if (former !== undefined) observer.left(app, channel, former.member);
      } else if (event.type === "join" && member !== undefined) {
        // One that moved within the node has been there all the time.
        const isNew = former === undefined || this.#others.has(former.owner);
        if (isNew) observer.joined(app, channel, member);
      }
    });
  }

  get size(): number {
    let size = this.#registry.size;
    for (const [, , workers] of this.#waiting.entries()) size += workers.size;
    return size;
  }

  /** The node is a part of a mesh, to be said before any worker has members or watches. */
  join(nodes: OtherNodes): void {
    this.#nodes = nodes;
  }

  /** What became of a member of another node; ids of connections are random, so it is none of this one. */
  show(
    owner: object,
    app: string,
    channel: string,
    event: PresenceEvent,
    member?: Readonly<Member>,
  ): void {
    this.#others.add(owner);
    if (event.type === "join") {
      const known = this.#registry.owner(app, channel, event.member.connection);
      if (known !== undefined && !this.#others.has(known)) return;
    }
    this.#registry.present(owner, app, channel, event, member);
  }

  /** The members of another node leave. */
  hide(owner: object): void {
    this.#registry.forget(owner);
  }

  present(worker: Worker, app: string, channel: string, event: PresenceEvent): void {
    this.#registry.present(worker, app, channel, event);
  }

  watch(worker: Worker, app: string, channel: string): Answer<readonly Member[]> {
    const known = this.#nodes.watch(app, channel);
    if (!(known instanceof Promise)) return this.#registry.watch(worker, app, channel);
    const turn = {};
    this.#waitingIn(app, channel).set(worker, turn);
    return known.then(() => {
      // The worker may have unwatched, or be gone.
      if (this.#waiting.get(app, channel)?.get(worker) !== turn) return [];
      this.#endWait(worker, app, channel);
      return this.#registry.watch(worker, app, channel);
    });
  }

  unwatch(worker: Worker, app: string, channel: string): void {
    this.#endWait(worker, app, channel);
    this.#registry.unwatch(worker, app, channel);
    if (this.#registry.isWatched(app, channel)) return;
    if (this.#waiting.get(app, channel) === undefined) this.#nodes.unwatch(app, channel);
  }

  members(app: string, channel: string): Answer<readonly Member[]> {
    return whenAnswered(this.#nodes.look(app, channel), () => {
      const members = this.#registry.members(app, channel);
      // Those of other nodes became known in another order.
      return this.#nodes === NOBODY ? members : members.sort((a, b) => a.since - b.since);
    });
  }

  /** Costs the same however many members there are. */
  stats(app: string, channel: string): Answer<PresenceStats> {
    return whenAnswered(this.#nodes.look(app, channel), () => this.#registry.stats(app, channel));
  }

  /** The worker is gone: it watches nothing, and its members leave. */
  forget(worker: Worker): void {
    for (const [app, channel, workers] of [...this.#waiting.entries()]) {
      if (workers.has(worker)) this.unwatch(worker, app, channel);
    }
    for (const { app, name } of this.#registry.watchedBy(worker)) this.unwatch(worker, app, name);
    this.#registry.forget(worker);
  }

  #waitingIn(app: string, channel: string): Map<Worker, object> {
    let workers = this.#waiting.get(app, channel);
    if (workers === undefined) {
      workers = new Map();
      this.#waiting.set(app, channel, workers);
    }
    return workers;
  }

  #endWait(worker: Worker, app: string, channel: string): void {
    const workers = this.#waiting.get(app, channel);
    if (workers?.delete(worker) === true && workers.size === 0) this.#waiting.delete(app, channel);
  }
}
