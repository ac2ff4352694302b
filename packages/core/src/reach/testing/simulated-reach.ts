import type { BanList } from "../../bans/ban-list.ts";
import type { Disconnection } from "../../broker/elsewhere.ts";
import { WorkerHandlers } from "../../broker/handlers.ts";
import { publicationHolding } from "../../broker/holdings.ts";
import { LocalBroker } from "../../broker/local.ts";
import { Node } from "../../broker/node.ts";
import type { DisconnectTarget } from "../../hub/api.ts";
import type { Publication } from "../../hub/publication.ts";
import { fraction } from "../../random-fraction.ts";
import { disconnected } from "../../testing/disconnected.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { decodeReach, encodeReach } from "../codec.ts";
import { MeshReach } from "../mesh-reach.ts";
import type { OtherNode, ReachMessage, Recipient } from "../transport.ts";

export const APP = "default";
/** An app whose users may have two connections each. */
export const LIMITED = "limited";

const settings = {
  apps: new Map([
    [APP, { namespaces: new Map() }],
    [LIMITED, { namespaces: new Map(), maxConnectionsPerUser: 2, tellsConnections: true }],
  ]),
  /** Of connections of a user. */
  ratePerSecond: 1,
  idempotencyWindowMs: 60_000,
};

/** A node with one worker. */
export class SimulatedNode {
  readonly own: OtherNode;
  readonly broker: LocalBroker;
  readonly bans: BanList;
  readonly mesh: MeshReach;
  /** What it was asked to disconnect. */
  readonly asked: [app: string, target: DisconnectTarget][] = [];
  /** What it answers then. */
  answer: () => Promise<Disconnection> = async () => disconnected(0);
  /** Which part of a network that is split it is in. */
  side = 0;
  isUp = true;

  constructor(network: SimulatedReach, name: string) {
    const { clock, random } = network;
    const { apps, ratePerSecond, idempotencyWindowMs } = settings;
    const off = { ratePerSecond: 0 };
    const node = new Node<Publication>(
      {
        ...{ clock, random, apps, idempotencyWindowMs },
        rates: { user: { ratePerSecond }, address: off, api: off },
      },
      publicationHolding,
    );
    this.own = { node: name, start: `start of ${name}` };
    const nodes = () => network.others(this).map(({ own }) => own);
    const send = (to: Recipient, message: ReachMessage) => network.send(this, to, message);
    const isUp = () => this.isUp;
    this.bans = node.bans.list;
    this.mesh = new MeshReach({
      transport: {
        get isUp() {
          return isUp();
        },
        nodes,
        send,
      },
      ...{ clock, random, own: this.own, idempotencyWindowMs, leaseMs: 10_000 },
      node: {
        bans: node.bans,
        disconnect: (app, target) => {
          this.asked.push([app, target]);
          return this.answer();
        },
        takeUser: (key) => node.takeUser(key),
        users: node.users,
      },
    });
    node.joinMesh(this.mesh);
    this.broker = new LocalBroker(node, 1, new WorkerHandlers());
  }

  ban(user: string, until: number): void {
    void this.broker.ban(APP, user, until);
  }
}

/** Nodes that reach one another over a network that takes ten milliseconds, and may lose messages or be split. */
export class SimulatedReach {
  readonly clock = new FakeClock();
  readonly random: SeededRandom;
  readonly nodes: SimulatedNode[] = [];
  /** Of messages, from 0 to 1. */
  loss = 0;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
  }

  start(name: string): SimulatedNode {
    const node = new SimulatedNode(this, name);
    this.nodes.push(node);
    this.#meet(node);
    return node;
  }

  /** The node ends without a word, and the others notice. */
  crash(node: SimulatedNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    node.isUp = false;
    node.mesh.close();
    for (const other of this.nodes) other.mesh.gone(node.own);
  }

  /** From now on a node is in a part of the network, and after a lease only that part knows it. */
  move(node: SimulatedNode, side: number): void {
    const before = this.others(node);
    node.side = side;
    for (const other of before) {
      if (other.side === side) continue;
      other.mesh.gone(node.own);
      node.mesh.gone(other.own);
    }
    this.#meet(node, before);
  }

  /** Nodes that a node knows of. */
  others(node: SimulatedNode): readonly SimulatedNode[] {
    return this.nodes.filter((other) => other !== node && other.side === node.side);
  }

  send(from: SimulatedNode, to: Recipient, message: ReachMessage): boolean {
    if (!from.isUp) return false;
    const bytes = encodeReach(from.own.start, message);
    for (const other of this.nodes) {
      if (other === from || (to !== "all" && to.start !== other.own.start)) continue;
      if (this.loss > 0 && fraction(this.random) < this.loss) continue;
      this.clock.setTimeout(() => {
        if (!other.isUp || other.side !== from.side) return;
        const letter = decodeReach(bytes);
        other.mesh.receive(letter.start, letter.message);
      }, 10);
    }
    return true;
  }

  /** Moves time on, with room for what waits for promises. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      this.clock.advance(Math.min(left, 10));
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  #meet(node: SimulatedNode, known: readonly SimulatedNode[] = []): void {
    for (const other of this.others(node)) {
      if (known.includes(other)) continue;
      other.mesh.came(node.own);
      node.mesh.came(other.own);
    }
  }
}
