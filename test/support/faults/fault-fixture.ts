import { afterEach } from "bun:test";
import { ConfigFile } from "../config-file.ts";
import type { Host } from "../host.ts";
import { startQuicNode } from "../webtransport-node.ts";
import { Load } from "./load.ts";
import { NodeUnderTest } from "./node-under-test.ts";
import { type KeptHistory, type Plan, usesQuic } from "./plan.ts";

export interface FaultRun {
  readonly node: NodeUnderTest;
  readonly load: Load;
}

/** A node and its load for each test of a file, which end with the test. */
export class FaultFixture {
  #node: NodeUnderTest | undefined;
  #load: Load | undefined;
  #file: ConfigFile | undefined;

  constructor() {
    afterEach(async () => {
      await this.#load?.stop();
      this.#load = undefined;
      await this.#node?.stop();
      this.#node = undefined;
      this.#file?.[Symbol.dispose]();
      this.#file = undefined;
    });
  }

  /** Starts a node of so many workers; clients are made and not yet started. */
  async prepare(
    seed: number,
    workers: number,
    environment: Readonly<Record<string, string>> = {},
    plan: Plan = {},
  ): Promise<FaultRun> {
    const node = await startNode(plan, workers, { ...this.#configFile(plan), ...environment });
    this.#node = node;
    const load = new Load([node], seed, plan);
    this.#load = load;
    return { node, load };
  }

  #configFile({ history }: Plan): Readonly<Record<string, string>> {
    if (history === undefined) return {};
    this.#file = keeping(history);
    return { CONFIG_FILE: this.#file.path };
  }

  /** The same with clients that are connected and get what is published. */
  async start(...options: Parameters<FaultFixture["prepare"]>): Promise<FaultRun> {
    const run = await this.prepare(...options);
    await run.load.start();
    return run;
  }
}

/** Starts a node of so many workers that serves whoever takes part. */
export function startNode(
  plan: Plan,
  workers: number,
  environment: Readonly<Record<string, string>>,
  host?: Host,
): Promise<NodeUnderTest> {
  const start = usesQuic(plan) ? startQuicNode : NodeUnderTest.start;
  return start(workers, environment, host);
}

/** Has every channel of a run keep that history, but for those of the namespace `free`. */
export function keeping(history: KeptHistory): ConfigFile {
  const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
  return new ConfigFile({
    namespaces: { demo: { ...anyone, ...history, recover: true }, free: anyone },
  });
}
