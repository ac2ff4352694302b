import type { PresenceEvent } from "../../broker/broker.ts";
import { PresenceRegistry } from "../../broker/presence-registry.ts";
import { fractionBelowOne } from "../../random-fraction.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { Codec } from "../codec.ts";
import type { Address, MeshTransport, Message } from "../messages.ts";
import { PresenceMesh } from "../presence-mesh.ts";

export const APP = "app";
export const LEASE_MS = 10_000;

/** What the network does to a message. */
export interface Weather {
  /** From 0 to 1. */
  loss: number;
  duplication: number;
  /** Milliseconds that a message takes at least, and that it may take longer. */
  delayMs: number;
  spreadMs: number;
}

/** What somebody who watches a channel knows of its members, from the events alone. */
export interface Watched {
  clientId: string;
  state: Uint8Array | undefined;
  isOnline: boolean;
}

/** One start of a node, whose seat stands for all of its workers. */
export class SimulatedNode {
  readonly start: string;
  readonly mesh: PresenceMesh;
  readonly registry: PresenceRegistry<object>;
  readonly seat = {};
  readonly watcher = {};
  readonly listens = new Set<string>();
  /** Connections of this node, by channel. */
  readonly own = new Map<string, Map<string, Watched>>();
  /** What events have said, by channel, of members that are not of this node. */
  readonly seen = new Map<string, Map<string, Watched>>();
  readonly events: (readonly [string, PresenceEvent])[] = [];
  /** What the node says of itself. */
  about = "";
  /** Which part of a network that is split it is in. */
  side = 0;
  isAlive = true;
  diedAt = Number.POSITIVE_INFINITY;

  readonly #network: SimulatedNetwork;
  /** Members of dead nodes that have left. */
  readonly #ended = new Set<string>();

  constructor(network: SimulatedNetwork, node: string, start: string) {
    const { clock } = network;
    this.#network = network;
    this.start = start;
    this.registry = new PresenceRegistry((watcher, _app, channel, event) => {
      if (watcher === this.watcher) this.#see(channel, event);
    });
    const transport: MeshTransport = {
      send: (address, message) => network.send(this, address, message),
      whenSent: (callback) => void clock.setTimeout(callback, 1),
      listen: (_app, channel, isWanted) => {
        if (isWanted) this.listens.add(channel);
        else this.listens.delete(channel);
      },
    };
    this.mesh = new PresenceMesh({
      node,
      start,
      since: clock.now(),
      about: () => this.about,
      transport,
      showing: {
        show: (owner, app, channel, event, member) =>
          this.registry.present(owner, app, channel, event, member),
        hide: (owner) => this.registry.forget(owner),
      },
      clock: {
        now: () => clock.now(),
        setTimeout: (callback, ms) => clock.setTimeout(() => this.isAlive && callback(), ms),
        clearTimeout: (timer) => clock.clearTimeout(timer),
      },
      random: network.random,
      afterTurn: (callback) => void clock.setTimeout(() => this.isAlive && callback(), 0),
      log: new RecordingLog(),
      leaseMs: LEASE_MS,
    });
    this.mesh.linkUp();
  }

  watch(channel: string): void {
    if (!this.seen.has(channel)) this.seen.set(channel, new Map());
    void this.mesh.watch(APP, channel);
    for (const member of this.registry.watch(this.watcher, APP, channel)) {
      if (this.own.get(channel)?.has(member.connection) === true) continue;
      this.seen.get(channel)?.set(member.connection, { ...member, isOnline: true });
    }
  }

  unwatch(channel: string): void {
    this.mesh.unwatch(APP, channel);
    this.registry.unwatch(this.watcher, APP, channel);
    this.seen.delete(channel);
  }

  present(channel: string, event: PresenceEvent): void {
    let own = this.own.get(channel);
    if (own === undefined) {
      own = new Map();
      this.own.set(channel, own);
    }
    apply(own, event);
    this.registry.present(this.seat, APP, channel, event);
    this.mesh.present(APP, channel, event);
  }

  crash(now: number): void {
    this.isAlive = false;
    this.diedAt = now;
  }

  /** @throws Error when a member of a dead node comes back after it has left */
  #checkOnce(channel: string, connection: string, event: PresenceEvent): void {
    const [start = ""] = connection.split(":");
    if (!this.#network.isDead(start)) return;
    const key = `${channel} ${connection}`;
    if (event.type === "leave") this.#ended.add(key);
    else if (this.#ended.has(key)) throw new Error(`${connection} is back from the dead`);
  }

  #see(channel: string, event: PresenceEvent): void {
    const connection = event.type === "join" ? event.member.connection : event.connection;
    if (this.own.get(channel)?.has(connection) === true) return;
    // Own members leave before anybody is told.
    if (connection.startsWith(`${this.start}:`)) return;
    this.#checkOnce(channel, connection, event);
    this.events.push([channel, event]);
    const seen = this.seen.get(channel);
    if (seen !== undefined) apply(seen, event);
  }
}

/** @throws Error when the event is of a member that is not there */
function apply(members: Map<string, Watched>, event: PresenceEvent): void {
  if (event.type === "join") {
    const { connection, clientId, state } = event.member;
    members.set(connection, { clientId, state, isOnline: false });
    return;
  }
  const member = members.get(event.connection);
  if (member === undefined)
    throw new Error(`${event.type} of ${event.connection}, who is not there`);
  switch (event.type) {
    case "online":
      member.isOnline = true;
      break;
    case "state":
      member.clientId = event.clientId;
      member.state = event.state;
      break;
    case "rename":
      member.clientId = event.clientId;
      break;
    case "leave":
      members.delete(event.connection);
      break;
  }
}

/** Nodes, and a network between them that a test makes as bad as it likes. */
export class SimulatedNetwork {
  readonly clock = new FakeClock();
  readonly random: SeededRandom;
  readonly nodes: SimulatedNode[] = [];
  readonly weather: Weather = { loss: 0, duplication: 0, delayMs: 1, spreadMs: 0 };
  /** Bytes that were sent, and messages by their kind. */
  bytes = 0;
  readonly messages = new Map<string, number>();
  readonly #codec = new Codec();
  #starts = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  get alive(): SimulatedNode[] {
    return this.nodes.filter(({ isAlive }) => isAlive);
  }

  isDead(start: string): boolean {
    return this.nodes.some((node) => node.start === start && !node.isAlive);
  }

  start(node: string): SimulatedNode {
    this.#starts++;
    const started = new SimulatedNode(this, node, `${node}${this.#starts}`);
    this.nodes.push(started);
    return started;
  }

  /** A number from 0 up to but not `limit`. */
  pick(limit: number): number {
    return Math.floor(fractionBelowOne(this.random) * limit);
  }

  resetCounts(): void {
    this.bytes = 0;
    this.messages.clear();
  }

  send(from: SimulatedNode, address: Address, message: Message): void {
    const bytes = this.#codec.encode(from.start, message);
    this.bytes += bytes.length;
    this.messages.set(message.type, (this.messages.get(message.type) ?? 0) + 1);
    for (const node of this.alive) {
      if (node === from || !isFor(node, address)) continue;
      const { loss, duplication } = this.weather;
      const isCut = node.side !== from.side;
      if (isCut || fractionBelowOne(this.random) < loss) continue;
      this.#deliver(from, node, bytes);
      if (fractionBelowOne(this.random) < duplication) this.#deliver(from, node, bytes);
    }
  }

  #deliver(from: SimulatedNode, node: SimulatedNode, bytes: Uint8Array): void {
    const { delayMs, spreadMs } = this.weather;
    this.clock.setTimeout(
      () => {
        if (!node.isAlive || node.side !== from.side) return;
        const { start, message } = this.#codec.decode(bytes);
        node.mesh.receive(start, message);
      },
      delayMs + spreadMs * fractionBelowOne(this.random),
    );
  }
}

function isFor(node: SimulatedNode, address: Address): boolean {
  if (address.to === "node") return node.start === address.start;
  return address.to === "all" || node.listens.has(address.channel);
}
