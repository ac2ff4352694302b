/** What signals and commands to the processes of a cluster do when something is in their way. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { starling } from "../support/command.ts";
import { eventually } from "../support/deadline.ts";
import { EngineHttp } from "../support/engine-http.ts";
import { isRunning, NodeUnderTest } from "../support/faults/node-under-test.ts";
import { httpsCall } from "../support/https.ts";

setDefaultTimeout(60_000);

const REPLACED_MS = 10_000;

let started: NodeUnderTest | undefined;
afterEach(async () => {
  await started?.stop();
  started = undefined;
});

async function start(environment: Readonly<Record<string, string>> = {}): Promise<NodeUnderTest> {
  started = await NodeUnderTest.start(2, environment);
  return started;
}

/** A worker, of which there are two. */
function someWorker(node: NodeUnderTest): number {
  const [pid] = node.workers();
  if (pid === undefined) throw new Error("there is no worker");
  return pid;
}

const errors = ({ logLines }: NodeUnderTest) => logLines.filter(({ level }) => level === "error");

async function ready({ process: { subscriberUrl, ca } }: NodeUnderTest): Promise<string> {
  return (await httpsCall(`${subscriberUrl}/ready`, ca)).text;
}

function readyWith(node: NodeUnderTest, text: string): Promise<true> {
  const attempt = async () => (await ready(node)) === text || undefined;
  return eventually(`ready to be "${text}"`, attempt, REPLACED_MS);
}

test("a second signal ends every process at once, one that hangs as well", async () => {
  const node = await start();
  const { pid } = node.process;
  const all = [pid, ...node.workers()];
  process.kill(someWorker(node), "SIGSTOP");
  process.kill(pid, "SIGTERM");
  await eventually("a stop", async () => {
    // Sooner, the second one would count as a copy of the first.
    await Bun.sleep(400);
    return node.logLines.some(({ msg }) => msg === "stopping") || undefined;
  });
  expect(await node.process.stop()).toBe(143);
  const end = async () => all.every((each) => !isRunning(each)) || undefined;
  await eventually("the end of all processes", end);
  expect(readdirSync(dirname(node.brokerSocket)).toSorted()).toEqual([
    "dev-cert.pem",
    "dev-key.pem",
  ]);
});

test("a supervisor that hangs makes its workers unready, and none of them is replaced", async () => {
  const node = await start({ PRESENCE_LEASE: "1000" });
  const workers = node.workers();
  process.kill(node.process.pid, "SIGSTOP");
  await readyWith(node, "the link to the node is down");
  process.kill(node.process.pid, "SIGCONT");
  await readyWith(node, "ready");
  expect(node.workers()).toEqual(workers);
  expect(errors(node)).toEqual([]);
});

test("a worker that is told to stop by somebody else leaves, and another takes its place", async () => {
  const node = await start();
  const old = someWorker(node);
  process.kill(old, "SIGTERM");
  await node.replaced(2, [old], REPLACED_MS);
  expect(node.logLines).toContainEqual(
    expect.objectContaining({ msg: "a worker has left", pid: old, exitCode: 0 }),
  );
  expect(errors(node)).toEqual([]);
});

test("a client that never fetches what waits for it keeps nobody longer than it may", async () => {
  const node = await start({ DRAIN_SECONDS: "1" });
  const { subscriberUrl, ca } = node.process;
  const endpoint = `${subscriberUrl}/socket.io/?uniqueUserId=${crypto.randomUUID()}`;
  const http = new EngineHttp(endpoint, { ca });
  const { sid } = await http.handshake();
  await http.post(sid, "40");
  expect(await node.process.stop()).toBe(0);
  expect(errors(node)).toEqual([]);
  expect(node.logLines.filter(({ msg }) => msg === "a worker has left")).toHaveLength(2);
});

test("a restart is one at a time", async () => {
  const node = await start();
  const outcomes = await Promise.all([node.starling("restart"), node.starling("restart")]);
  const [done, refused] = outcomes.toSorted((one, other) => one.code - other.code);
  expect([done?.code, refused?.code]).toEqual([0, 75]);
  expect(refused?.err).toBe("starling: a restart is already under way\n");
});

test("a worker reads .env as the supervisor does, and expands nothing", async () => {
  const node = await start();
  const { folder, publisherUrl, ca } = node.process;
  writeFileSync(join(folder, ".env"), 'API_KEYS="0123456789abcdef$PATH"\n');
  expect((await node.starling("restart")).code).toBe(0);
  const headers = { authorization: "Bearer 0123456789abcdef$PATH" };
  expect((await httpsCall(`${publisherUrl}/api/stats`, ca, { headers })).status).toBe(200);
});

test("a certificate that cannot be made is told once, and no worker is started", async () => {
  const folder = mkdtempSync(join(tmpdir(), "starling-cluster-"));
  const state = join(folder, "state");
  mkdirSync(join(state, "dev-key.pem"), { recursive: true });
  const settings = { STATE_DIR: state, PRODUCER_PORT: "0", CONSUMER_PORT: "0" };
  const { code, err } = await starling(["start"], folder, { ...settings, CLUSTER_MODE: "1" });
  expect(code).not.toBe(0);
  expect(err).not.toContain("worker 0");
  rmSync(folder, { recursive: true });
});
