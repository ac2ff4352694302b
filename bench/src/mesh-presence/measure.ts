import { join } from "node:path";
import { cpuSince, cpuTime, residentKib } from "../measure/proc.ts";
import { installed } from "../peers/debian.ts";
import { end, startListening, track } from "../processes.ts";
import { type Order, type Reply, STATE_BYTES } from "./orders.ts";

/** Milliseconds; short, since a split has to outlast it. */
const LEASE_MS = 2_000;
const SETTLE_MS = 300;

/** What the presence of a channel costs a node. */
export interface PresenceCost {
  /** Microseconds to count the members. */
  readonly count: number;
  /** CPU microseconds of a join, on the node of the member and on one that watches. */
  readonly ownJoin: number;
  readonly otherJoin: number;
  /** Bytes of memory for a member, likewise. */
  readonly ownBytes: number;
  readonly otherBytes: number;
}

/** A node in a process of its own, which carries out one order at a time. */
class Party {
  readonly pid: number;
  readonly #child;
  #settle: ((reply: Reply) => void) | undefined;

  constructor() {
    this.#child = track(
      Bun.spawn([process.execPath, join(import.meta.dir, "process.ts")], {
        stdio: ["ignore", "inherit", "inherit"],
        ipc: (reply: Reply) => this.#settle?.(reply),
      }),
    );
    this.pid = this.#child.pid;
    void this.#child.exited.then(() => this.#settle?.({ type: "failed", reason: "it ended" }));
  }

  async order(order: Order): Promise<number> {
    const reply = await new Promise<Reply>((resolve) => {
      this.#settle = resolve;
      this.#child.send(order);
    });
    if (reply.type === "failed") throw new Error(`${order.type}: ${reply.reason}`);
    return reply.value ?? Number.NaN;
  }
}

/** A nats-server that is ended, and started again on its port. */
class Server {
  readonly #directory: string;
  readonly #port: number;
  #pid = 0;

  constructor(directory: string) {
    this.#directory = directory;
    const reserved = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    this.#port = reserved.port;
    reserved.stop(true);
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const program = installed("nats", "nats-server", ["nats-server"]);
    const url = new URL(this.url.replace("nats:", "http:"));
    const { pid } = await startListening({
      command: [program, "--addr", "127.0.0.1", "--port", `${this.#port}`],
      directory: this.#directory,
      environment: {},
      announced: (line) =>
        line.includes("Server is ready") ? { publisher: url, subscriber: url } : {},
    });
    this.#pid = pid;
  }

  async stop(): Promise<void> {
    await end(this.#pid);
  }
}

/** Nodes that know one another and watch the channel. */
async function met(server: Server, names: readonly string[]): Promise<Party[]> {
  const parties = names.map(() => new Party());
  for (const [index, party] of parties.entries()) {
    await party.order({ type: "open", url: server.url, name: `${names[index]}`, lease: LEASE_MS });
  }
  for (const party of parties) await party.order({ type: "meet", others: names.length - 1 });
  for (const party of parties) await party.order({ type: "watch" });
  return parties;
}

/** What one channel with so many members on one node costs that node and another one. */
export async function measurePresence(directory: string, members: number): Promise<PresenceCost> {
  const server = new Server(directory);
  await server.start();
  const parties = await met(server, ["own", "other"]);
  const [own, other] = parties;
  if (own === undefined || other === undefined) throw new Error("no nodes");
  try {
    for (const party of parties) await party.order({ type: "collect" });
    const before = parties.map(({ pid }) => ({ cpu: cpuTime(pid), kib: residentKib(pid) }));
    await own.order({ type: "join", members });
    for (const party of parties) await party.order({ type: "wait", members });
    const cpu = parties.map(({ pid }, index) => {
      const since = before[index]?.cpu;
      return since === undefined ? Number.NaN : cpuSince(pid, since).total / members;
    });
    for (const party of parties) await party.order({ type: "collect" });
    await Bun.sleep(SETTLE_MS);
    const bytes = parties.map(({ pid }, index) => {
      const kib = before[index]?.kib ?? Number.NaN;
      return ((residentKib(pid) - kib) * 1024) / members;
    });
    const count = await other.order({ type: "count" });
    const [ownJoin = Number.NaN, otherJoin = Number.NaN] = cpu;
    const [ownBytes = Number.NaN, otherBytes = Number.NaN] = bytes;
    return { count, ownJoin, otherJoin, ownBytes, otherBytes };
  } finally {
    for (const { pid } of parties) await end(pid);
    await server.stop();
  }
}

/**
 * Bytes that three nodes send when NATS is back after a time longer than the lease, as a multiple of the bytes of the
 * states of all members together: to everybody all members of the others have left, and come back.
 *
 * @param isForgotten whether nodes have forgotten meanwhile what they knew of one another, as after many leases
 */
export async function measureHeal(
  directory: string,
  members: number,
  isForgotten: boolean,
): Promise<number> {
  const server = new Server(directory);
  await server.start();
  const parties = await met(server, ["a", "b", "c"]);
  const each = Math.ceil(members / parties.length);
  const all = each * parties.length;
  try {
    for (const party of parties) await party.order({ type: "join", members: each });
    for (const party of parties) await party.order({ type: "wait", members: all });
    await server.stop();
    for (const party of parties) await party.order({ type: "wait", members: each });
    if (isForgotten) await Promise.all(parties.map((party) => party.order({ type: "forget" })));
    const before = await sentBy(parties);
    await server.start();
    for (const party of parties) await party.order({ type: "wait", members: all });
    await Bun.sleep(LEASE_MS);
    return ((await sentBy(parties)) - before) / (all * STATE_BYTES);
  } finally {
    for (const { pid } of parties) await end(pid);
    await server.stop();
  }
}

async function sentBy(parties: readonly Party[]): Promise<number> {
  let sum = 0;
  for (const party of parties) sum += await party.order({ type: "sent" });
  return sum;
}
