import type { HookConfigs, HookSettings } from "../../hooks/config.ts";
import { fractionBelowOne } from "../../random-fraction.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeHttpClient } from "../../testing/fake-http-client.ts";
import { bodyOf, type HookBody, hookConfig, hookSettings } from "../../testing/hook-receiver.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { turn } from "../../testing/turn.ts";
import { HookCodec } from "../codec.ts";
import { MeshHooks } from "../mesh-hooks.ts";

export const LEASE_MS = 10_000;
const STEP_MS = 50;
/** Milliseconds that a message is under way. */
const DELAY_MS = 5;
export const APP = "default";

export type Told = HookBody["events"][number];

/** A request as it was answered. */
export interface Taken {
  readonly from: string;
  readonly events: readonly Told[];
  readonly status: number;
}

/** One start of a node of the simulated mesh. */
export class SimulatedHooks {
  readonly name: string;
  readonly mesh: MeshHooks;
  readonly http = new FakeHttpClient();
  readonly log = new RecordingLog();
  /** Which part of a network that is split it is in. */
  side = 0;
  isAlive = true;
  isLinked = false;
  /** When each other node was last within reach. */
  readonly lastSeen = new Map<SimulatedHooks, number>();
  readonly seen = new Set<SimulatedHooks>();

  constructor(network: SimulatedHookMesh, name: string) {
    const { clock } = network;
    this.name = name;
    const ifAlive = (callback: () => void) => () => {
      if (this.isAlive) callback();
    };
    this.http.answer = (request) => network.answer(this, bodyOf(request).events);
    this.mesh = new MeshHooks({
      ...{ start: name, since: clock.now(), node: name, leaseMs: LEASE_MS },
      ...{ hooks: network.hooks, settings: network.settings, http: this.http, log: this.log },
      random: network.random,
      clock: {
        now: () => clock.now(),
        setTimeout: (callback, ms) => clock.setTimeout(ifAlive(callback), ms),
        clearTimeout: (timer) => clock.clearTimeout(timer),
      },
      afterTurn: (callback) => void clock.setTimeout(ifAlive(callback), 0),
      transport: {
        send: (message, to) => network.send(this, message, to),
        flushed: () => network.flushed(this),
      },
    });
  }
}

/** Nodes that share hooks, the network between them, and the receiver. */
export class SimulatedHookMesh {
  readonly clock = new FakeClock();
  readonly random: SeededRandom;
  readonly settings: HookSettings;
  /** Of nodes that are started from now on. */
  hooks: HookConfigs = new Map([[APP, [hookConfig()]]]);
  readonly nodes: SimulatedHooks[] = [];
  /** What the receiver got, in its order. */
  readonly requests: Taken[] = [];
  /** What it answers; an answer that is lost is 0, and none is undefined. */
  answers: (from: SimulatedHooks) => number | undefined = () => 200;
  /** How many of the messages are lost, from 0 to 1. */
  loss = 0;
  /** Whether a message from one node to another is lost. */
  isLost: (from: SimulatedHooks, to: SimulatedHooks, type: string) => boolean = () => false;
  /** Whether NATS takes what it is sent. */
  isTaking = true;
  readonly #codec = new HookCodec();
  #starts = 0;

  constructor(seed = 1, settings: Partial<HookSettings> = {}) {
    this.random = new SeededRandom(seed);
    this.settings = { ...hookSettings, ...settings };
  }

  start(): SimulatedHooks {
    this.#starts++;
    const node = new SimulatedHooks(this, `node${this.#starts}`);
    this.nodes.push(node);
    this.link(node, true);
    this.#meet();
    return node;
  }

  /** Nodes that have met, of which the first sends. */
  async startAll(count: number): Promise<SimulatedHooks[]> {
    const nodes = Array.from({ length: count }, () => this.start());
    await this.pass(LEASE_MS);
    return nodes;
  }

  get alive(): SimulatedHooks[] {
    return this.nodes.filter(({ isAlive }) => isAlive);
  }

  get senders(): SimulatedHooks[] {
    return this.alive.filter(({ mesh }) => mesh.meshCounts.sends === 1);
  }

  link(node: SimulatedHooks, isUp: boolean): void {
    node.isLinked = isUp;
    if (isUp) node.mesh.linkUp();
    else node.mesh.linkDown();
  }

  /** The process is killed: nothing of it goes on. */
  kill(node: SimulatedHooks): void {
    node.isAlive = false;
  }

  /** The node stops in order. */
  async stop(node: SimulatedHooks): Promise<void> {
    let isDone = false;
    void node.mesh.drain().then(() => {
      isDone = true;
    });
    while (!isDone) await this.pass(STEP_MS);
    node.isAlive = false;
    for (const other of this.alive) {
      if (other.seen.delete(node)) other.mesh.gone(node.name);
    }
  }

  /** Moves the clock in steps, with whatever follows from each. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.clock.advance(Math.min(left, STEP_MS));
      this.#meet();
      await turn();
    }
  }

  /** What the receiver took, each as often as it did. */
  get taken(): Told[] {
    return this.requests
      .filter(({ status }) => status === 0 || status === 200)
      .flatMap(({ events }) => events);
  }

  /** What it took for the first time, as words. */
  get story(): string[] {
    const ids = new Set<string>();
    const first = this.taken.filter(({ id }) => !ids.has(id) && ids.add(id));
    return first.map(({ type, channel, connection }) =>
      [type, channel, connection].filter((word) => word !== undefined).join(" "),
    );
  }

  answer(from: SimulatedHooks, events: readonly Told[]): Promise<{ status: number; body: string }> {
    const status = this.answers(from);
    if (status === undefined) return new Promise(() => undefined);
    this.requests.push({ from: from.name, events, status });
    if (status === 0) return Promise.reject(new Error("the answer is lost"));
    return Promise.resolve({ status, body: "" });
  }

  send(from: SimulatedHooks, message: Parameters<HookCodec["encode"]>[1], to?: string): void {
    if (!from.isLinked || !from.isAlive) return;
    const bytes = this.#codec.encode(from.name, message);
    for (const node of this.alive) {
      if (node === from || (to !== undefined && node.name !== to)) continue;
      if (node.side !== from.side || !node.isLinked) continue;
      if (this.isLost(from, node, message.type)) continue;
      if (this.loss > 0 && fractionBelowOne(this.random) < this.loss) continue;
      this.clock.setTimeout(() => {
        // What NATS has taken arrives although its sender has died.
        if (!node.isAlive || !node.isLinked || node.side !== from.side) return;
        const { start, message: read } = this.#codec.decode(bytes);
        node.mesh.receive(start, read);
      }, DELAY_MS);
    }
  }

  flushed(node: SimulatedHooks): Promise<boolean> {
    return new Promise((resolve) => {
      this.clock.setTimeout(() => resolve(node.isLinked && this.isTaking), DELAY_MS);
    });
  }

  /** Tells nodes who is there, as the presence of the mesh does. */
  #meet(): void {
    const now = this.clock.now();
    for (const node of this.alive) {
      for (const other of this.nodes) {
        if (other === node) continue;
        const isNear = node.side === other.side && node.isLinked && other.isLinked;
        if (isNear && other.isAlive) {
          node.lastSeen.set(other, now);
          if (node.seen.has(other)) continue;
          node.seen.add(other);
          node.mesh.arrived(other.name);
        } else if (node.seen.has(other) && now - (node.lastSeen.get(other) ?? 0) >= LEASE_MS) {
          node.seen.delete(other);
          node.mesh.gone(other.name);
        }
      }
    }
  }
}
