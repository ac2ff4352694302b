import { fractionBelowOne } from "../../random-fraction.ts";
import { applyTo, type Fact, type Facts, keyOf } from "../facts.ts";
import { APP, SimulatedHookMesh, type SimulatedHooks, type Told } from "./simulated-hooks.ts";

export type Doing = "come" | "go" | "fail" | "answer" | "split" | "join" | "unlink" | "link";

const CHANNELS = ["red", "green", "blue"];

/** A mesh on which things come and go at random, and what a receiver makes of what it is told. */
export class HookWorld {
  readonly mesh: SimulatedHookMesh;
  /** What holds on each node. */
  readonly #facts = new Map<SimulatedHooks, Facts>();
  /** Connections of nodes that have not been killed. */
  readonly #came = new Set<string>();
  #connections = 0;

  constructor(seed: number) {
    this.mesh = new SimulatedHookMesh(seed, { batchMs: 20, timeoutMs: 1_000 });
  }

  async begin(nodes: number): Promise<void> {
    await this.mesh.startAll(nodes);
  }

  number(limit: number): number {
    return Math.floor(fractionBelowOne(this.mesh.random) * limit);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.number(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** A client comes to a channel of a node. */
  come(): void {
    const node = this.pick(this.mesh.alive);
    const connection = `c${++this.#connections}`;
    const channel = this.pick(CHANNELS);
    const user = undefined;
    this.#came.add(connection);
    node.mesh.observer.connected(APP, connection, user);
    this.#set(node, { kind: "connection", app: APP, connection, user }, true);
    const occupied: Fact = { kind: "channel", app: APP, channel };
    if (!this.#of(node).has(keyOf(occupied))) {
      node.mesh.observer.opened(APP, channel);
      this.#set(node, occupied, true);
    }
    const member = { connection, clientId: connection, user, state: undefined, since: 0 };
    node.mesh.observer.joined(APP, channel, member);
    this.#set(
      node,
      { kind: "member", app: APP, channel, connection, clientId: connection, user },
      true,
    );
  }

  /** A client of a node goes. */
  go(): void {
    const node = this.pick(this.mesh.alive);
    const members = [...this.#of(node).values()].filter(({ kind }) => kind === "member");
    if (members.length === 0) return;
    const fact = this.pick(members);
    if (fact.kind !== "member") return;
    const { channel, connection, user } = fact;
    this.#end(node, fact);
    const isEmpty = ![...this.#of(node).values()].some((other) => {
      return other.kind === "member" && other.channel === channel;
    });
    if (isEmpty) this.#end(node, { kind: "channel", app: APP, channel });
    this.#end(node, { kind: "connection", app: APP, connection, user });
  }

  /** A node is killed, when all that happened on it is known to the one that sends; another one starts. */
  async killOne(): Promise<void> {
    const node = this.pick(this.mesh.alive);
    await this.#known();
    this.mesh.kill(node);
    this.#facts.delete(node);
    this.mesh.start();
  }

  /** A node stops in order, and another one starts. */
  async stopOne(): Promise<void> {
    const node = this.pick(this.mesh.alive);
    await this.#known();
    for (const fact of [...this.#of(node).values()]) this.#end(node, fact);
    await this.mesh.stop(node);
    this.#facts.delete(node);
    this.mesh.start();
  }

  heal(): void {
    this.mesh.loss = 0;
    this.mesh.answers = () => 200;
    for (const node of this.mesh.alive) {
      node.side = 0;
      if (!node.isLinked) this.mesh.link(node, true);
    }
  }

  /** Records that nodes still keep. */
  get kept(): number {
    return this.mesh.alive.reduce((sum, { mesh }) => sum + mesh.meshCounts.kept, 0);
  }

  /** What holds on any node. */
  get actual(): string[] {
    const keys = [...this.#facts.values()].flatMap((facts) => [...facts.keys()]);
    return [...new Set(keys)].sort();
  }

  /** What the receiver believes to hold. */
  get believed(): string[] {
    const keys = new Set<string>();
    for (const told of this.story) {
      if (begins(told)) keys.add(keyOfTold(told));
      else keys.delete(keyOfTold(told));
    }
    return [...keys].sort();
  }

  /** What was told to begin although it held, or to end although it did not. */
  get contradictions(): string[] {
    const keys = new Set<string>();
    return this.story.flatMap((told) => {
      const key = keyOfTold(told);
      const isNews = begins(told) !== keys.has(key);
      if (begins(told)) keys.add(key);
      else keys.delete(key);
      return isNews ? [] : [`${told.type} ${key.replaceAll("\n", " ")}`];
    });
  }

  /** Connections of which the receiver never heard. */
  get missing(): string[] {
    const told = new Set(this.story.map(({ connection }) => connection));
    return [...this.#came].filter((connection) => !told.has(connection));
  }

  /** What the receiver took, without what it took before. */
  get story(): Told[] {
    const ids = new Set<string>();
    return this.mesh.taken.filter(({ id }) => !ids.has(id) && ids.add(id));
  }

  /** Waits until one node sends, and what happened on the others is known there. */
  async #known(): Promise<void> {
    for (let left = 100; left > 0 && this.mesh.senders.length === 0; left--) {
      await this.mesh.pass(500);
    }
    await this.mesh.pass(3_000);
  }

  #end(node: SimulatedHooks, fact: Fact): void {
    if (fact.kind === "channel") node.mesh.observer.closed(APP, fact.channel);
    else if (fact.kind === "connection")
      node.mesh.observer.disconnected(APP, fact.connection, fact.user);
    else {
      const { channel, connection, clientId, user } = fact;
      node.mesh.observer.left(APP, channel, {
        connection,
        clientId,
        user,
        state: undefined,
        since: 0,
      });
    }
    this.#set(node, fact, false);
  }

  #of(node: SimulatedHooks): Facts {
    let facts = this.#facts.get(node);
    if (facts === undefined) {
      facts = new Map();
      this.#facts.set(node, facts);
    }
    return facts;
  }

  #set(node: SimulatedHooks, fact: Fact, holds: boolean): void {
    applyTo(this.#of(node), { op: holds ? "on" : "off", fact });
  }
}

export function applyDoing(world: HookWorld, doing: Doing): void {
  const { mesh } = world;
  switch (doing) {
    case "come":
      world.come();
      break;
    case "go":
      world.go();
      break;
    case "fail":
      mesh.answers = () => world.pick([200, 200, 503, 0, undefined]);
      break;
    case "answer":
      mesh.answers = () => 200;
      break;
    case "split":
      for (const node of mesh.alive) node.side = world.number(2);
      break;
    case "join":
      for (const node of mesh.alive) node.side = 0;
      break;
    case "unlink": {
      const node = world.pick(mesh.alive);
      if (node.isLinked) mesh.link(node, false);
      break;
    }
    case "link":
      for (const node of mesh.alive) if (!node.isLinked) mesh.link(node, true);
      break;
  }
}

function begins({ type }: Told): boolean {
  return type === "occupied" || type === "join" || type === "connect";
}

function keyOfTold({ type, channel = "", connection = "" }: Told): string {
  const user = undefined;
  if (type === "occupied" || type === "vacated")
    return keyOf({ kind: "channel", app: APP, channel });
  if (type === "join" || type === "leave") {
    return keyOf({ kind: "member", app: APP, channel, connection, clientId: "", user });
  }
  return keyOf({ kind: "connection", app: APP, connection, user });
}
