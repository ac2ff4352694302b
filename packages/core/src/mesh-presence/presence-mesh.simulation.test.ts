import { expect, test } from "bun:test";
import type { PresenceEvent } from "../broker/broker.ts";
import { APP, LEASE_MS, SimulatedNetwork, type SimulatedNode } from "./testing/simulated-mesh.ts";

const NAMES = ["a", "b", "c", "d", "e"];
/** Few channels, or so many that nodes compare them before they ask. */
const FEW = 3;
const MANY = 120;
const STEPS = 600;
const SEEDS = 30;

/** Lives through a time of changes, with whatever can happen to nodes and to what is between them. */
class Life {
  readonly network: SimulatedNetwork;
  readonly #channels: readonly string[];
  #connections = 0;

  constructor(seed: number) {
    const count = seed % 4 === 0 ? MANY : FEW;
    this.#channels = Array.from({ length: count }, (_, index) => `room ${index}`);
    this.network = new SimulatedNetwork(seed);
    const { weather } = this.network;
    for (const name of NAMES.slice(0, 3 + (seed % 3))) this.#watchAll(this.network.start(name));
    Object.assign(weather, { loss: 0.05, duplication: 0.1, delayMs: 5, spreadMs: 150 });
  }

  run(steps: number): void {
    const { network } = this;
    for (let step = 0; step < steps; step++) {
      this.#step();
      network.clock.advance(network.pick(200));
      this.checkGhosts();
    }
  }

  /** Everything works again, and every node lives. */
  heal(): void {
    const { network } = this;
    Object.assign(network.weather, { loss: 0, duplication: 0 });
    for (const node of network.nodes) node.side = 0;
  }

  /** Whoever has been dead for a lease is seen nowhere. */
  checkGhosts(): void {
    const { network } = this;
    const now = network.clock.now();
    const dead = network.nodes.filter(({ diedAt }) => now - diedAt > LEASE_MS);
    for (const { start } of dead) {
      for (const node of network.alive) {
        for (const members of node.seen.values()) {
          for (const connection of members.keys()) {
            if (connection.startsWith(`${start}:`)) throw new Error(`${connection} is a ghost`);
          }
        }
      }
    }
  }

  #step(): void {
    const { network } = this;
    const { alive } = network;
    const node = alive[network.pick(alive.length)];
    if (node === undefined) return;
    const dice = network.pick(100);
    if (dice < 88) this.#change(node);
    else if (dice < 92) this.#turn(node);
    else if (dice < 94) node.side = 1 - node.side;
    else if (dice < 96) for (const each of alive) each.side = 0;
    else if (dice < 98) this.#restart(node);
    else this.#flap(node);
  }

  #change(node: SimulatedNode): void {
    const { network } = this;
    const channel = this.#channels[network.pick(this.#channels.length)] ?? "";
    const own = [...(node.own.get(channel)?.keys() ?? [])];
    const connection = own[network.pick(own.length)];
    const dice = connection === undefined ? 0 : network.pick(6);
    this.#connections++;
    const clientId = `client ${this.#connections}`;
    if (connection === undefined || dice < 2) {
      const joined = `${node.start}:${this.#connections}`;
      const user = `user ${this.#connections % 7}`;
      const since = network.clock.now();
      const member = { connection: joined, clientId, user, state: undefined, since };
      node.present(channel, { type: "join", member });
      if (dice === 0) node.present(channel, { type: "online", connection: joined });
      return;
    }
    const state = Uint8Array.of(network.pick(256));
    const events: PresenceEvent[] = [
      { type: "online", connection },
      { type: "state", connection, clientId, state },
      { type: "rename", connection, clientId },
      { type: "leave", connection },
    ];
    const event = events[dice - 2];
    if (event !== undefined) node.present(channel, event);
  }

  #turn(node: SimulatedNode): void {
    const channel = this.#channels[this.network.pick(this.#channels.length)] ?? "";
    if (node.seen.has(channel)) node.unwatch(channel);
    else node.watch(channel);
  }

  #restart(node: SimulatedNode): void {
    const { network } = this;
    node.crash(network.clock.now());
    const name = node.start.slice(0, 1);
    // At once, as a supervisor does, or when the others have noticed.
    const delayMs = network.pick(2) * network.pick(2 * LEASE_MS);
    network.clock.setTimeout(() => this.#watchAll(network.start(name)), delayMs);
  }

  /** The link to NATS breaks, and comes back after a while. */
  #flap(node: SimulatedNode): void {
    node.mesh.linkDown();
    const delayMs = this.network.pick(2 * LEASE_MS);
    this.network.clock.setTimeout(() => node.isAlive && node.mesh.linkUp(), delayMs);
  }

  #watchAll(node: SimulatedNode): void {
    for (const channel of this.#channels) node.watch(channel);
  }
}

/** What a node should see of a channel: the members of all others. */
function expected(network: SimulatedNetwork, node: SimulatedNode, channel: string) {
  const all = network.alive.filter((each) => each !== node);
  return new Map(all.flatMap((each) => [...(each.own.get(channel) ?? [])]).sort());
}

test.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
  "whatever happens on the way, who is dead leaves once and within the lease, and all nodes agree once everything works (seed %d)",
  (seed) => {
    const life = new Life(seed);
    const { network } = life;
    life.run(STEPS);
    life.heal();
    // A link may be down for as long, and a node that is heard again may have to be told off first.
    network.clock.advance(4 * LEASE_MS);
    life.checkGhosts();
    for (const node of network.alive) {
      expect(node.mesh.nodes).toBe(network.alive.length - 1);
      for (const [channel, seen] of node.seen) {
        const all = expected(network, node, channel);
        expect(new Map([...seen].sort())).toEqual(all);
        const own = node.own.get(channel)?.size ?? 0;
        expect(node.registry.stats(APP, channel).members).toBe(own + all.size);
      }
    }
  },
);
