import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandOutcome, starling } from "../command.ts";
import { eventually } from "../deadline.ts";
import { type GatewayProcess, type LogLine, startGatewayProcess } from "../gateway-process.ts";
import type { Host } from "../host.ts";

/** How long workers may take to end whose supervisor has gone, on a busy machine, ms. */
const ENDED_MS = 20_000;

/** A node whose processes a test may harm, with a state folder of its own. */
export class NodeUnderTest {
  #process: GatewayProcess;
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #host: Host | undefined;

  private constructor(
    process: GatewayProcess,
    folder: string,
    environment: Readonly<Record<string, string>>,
    host: Host | undefined,
  ) {
    this.#process = process;
    this.#folder = folder;
    this.#environment = environment;
    this.#host = host;
  }

  /** Starts a node of so many workers; 0 is one process that is everything. */
  static async start(
    workers: number,
    environment: Readonly<Record<string, string>> = {},
    host?: Host,
  ): Promise<NodeUnderTest> {
    const folder = mkdtempSync(join(tmpdir(), "starling-faults-"));
    const complete = {
      STATE_DIR: join(folder, "state"),
      CONNECT_RATE_PER_ADDRESS: "0",
      CONNECT_RATE_PER_USER: "0",
      SSE_HEARTBEAT: "1000",
      ...(workers === 0
        ? { CLUSTER_MODE: "0" }
        : { CLUSTER_MODE: "1", CLUSTER_INSTANCES: String(workers) }),
      ...environment,
    };
    try {
      return new NodeUnderTest(await startGatewayProcess(complete, host), folder, complete, host);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The one that runs, or that ran last. */
  get process(): GatewayProcess {
    return this.#process;
  }

  /** Where workers find their node. */
  get brokerSocket(): string {
    return join(this.#folder, "state", "broker.sock");
  }

  get logLines(): readonly LogLine[] {
    return this.process.logLines;
  }

  /** Process ids of the workers that there are now, but for the quic worker. */
  workers(): number[] {
    return this.processes().filter((pid) => !isDeno(pid));
  }

  /** Process id of the quic worker. */
  quicWorker(): number {
    const pid = this.processes().find(isDeno);
    if (pid === undefined) throw new Error("there is no quic worker");
    return pid;
  }

  /** Process ids of all workers. */
  processes(): number[] {
    const { pid } = this.process;
    const file = `/proc/${pid}/task/${pid}/children`;
    return readFileSync(file, "latin1").split(" ").filter(Boolean).map(Number);
  }

  /** Runs a command beside the node, as an operator does. */
  starling(...command: string[]): Promise<CommandOutcome> {
    return starling(command, this.#folder, this.#environment);
  }

  /** Resolves once there are so many workers, none of them among `others`. */
  replaced(count: number, others: readonly number[], ms: number): Promise<number[]> {
    return eventually(
      `${count} workers beside ${others.join(", ")}`,
      async () => {
        await Bun.sleep(20);
        const workers = this.workers().filter((pid) => !others.includes(pid));
        return workers.length === count ? workers : undefined;
      },
      ms,
    );
  }

  /** Ends the process that was started at once, and with it all its workers, or not: then they are on their own. */
  async kill(isAlone = false): Promise<void> {
    const workers = this.processes();
    const { pid } = this.process;
    for (const each of isAlone ? [pid] : [pid, ...workers]) process.kill(each, "SIGKILL");
    await eventually(
      "the end of a node that was killed",
      async () => ([pid, ...workers].some(isRunning) ? undefined : true),
      ENDED_MS,
    );
    await this.process.stop();
  }

  /** Starts it again, after it has ended, as what it was; needs ports that it was told. */
  async startAgain(): Promise<void> {
    this.#process = await startGatewayProcess(this.#environment, this.#host);
  }

  /** Stops the node where it still runs, and removes what it left. */
  async stop(): Promise<number> {
    const workers = isRunning(this.process.pid) ? this.processes() : [];
    for (const pid of workers) if (isRunning(pid)) process.kill(pid, "SIGCONT");
    try {
      return await this.process.stop();
    } finally {
      for (const pid of [this.process.pid, ...workers]) {
        if (isRunning(pid)) process.kill(pid, "SIGKILL");
      }
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

function isDeno(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1") === "deno\n";
  } catch {
    return false;
  }
}

/** Whether a process is there and not merely waiting to be reaped. */
export function isRunning(pid: number): boolean {
  try {
    // The state follows the name, which stands in parentheses.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
