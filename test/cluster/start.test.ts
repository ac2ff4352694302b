/** The processes of a cluster: how they start, end, come back and are replaced. */

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandOutcome, starling } from "../support/command.ts";
import { eventually } from "../support/deadline.ts";
import { isRunning } from "../support/faults/node-under-test.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { once, StockClients, upgraded } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

/** One worker of `starling status --json`. */
interface WorkerRow {
  readonly slot: number;
  readonly pid: number | null;
  readonly state: string;
  readonly connections: number;
  readonly restarts: number;
}

let folder: string;
let gateway: GatewayProcess | undefined;
let seen: Set<number>;
const clients = new StockClients(() => ({ url: running().subscriberUrl, ca: running().ca }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-cluster-"));
  gateway = undefined;
  seen = new Set();
});
afterEach(async () => {
  clients.disconnectAll();
  if (gateway !== undefined && isRunning(gateway.pid)) await gateway.stop();
  for (const pid of seen) if (isRunning(pid)) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const stateDir = () => join(folder, "state");
const socketFile = () => join(stateDir(), "broker.sock");

function running(): GatewayProcess {
  if (gateway === undefined) throw new Error("the gateway does not run");
  return gateway;
}

async function start(environment: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
  gateway = await startGatewayProcess({
    STATE_DIR: stateDir(),
    CLUSTER_MODE: "1",
    CLUSTER_INSTANCES: "2",
    CONNECT_RATE_PER_ADDRESS: "0",
    CONNECT_RATE_PER_USER: "0",
    ...environment,
  });
  return gateway;
}

function command(...args: string[]): Promise<CommandOutcome> {
  return starling(args, folder, { STATE_DIR: stateDir() });
}

async function workers(): Promise<WorkerRow[]> {
  const { code, out } = await command("status", "--json");
  expect(code).toBe(0);
  const rows: WorkerRow[] = JSON.parse(out).workers;
  for (const { pid } of rows) if (pid !== null) seen.add(pid);
  return rows;
}

async function pids(): Promise<number[]> {
  return (await workers()).flatMap(({ pid }) => pid ?? []);
}

/** The rows, once they say what is expected. */
function workersThat(what: string, hold: (rows: WorkerRow[]) => boolean): Promise<WorkerRow[]> {
  const attempt = async () => {
    const rows = await workers();
    return hold(rows) ? rows : undefined;
  };
  return eventually(what, attempt, 20_000);
}

function gone(pid: number, ms = 20_000): Promise<true> {
  const attempt = async () => {
    await Bun.sleep(20);
    return isRunning(pid) ? undefined : true;
  };
  return eventually(`end of process ${pid}`, attempt, ms);
}

/** Asks the publisher API, over a connection of its own and so any of the workers. */
async function post(path: string, request: object): Promise<Record<string, unknown>> {
  const { publisherUrl, ca } = running();
  const answer = await httpsCall(`${publisherUrl}${path}`, ca, { body: JSON.stringify(request) });
  expect(answer.status).toBe(200);
  return JSON.parse(answer.text);
}

async function publish(channel: string): Promise<unknown> {
  const { subscribers } = await post("/api/publish", { channel, event: "message", data: 1 });
  return subscribers;
}

const noSharedCounts = { idempotencyForgottenEarly: 0, rateLimitUntracked: 0 };

const ready = (url: string) => httpsCall(`${url}/ready`, running().ca);

describe("a cluster", () => {
  test("serves with several workers, and whatever is published reaches all clients", async () => {
    const { pid, logLines } = await start();
    const rows = await workers();
    expect(rows.map(({ slot, state }) => [slot, state])).toEqual([
      [0, "ready"],
      [1, "ready"],
    ]);
    expect(new Set([pid, ...rows.map((row) => row.pid)]).size).toBe(3);

    // Each on a connection of its own, so that hardly ever all are on one worker.
    const channel = crypto.randomUUID();
    const open = async () => {
      const socket = await clients.connected({ query: { uniqueUserId: channel } });
      await upgraded(socket);
      return socket;
    };
    const sockets = await Promise.all(Array.from({ length: 12 }, open));
    // A session that is moving to the worker of its WebSocket is counted by both.
    await eventually("12 subscribers", async () => (await publish(channel)) === 12 || undefined);
    for (let round = 0; round < 5; round++) {
      const received = Promise.all(sockets.map((socket) => once(socket, "message")));
      expect(await publish(channel)).toBe(12);
      await received;
    }
    await workersThat(
      "12 connections",
      (all) => all.reduce((sum, { connections }) => sum + connections, 0) === 12,
    );
    for (const message of ["publisher API listening", "subscriber listener listening", "started"]) {
      expect(logLines.filter(({ msg }) => msg === message)).toHaveLength(1);
    }
  });

  test("counts on the node what holds for all workers together", async () => {
    const { publisherUrl, ca } = await start();
    const { status, text } = await httpsCall(`${publisherUrl}/api/stats`, ca);
    expect(status).toBe(200);
    expect(JSON.parse(text).publisher).toMatchObject(noSharedCounts);
  });

  test("knows a request that is repeated, and finds a user, whichever workers they reach", async () => {
    await start();
    const user = crypto.randomUUID();
    const open = () =>
      clients.connected({ transports: ["websocket"], query: { uniqueUserId: user } });
    const sockets = await Promise.all(Array.from({ length: 12 }, open));
    const heard = sockets.map((socket) => {
      const events: unknown[] = [];
      socket.on("once", (data) => events.push(data));
      return events;
    });
    const last = Promise.all(sockets.map((socket) => once(socket, "last")));
    const keyed = { channel: user, event: "once", data: 1, idempotencyKey: "k" };
    for (let attempt = 0; attempt < 12; attempt++) {
      expect(await post("/api/publish", keyed)).toEqual({ ok: true, subscribers: 12 });
    }
    await post("/api/publish", { channel: user, event: "last", data: 1 });
    await last;
    expect(heard).toEqual(sockets.map(() => [1]));
    const ends = Promise.all(sockets.map((socket) => once(socket, "disconnect")));
    expect(await post("/api/disconnect", { user })).toEqual({
      ...{ ok: true, connections: 12, complete: true, unanswered: [] },
    });
    for (const [reason] of await ends) expect(reason).toBe("io server disconnect");
  });

  test("tells its state in a table, and that it is ready on both ports", async () => {
    const { publisherUrl, subscriberUrl, pid } = await start();
    for (const url of [publisherUrl, subscriberUrl]) {
      const { status, text } = await ready(url);
      expect([status, text]).toEqual([200, "ready"]);
    }
    const { code, out, err } = await command("status");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toStartWith("Starling ");
    expect(out).toContain(`pid ${pid}, `);
    expect(out).toContain("2 of 2 workers ready");
    expect(out).toMatch(/^0 +\d+ +ready +0 +\d+ MiB /m);
    expect(out).toMatch(/^1 +\d+ +ready +0 +\d+ MiB /m);
  });

  test("ends with SIGTERM, with all its processes, and leaves no file of a running one", async () => {
    const { pid } = await start();
    const all = [pid, ...(await pids())];
    expect(existsSync(socketFile())).toBe(true);
    expect(await running().stop()).toBe(0);
    expect(all.filter(isRunning)).toEqual([]);
    expect(readdirSync(stateDir()).toSorted()).toEqual(["dev-cert.pem", "dev-key.pem"]);
  });

  test("ends in the same way when a terminal signals every process", async () => {
    const { pid } = await start();
    const all = [...(await pids()), pid];
    for (const each of all) process.kill(each, "SIGINT");
    expect(await running().stop()).toBe(0);
    expect(all.filter(isRunning)).toEqual([]);
  });

  test("writes the lines of all its processes to LOGS_DIR", async () => {
    const logs = join(folder, "logs");
    await startQuietly({ LOGS_DIR: logs, LOG_LEVEL: "debug" });
    const text = readFileSync(join(logs, "starling.log"), "utf8").trimEnd();
    const lines: { worker?: number; msg: string }[] = text
      .split("\n")
      .map((line) => JSON.parse(line));
    // The supervisor names slots too, but only workers say this.
    const drained = lines.filter(({ msg }) => msg === "drained").map(({ worker }) => worker);
    expect(drained.toSorted()).toEqual([0, 1]);
    expect(lines.at(-1)).toMatchObject({ msg: "stopped" });
  });
});

/** Runs a cluster that says nothing on its standard output, until it is ready, and stops it. */
async function startQuietly(environment: Readonly<Record<string, string>>): Promise<void> {
  const settings = { STATE_DIR: stateDir(), CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" };
  const ports = { PRODUCER_PORT: "0", CONSUMER_PORT: "0" };
  const began = starling(["start"], folder, { ...settings, ...ports, ...environment });
  const pid = await eventually(
    "pid file",
    async () => {
      await Bun.sleep(50);
      const file = join(stateDir(), "starling.pid");
      return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
    },
    20_000,
  );
  seen.add(pid);
  await workers();
  process.kill(pid, "SIGTERM");
  expect((await began).code).toBe(0);
}

describe("CLUSTER_INSTANCES", () => {
  test.each([
    ["max", availableParallelism()],
    ["0", availableParallelism()],
    ["-1", Math.max(1, availableParallelism() - 1)],
    ["3", 3],
  ])("%s is %d workers here", async (text, count) => {
    await start({ CLUSTER_INSTANCES: text });
    expect(await workers()).toHaveLength(count);
  });
});

describe("a worker that is killed", () => {
  test("is replaced, and what has happened is logged", async () => {
    await start();
    const [victim] = await pids();
    if (victim === undefined) throw new Error("there is no worker");
    process.kill(victim, "SIGKILL");
    const rows = await workersThat(
      "another worker",
      (all) =>
        all.length === 2 && all.every(({ state, pid }) => state === "ready" && pid !== victim),
    );
    expect(rows.map(({ restarts }) => restarts)).toContain(1);
    expect(running().logLines).toContainEqual(
      expect.objectContaining({
        level: "error",
        msg: "a worker has ended",
        pid: victim,
        signal: "SIGKILL",
        worker: expect.any(Number),
        uptimeMs: expect.any(Number),
        connections: expect.any(Number),
      }),
    );
    const again = { level: "info", msg: "a worker is started again", worker: expect.any(Number) };
    expect(running().logLines).toContainEqual(expect.objectContaining(again));
    const socket = await clients.connected({ query: { uniqueUserId: crypto.randomUUID() } });
    expect(socket.connected).toBe(true);
  });

  test("again and again is given up: the others say so, and a restart revives it", async () => {
    await start();
    for (let kills = 0; kills < 5; kills++) {
      const rows = await workersThat("a worker in slot 1", (all) =>
        all.some(({ slot, state }) => slot === 1 && state === "ready"),
      );
      const victim = rows.find(({ slot }) => slot === 1)?.pid;
      if (typeof victim === "number") process.kill(victim, "SIGKILL");
      await workersThat("its end", (all) => all.every(({ pid }) => pid !== victim));
    }
    const rows = await workersThat("a slot given up", (all) =>
      all.some(({ state }) => state === "given up"),
    );
    expect(rows.map(({ slot, state }) => [slot, state])).toEqual([
      [0, "ready"],
      [1, "given up"],
    ]);
    expect(running().logLines).toContainEqual(
      expect.objectContaining({ level: "error", worker: 1, crashes: 5, signal: "SIGKILL" }),
    );
    const { status, text } = await ready(running().subscriberUrl);
    expect([status, text]).toEqual([503, "worker 1 was given up after 5 short lives in a row"]);

    expect((await command("restart")).code).toBe(0);
    await workersThat("two workers", (all) => all.every(({ state }) => state === "ready"));
    expect((await ready(running().subscriberUrl)).status).toBe(200);
  });
});

test("the supervisor ends when its last slot is given up", async () => {
  const { pid, logLines } = await start({ CLUSTER_INSTANCES: "1" });
  for (let kills = 0; kills < 5; kills++) {
    const [row] = await workersThat("a worker", ([only]) => only?.state === "ready");
    if (typeof row?.pid !== "number") throw new Error("the worker has no process");
    process.kill(row.pid, "SIGKILL");
    await gone(row.pid);
  }
  await gone(pid);
  expect(await running().stop()).toBe(70);
  expect(logLines).toContainEqual(expect.objectContaining({ worker: 0, crashes: 5 }));
  expect(existsSync(socketFile())).toBe(false);
});

describe("a supervisor that is killed", () => {
  test("leaves no process, and another one can start at once", async () => {
    const { pid, publisherUrl, subscriberUrl } = await start();
    const orphans = await pids();
    process.kill(pid, "SIGKILL");
    await start({
      PRODUCER_PORT: new URL(publisherUrl).port,
      CONSUMER_PORT: new URL(subscriberUrl).port,
    });
    for (const orphan of orphans) await gone(orphan);
    expect((await pids()).filter((each) => orphans.includes(each))).toEqual([]);
    expect(await publish("demo:hello")).toBe(0);
  });
});

describe("a start that cannot be", () => {
  const settings = () => ({ STATE_DIR: stateDir(), CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" });

  test("names the port that another cluster has, and leaves that one alone", async () => {
    const { publisherUrl } = await start();
    const PRODUCER_PORT = new URL(publisherUrl).port;
    const other = { ...settings(), STATE_DIR: join(folder, "other"), CONSUMER_PORT: "0" };
    expect(await starling(["start"], folder, { ...other, PRODUCER_PORT })).toMatchObject({
      code: 69,
      // Whoever waits says so there; only workers of a supervisor that died are waited for.
      out: expect.not.stringContaining("waiting"),
      err: `starling: PRODUCER_PORT=${PRODUCER_PORT}: the port is in use\n`,
    });
    expect(await publish("demo:hello")).toBe(0);
  });

  test("names the folder that another cluster has", async () => {
    await start();
    const ports = { PRODUCER_PORT: "0", CONSUMER_PORT: "0" };
    const { code, err } = await starling(["start"], folder, { ...settings(), ...ports });
    expect(code).toBe(78);
    expect(err).toContain(
      `STATE_DIR="${stateDir()}": another process listens on ${socketFile()} already`,
    );
    expect(await workers()).toHaveLength(2);
  });

  test("because of the configuration says so once, with the exit code of that", async () => {
    const { code, err } = await starling(["start"], folder, { ...settings(), HTTP_PORT: "x" });
    expect(code).toBe(78);
    expect(err.match(/HTTP_PORT="x"/g)).toHaveLength(1);
  });
});

describe("starling restart", () => {
  test("replaces every worker, and reads .env anew", async () => {
    await start();
    const before = await pids();
    const { code, out, err } = await command("restart");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe("worker 0 of 2 is replaced\nworker 1 of 2 is replaced\nrestarted\n");
    const after = await pids();
    expect(after).toHaveLength(2);
    expect(after.filter((each) => before.includes(each))).toEqual([]);
    expect(before.filter(isRunning)).toEqual([]);
  });

  test("with a faulty configuration replaces nobody, and says what is wrong", async () => {
    await start();
    const before = await pids();
    writeFileSync(join(running().folder, ".env"), "MAX_BODY_BYTES=many\n");
    const { code, err } = await command("restart");
    expect(code).toBe(78);
    expect(err).toContain('MAX_BODY_BYTES="many"');
    expect(await pids()).toEqual(before);
  });

  test("cannot change what the supervisor goes by, and says so", async () => {
    await start();
    writeFileSync(join(running().folder, ".env"), "DRAIN_SECONDS=1\n");
    const { code, err } = await command("restart");
    expect([code, err]).toEqual([
      78,
      "starling: a restart cannot change DRAIN_SECONDS: stop Starling and start it again\n",
    ]);
  });

  test("and status where nothing runs exit with 69", async () => {
    for (const name of ["restart", "status"]) {
      expect(await command(name)).toEqual({
        code: 69,
        out: "",
        err: `starling: no Starling runs with the folder ${stateDir()}\n`,
      });
    }
  });
});

describe("one process", () => {
  test("tells its status too, and cannot be restarted", async () => {
    const { pid } = await start({ CLUSTER_MODE: "0" });
    expect(await workers()).toEqual([
      expect.objectContaining({ slot: 0, pid, state: "ready", connections: 0, restarts: 0 }),
    ]);
    expect((await command("status")).out).toContain(", one process, 0 connections");
    const { code, err } = await command("restart");
    expect(code).toBe(69);
    expect(err).toContain("CLUSTER_MODE is 0");
    const { publisherUrl, subscriberUrl, ca } = running();
    expect((await ready(subscriberUrl)).text).toBe("ready");
    const stats = await httpsCall(`${publisherUrl}/api/stats`, ca);
    expect(JSON.parse(stats.text).publisher).toMatchObject(noSharedCounts);
    expect(await running().stop()).toBe(0);
    expect(existsSync(socketFile())).toBe(false);
  });

  test("says why status cannot find it where another one has the folder", async () => {
    const { pid } = await start({ CLUSTER_MODE: "0" });
    const second = await startGatewayProcess({ STATE_DIR: stateDir() });
    try {
      const line = second.logLines.find(({ msg }) => String(msg).includes("STATE_DIR"));
      expect(line).toMatchObject({
        level: "warn",
        reason: `another process listens on ${socketFile()} already`,
      });
    } finally {
      expect(await second.stop()).toBe(0);
    }
    expect(await workers()).toMatchObject([{ pid, state: "ready" }]);
  });
});
