import { afterEach } from "bun:test";
import type { ConfigFile } from "../config-file.ts";
import { eventually } from "../deadline.ts";
import type { Host } from "../host.ts";
import { httpsCall } from "../https.ts";
import { quietPort } from "../quiet-port.ts";
import { keeping, startNode } from "./fault-fixture.ts";
import { Load } from "./load.ts";
import type { NodeUnderTest } from "./node-under-test.ts";
import type { Plan } from "./plan.ts";

/** What a mesh runs on. */
export interface NatsUnderTest {
  readonly url: string;
  /** Where a node finds it that does not go there by the usual address. */
  urlOf?(node: number): string;
  /** Where a node runs that does not on this machine as it is. */
  hostOf?(node: number): Host;
  stop(): Promise<void>;
}

export interface MeshRun<Nats extends NatsUnderTest> {
  readonly nats: Nats;
  readonly nodes: readonly NodeUnderTest[];
  readonly load: Load;
}

type Environment = Readonly<Record<string, string>>;

export interface MeshShape {
  /** Of each node; 0 is a single process. By default there is one such node, and one with workers. */
  readonly workers?: readonly number[];
  /** Whether nodes have ports of their own, so that they can be started again. */
  readonly keepsPorts?: boolean;
  /** What a node is told beside what all are. */
  environmentOf?(node: number): Environment;
}

const WORKERS = [0, 2];
/** How long a node may take to be ready, ms. */
const READY_MS = 20_000;

/** Nodes on NATS and their load for each test of a file, which end with the test. */
export class MeshFixture {
  readonly #shape: MeshShape;
  readonly #nodes: NodeUnderTest[] = [];
  #nats: NatsUnderTest | undefined;
  #load: Load | undefined;
  #file: ConfigFile | undefined;

  constructor(shape: MeshShape = {}) {
    this.#shape = shape;
    afterEach(async () => {
      await this.#load?.stop();
      this.#load = undefined;
      await Promise.all(this.#nodes.splice(0).map((node) => node.stop()));
      await this.#nats?.stop();
      this.#nats = undefined;
      this.#file?.[Symbol.dispose]();
      this.#file = undefined;
    });
  }

  /** Starts the nodes on that NATS, which ends with the test; clients are made and not yet started. */
  async prepare<Nats extends NatsUnderTest>(
    nats: Nats,
    seed: number,
    plan: Plan,
    environment: Environment = {},
  ): Promise<MeshRun<Nats>> {
    const nodes = await this.startNodes(nats, plan, environment);
    const load = new Load(nodes, seed, plan, nats.url);
    this.#load = load;
    return { nats, nodes, load };
  }

  /** Starts the nodes on that NATS, which end with the test. */
  async startNodes(
    nats: NatsUnderTest,
    plan: Plan,
    environment: Environment = {},
  ): Promise<readonly NodeUnderTest[]> {
    this.#nats = nats;
    if (plan.history !== undefined) this.#file = keeping(plan.history);
    const shared = {
      DRAIN_SECONDS: "1",
      ...(this.#file === undefined ? {} : { CONFIG_FILE: this.#file.path }),
      ...environment,
    };
    const { workers: all = WORKERS, keepsPorts = false, environmentOf } = this.#shape;
    const starting = await Promise.allSettled(
      all.map(async (workers, index) => {
        const own = {
          ...shared,
          NATS_URL: nats.urlOf?.(index) ?? nats.url,
          MESH_ID: `node-${index}`,
          ...(keepsPorts ? await ownPorts() : {}),
          ...environmentOf?.(index),
        };
        const node = await startNode(plan, workers, own, nats.hostOf?.(index));
        this.#nodes.push(node);
        return node;
      }),
    );
    // Whatever has started ends with the test, also where another has not.
    const nodes = starting.map((each) => {
      if (each.status === "rejected") throw each.reason;
      return each.value;
    });
    await allReady(nodes);
    return nodes;
  }

  /** The same with clients that are connected and get what is published. */
  async start<Nats extends NatsUnderTest>(
    ...options: Parameters<typeof this.prepare<Nats>>
  ): Promise<MeshRun<Nats>> {
    const run = await this.prepare(...options);
    await run.load.start();
    return run;
  }
}

async function ownPorts(): Promise<Environment> {
  const [publishers, subscribers] = await Promise.all([quietPort(), quietPort()]);
  return { PRODUCER_PORT: String(publishers), CONSUMER_PORT: String(subscribers) };
}

/** Resolves once a node knows that so many others are there. */
export async function knows(node: NodeUnderTest, others: number): Promise<void> {
  const { publisherUrl, ca } = node.process;
  await eventually(
    `a node that knows ${others} others`,
    async () => {
      // A node that gets no time to answer is asked again.
      const call = httpsCall(`${publisherUrl}/metrics`, ca, { ms: READY_MS });
      const answer = await call.catch(() => undefined);
      if (answer?.text.includes(`\nstarling_mesh_presence_nodes ${others}\n`) === true) return true;
      await Bun.sleep(50);
      return undefined;
    },
    READY_MS,
  );
}

/** Resolves once every node says that it is ready. */
export async function allReady(nodes: readonly NodeUnderTest[]): Promise<void> {
  await allSay(nodes, 200);
}

/** Resolves once every node says that it is not. */
export async function allUnready(nodes: readonly NodeUnderTest[]): Promise<void> {
  await allSay(nodes, 503);
}

async function allSay(nodes: readonly NodeUnderTest[], wanted: number): Promise<void> {
  for (const { process } of nodes) {
    await eventually(
      `a node whose readiness is ${wanted}`,
      async () => {
        const url = `${process.subscriberUrl}/ready`;
        const call = httpsCall(url, process.ca, { ms: READY_MS });
        const answer = await call.catch(() => undefined);
        if (answer?.status === wanted) return true;
        await Bun.sleep(50);
        return undefined;
      },
      READY_MS,
    );
  }
}
