import type { ClientContext } from "./fault-client.ts";
import type { Recorder } from "./recorder.ts";
import type { SeededRandom } from "./seeded-random.ts";

type Server = ClientContext["server"];

/** Where one client is among several nodes, and what it needs there. */
export class Place implements ClientContext {
  readonly recorder: Recorder;
  readonly random: SeededRandom;
  readonly recovers: boolean | undefined;
  readonly #servers: readonly Server[];
  readonly #isRoaming: boolean;
  #node: number;

  constructor(
    context: Pick<ClientContext, "recorder" | "random" | "recovers">,
    servers: readonly Server[],
    home: number,
    isRoaming: boolean,
  ) {
    this.recorder = context.recorder;
    this.random = context.random;
    this.recovers = context.recovers;
    this.#servers = servers;
    this.#node = home;
    this.#isRoaming = isRoaming;
  }

  get node(): number {
    return this.#node;
  }

  get server(): Server {
    const server = this.#servers[this.#node];
    if (server === undefined) throw new Error(`there is no node ${this.#node}`);
    return server;
  }

  moveOn(): void {
    if (this.#isRoaming) this.#node = (this.#node + 1) % this.#servers.length;
  }
}
