import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../answer.ts";
import type { PresenceEvent } from "../broker/broker.ts";
import type { Member } from "../hub/member.ts";
import type { AfterTurn, Clock, Log, Random, TimerHandle } from "../ports.ts";
import { Answers } from "./answers.ts";
import { MeshPresenceCounters } from "./counters.ts";
import { fitting } from "./fitting.ts";
import { Heartbeat, LEASE_TICKS } from "./heartbeat.ts";
import {
  assembled,
  type Interest,
  isComplete,
  type Replica,
  replicaOf,
  takeRemembered,
} from "./interest.ts";
import { Interests } from "./interests.ts";
import type { Incarnation, MeshTransport, Message } from "./messages.ts";
import type { Delta } from "./own-channel.ts";
import { OwnPresence } from "./own-presence.ts";
import type { Peer } from "./peer.ts";
import { Peers } from "./peers.ts";
import { Remembered } from "./remembered.ts";
import { nothingBut, Repairs } from "./repairs.ts";
import { reveal } from "./reveal.ts";
import type { Entry } from "./roster.ts";

/** Milliseconds for which the first answers of other nodes are waited for. */
const WAIT_MS = 1_000;
/** Milliseconds over which the questions of several nodes are spread, at most. */
const MAX_JITTER_MS = 500;
/** Milliseconds after the link has come up in which the other nodes say that they are there. */
const GREETING_MS = 300;
/** Ticks for which a channel stays known that was only asked about. */
const LINGER_TICKS = LEASE_TICKS;
/** Ticks without a word, which are more than from one beat to the next. */
const SILENT_TICKS = 3;
/** Channels that may be known for no better reason. */
const MAX_ASKED_ABOUT = 10_000;
/** Bytes of events of one channel that are told at once, without waiting for the end of the turn. */
const MAX_PENDING_BYTES = 48 * 1024;

/** Where the members of other nodes are shown; whoever owns them is one object for each start of a node. */
export interface Showing {
  /** @param member what the event has made of it, which nobody changes; absent where it has left */
  show(
    owner: object,
    app: string,
    channel: string,
    event: PresenceEvent,
    member?: Readonly<Member>,
  ): void;
  /** All members of an owner leave. */
  hide(owner: object): void;
}

/** Hears which other starts of nodes are there; the same may be said again. */
export interface NodesObserver {
  arrived(start: string): void;
  /** It was silent for the lease, said that it ends, or began anew. */
  gone(start: string): void;
}

export interface PresenceMeshOptions extends Incarnation {
  readonly transport: MeshTransport;
  readonly showing: Showing;
  readonly clock: Clock;
  readonly random: Random;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
  /** Milliseconds after which a node that is silent is gone. */
  readonly leaseMs: number;
  /** What this node says of itself with each beat; the others have it of `others`. */
  about?(): string;
  /** Hears which other nodes there are, after they are known, and not any more; default: nobody does. */
  readonly nodes?: NodesListener;
}

/** A node is named by its start, and by its `MESH_ID`. */
export interface NodesListener {
  came(node: { readonly start: string; readonly node: string }): void;
  gone(node: { readonly start: string; readonly node: string }): void;
}

/** Another node that is there. */
export type OtherNode = Pick<Peer, "node" | "start" | "about">;

/**
 * A node's part of the presence of the mesh: it tells the others what becomes of its own members, and shows the
 * members of the others in the channels that are wanted here.
 *
 * Every node alone says who its members are, by statements that can be merged in any order. What is lost is seen by a
 * gap in the dots, or by a heartbeat that names a later event, and asked for.
 */
export class PresenceMesh {
  readonly counters = new MeshPresenceCounters();
  readonly #options: PresenceMeshOptions;
  readonly #own = new OwnPresence();
  readonly #interests = new Interests();
  readonly #peers: Peers;
  readonly #remembered = new Remembered();
  readonly #repairs: Repairs;
  readonly #answers: Answers;
  readonly #heartbeat: Heartbeat;
  #nodesObserver: NodesObserver | undefined;
  #isUp = false;
  /** Set while the other nodes may still be about to say that they are there. */
  #greeting: TimerHandle | undefined;
  #isFlushDue = false;
  #isClosed = false;

  constructor(options: PresenceMeshOptions) {
    this.#options = options;
    const { clock, random, afterTurn, leaseMs, transport, log } = options;
    const counted: MeshTransport = {
      send: (address, message) => {
        if (!this.#isUp) return;
        this.counters.sent++;
        transport.send(address, message);
      },
      whenSent: (callback) => transport.whenSent(callback),
      listen: (app, channel, isWanted) => transport.listen(app, channel, isWanted),
    };
    const { counters } = this;
    const jitterMs = Math.min(MAX_JITTER_MS, leaseMs / 4);
    const shared = { clock, random, transport: counted, counters, jitterMs };
    this.#repairs = new Repairs({ ...shared, interests: this.#interests });
    this.#answers = new Answers({
      ...{ clock, afterTurn, counters, transport: counted, own: this.#own, gatherMs: 2 * jitterMs },
      flush: () => this.#flush(),
      starts: () => this.#peers.starts(),
      announce: () => this.#heartbeat.hurry(),
    });
    this.#peers = new Peers({
      ...{ counters, log, own: options },
      came: (peer) => options.nodes?.came(peer),
      arrived: (peer) => this.#arrived(peer),
      gone: (peer, isSilent) => this.#gone(peer, isSilent),
    });
    this.#heartbeat = new Heartbeat({
      ...{ ...shared, leaseMs, own: this.#own, incarnation: options },
      flush: () => this.#flush(),
      about: () => options.about?.() ?? "",
      ticked: (tick) => this.#ticked(tick),
    });
  }

  /** Other nodes that are there. */
  get nodes(): number {
    return this.#peers.size;
  }

  /** The other nodes that are there, in no order. */
  others(): Iterable<OtherNode> {
    return this.#peers.all();
  }

  /** What this node says of itself has changed, and the others are to hear of it soon. */
  aboutChanged(): void {
    this.#heartbeat.soon();
  }

  /** Other nodes that run under a `MESH_ID` which this node has, or another one of them. */
  get namesakes(): number {
    return this.#peers.namesakes;
  }

  /** Channels whose members on other nodes are known here, or asked for. */
  get interests(): number {
    return this.#interests.size;
  }

  /** Tells of the nodes that there are, and from now on of those that come and go. */
  tellOfNodes(observer: NodesObserver): void {
    this.#nodesObserver = observer;
    for (const { start } of this.#peers.all()) observer.arrived(start);
  }

  /**
   * Takes note of what became of an own member.
   *
   * @param member what the event has made of it, which nobody changes; may be left out
   */
  present(app: string, name: string, event: PresenceEvent, member?: Readonly<Member>): void {
    const told = fitting(event);
    if (told !== event) this.counters.oversized++;
    const channel = this.#own.note(app, name, told, told === event ? member : undefined);
    if (channel === undefined) return;
    if (channel.pendingBytes >= MAX_PENDING_BYTES) this.#flush();
    if (this.#isFlushDue || !channel.isPending) return;
    this.#isFlushDue = true;
    this.#options.afterTurn(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  /**
   * From now on the members of other nodes are shown; the answer comes when all that there are were heard, and after
   * a second at the latest. Those heard later are shown as they come.
   */
  watch(app: string, channel: string): Answer<void> {
    const interest = this.#interest(app, channel);
    this.#interests.watched(interest, true);
    return this.#heard(interest);
  }

  unwatch(app: string, channel: string): void {
    const interest = this.#interests.get(app, channel);
    if (interest === undefined) return;
    this.#interests.watched(interest, false);
    if (interest.endsAt <= this.#heartbeat.tick) this.#end(interest);
  }

  /**
   * The same for whoever looks at a channel once: it stays known for the time of a lease.
   *
   * @throws StarlingError `broker_unavailable` when too many channels are looked at
   */
  look(app: string, channel: string): Answer<void> {
    const isKnown = this.#interests.get(app, channel) !== undefined;
    if (!isKnown && this.#interests.unwatched >= MAX_ASKED_ABOUT) {
      this.counters.refused++;
      throw new StarlingError("broker_unavailable", "too many channels are asked about");
    }
    const interest = this.#interest(app, channel);
    interest.endsAt = this.#heartbeat.tick + LINGER_TICKS;
    return this.#heard(interest);
  }

  /** Messages can be sent. */
  linkUp(): void {
    if (this.#isUp || this.#isClosed) return;
    this.#isUp = true;
    this.#answers.linkUp();
    this.#heartbeat.hello();
    const { clock } = this.#options;
    if (this.#greeting !== undefined) clock.clearTimeout(this.#greeting);
    this.#greeting = clock.setTimeout(() => {
      this.#greeting = undefined;
      // Not before, so that whoever is back a moment later is told the same with them.
      for (const peer of this.#peers.all()) this.#repairs.hurry(peer);
      this.#settleAll();
    }, GREETING_MS);
  }

  /** Nothing arrives any more, and nothing that was sent can be relied on. */
  linkDown(): void {
    this.#isUp = false;
    this.#heartbeat.linkDown();
    this.#answers.clear();
    this.#settleAll();
  }

  /** A message of another node, which may be one that comes late, or again. */
  receive(start: string, message: Message): void {
    if (start === this.#options.start || this.#isClosed) return;
    this.counters.received++;
    if (message.type === "beat") {
      const peer = this.#peers.beat(start, message, this.#heartbeat.tick);
      if (peer === undefined) return;
      if (message.isHello) this.#heartbeat.soon();
      for (const [hash, last] of message.changes) this.#repairs.changed(peer, hash, last);
      return;
    }
    const peer = this.#peers.get(start);
    if (peer === undefined) {
      // Whose beat was not heard yet will be asked for everything, and may ask before it says that it is there.
      if (message.type === "ask") this.#answers.ask(start, message);
      return;
    }
    switch (message.type) {
      case "bye":
        this.#peers.ended(peer);
        break;
      case "ask":
        if (message.number <= peer.asked) break;
        peer.asked = message.number;
        this.#answers.ask(start, message);
        break;
      case "compare":
        this.#answers.compare(start);
        break;
      case "digest":
        this.#repairs.compared(peer, message, (interest, delta) =>
          this.#told(peer, interest, delta),
        );
        break;
      case "told":
        for (const part of message.parts) {
          const interest = this.#interests.get(part.app, part.channel);
          if (interest === undefined) continue;
          const named = { ...part, entries: part.entries.map((entry) => ofNode(peer, entry)) };
          this.#told(peer, interest, assembled(replicaOf(interest, peer), part.place, named));
        }
        break;
    }
  }

  /** Tells the others that this node ends. */
  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#heartbeat.bye();
    this.#isClosed = true;
    this.#isUp = false;
    this.#heartbeat.stop();
    if (this.#greeting !== undefined) this.#options.clock.clearTimeout(this.#greeting);
    this.#answers.clear();
    for (const peer of [...this.#peers.all()]) this.#peers.ended(peer);
    this.#settleAll();
  }

  #flush(): void {
    for (const channel of this.#own.pending()) {
      const delta = this.#own.take(channel);
      if (delta === undefined || !this.#isUp) continue;
      const { app, name } = channel;
      this.#heartbeat.transport.send(
        { to: "channel", app, channel: name },
        { type: "told", parts: [{ app, channel: name, ...delta }] },
      );
    }
  }

  #interest(app: string, channel: string): Interest {
    const known = this.#interests.get(app, channel);
    if (known !== undefined) return known;
    const interest = this.#interests.add(app, channel);
    this.#options.transport.listen(app, channel, true);
    for (const peer of this.#peers.all()) this.#repairs.want(peer, interest);
    if (this.#isUp) this.#repairs.ask(interest, this.#options.afterTurn);
    return interest;
  }

  #end(interest: Interest): void {
    const { app, channel, replicas } = interest;
    this.#interests.delete(interest);
    this.#remembered.unwanted(interest);
    this.#options.transport.listen(app, channel, false);
    for (const [peer, replica] of replicas) {
      peer.incomplete.delete(replica);
      for (const { member } of replica.roster.members()) {
        const { connection } = member;
        this.#options.showing.show(peer, app, channel, { type: "leave", connection });
      }
    }
    this.#settle(interest, true);
  }

  #told(peer: Peer, interest: Interest, delta: Delta): void {
    const replica = replicaOf(interest, peer);
    this.#show(peer, replica, delta);
    replica.remembered?.merge(delta, delta.news);
    const remembered = takeRemembered(replica);
    if (remembered !== undefined) this.#show(peer, replica, { ...remembered.statement, news: [] });
    this.#repairs.heard(peer, replica);
    this.#settle(interest);
  }

  #show(peer: Peer, { interest, roster }: Replica, delta: Delta): void {
    const { app, channel } = interest;
    const unheard = delta.news.filter(({ dot }) => !roster.context.has(dot));
    const changes = roster.merge(delta, delta.news);
    for (const event of reveal(unheard, changes, (connection) => roster.get(connection))) {
      const { connection } = event.type === "join" ? event.member : event;
      this.#options.showing.show(peer, app, channel, event, roster.get(connection)?.member);
    }
  }

  #arrived(peer: Peer): void {
    this.#nodesObserver?.arrived(peer.start);
    this.#answers.arrived(peer.start);
    for (const [interest, roster] of this.#remembered.take(peer) ?? []) {
      replicaOf(interest, peer).remembered = roster;
    }
    if (peer.channels > 0) {
      this.#repairs.suspect(peer);
      if (this.#greeting === undefined) this.#repairs.hurry(peer);
      return;
    }
    // It has said already that it has no members.
    for (const interest of this.#interests.all()) {
      this.#told(peer, interest, nothingBut(1, peer.now));
    }
  }

  #gone(peer: Peer, isSilent: boolean): void {
    this.#options.nodes?.gone(peer);
    this.#repairs.forget(peer);
    if (isSilent)
      this.#remembered.keep(peer, this.#interests.replicasOf(peer), this.#heartbeat.tick);
    for (const interest of this.#interests.all()) interest.replicas.delete(peer);
    this.#options.showing.hide(peer);
    this.#nodesObserver?.gone(peer.start);
    this.#settleAll();
  }

  #ticked(tick: number): void {
    this.#peers.expire(tick);
    this.#remembered.expire(tick);
    for (const interest of this.#interests.ended(tick)) this.#end(interest);
  }

  #heard(interest: Interest): Answer<void> {
    if (this.#isSettled(interest)) return;
    if (interest.waiting === undefined) {
      interest.waiting = Promise.withResolvers();
      const late = () => this.#settle(interest, true);
      interest.deadline = this.#options.clock.setTimeout(late, WAIT_MS);
    }
    return interest.waiting.promise;
  }

  #isSettled({ replicas }: Interest): boolean {
    if (!this.#isUp) return true;
    if (this.#greeting !== undefined) return false;
    for (const peer of this.#peers.all()) {
      // It may well be gone, and is not waited for.
      if (this.#heartbeat.tick - peer.heardAt > SILENT_TICKS) continue;
      const replica: Replica | undefined = replicas.get(peer);
      if (replica === undefined || !isComplete(replica)) return false;
    }
    return true;
  }

  #settle(interest: Interest, isLate = false): void {
    const { waiting, deadline } = interest;
    if (waiting === undefined || !(isLate || this.#isSettled(interest))) return;
    if (deadline !== undefined) this.#options.clock.clearTimeout(deadline);
    interest.deadline = undefined;
    interest.waiting = undefined;
    waiting.resolve();
  }

  #settleAll(): void {
    for (const interest of this.#interests.all()) this.#settle(interest);
  }
}

/** The member as the others are told of it: with the name of its node. */
function ofNode({ node }: Peer, entry: Entry): Entry {
  return { ...entry, member: { ...entry.member, mesh: node } };
}
