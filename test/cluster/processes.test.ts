/** What signals and commands to the processes of a cluster do when something is in their way. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { connect } from "node:tls";
import { starling } from "../support/command.ts";
import { eventually, within } from "../support/deadline.ts";
import { EngineHttp } from "../support/engine-http.ts";
import { isRunning, NodeUnderTest } from "../support/faults/node-under-test.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
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

/** Connects a client that fetches nothing. */
async function idlePollingSession({
  process: { subscriberUrl, ca },
}: NodeUnderTest): Promise<void> {
  const endpoint = `${subscriberUrl}/socket.io/?uniqueUserId=${crypto.randomUUID()}`;
  const http = new EngineHttp(endpoint, { ca });
  const { sid } = await http.handshake();
  await http.post(sid, "40");
}

/** Waits until every worker is so old, in milliseconds. */
function livedFor(node: NodeUnderTest, ms: number): Promise<true> {
  const attempt = async () => {
    const rows: { uptimeMs: number }[] = JSON.parse(
      (await node.starling("status", "--json")).out,
    ).workers;
    return rows.every(({ uptimeMs }) => uptimeMs >= ms) || undefined;
  };
  return eventually(`workers that have lived for ${ms} ms`, attempt);
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
  // The shortest lease that there is leaves time for their reports.
  await livedFor(node, 2_500);
  process.kill(node.process.pid, "SIGSTOP");
  await readyWith(node, "the link to the node is down");
  process.kill(node.process.pid, "SIGCONT");
  await readyWith(node, "ready");
  expect(node.workers()).toEqual(workers);
  expect(errors(node)).toEqual([]);
});

test("a supervisor waits for ports that a worker of a dead one still has", async () => {
  // They have clients for longer than it waits, but no ports.
  const node = await start({ DRAIN_SECONDS: "60" });
  const { publisherUrl, subscriberUrl, pid } = node.process;
  const workers = node.workers();
  await idlePollingSession(node);
  const slow = someWorker(node);
  process.kill(slow, "SIGSTOP");
  process.kill(pid, "SIGKILL");
  const next = startGatewayProcess({
    STATE_DIR: dirname(node.brokerSocket),
    PRODUCER_PORT: new URL(publisherUrl).port,
    CONSUMER_PORT: new URL(subscriberUrl).port,
    CLUSTER_MODE: "1",
  });
  try {
    // Longer than a start takes, shorter than it waits.
    await Bun.sleep(1_000);
  } finally {
    process.kill(slow, "SIGCONT");
  }
  try {
    expect(await (await next).stop()).toBe(0);
    expect(workers.some(isRunning)).toBe(true);
  } finally {
    for (const each of workers) if (isRunning(each)) process.kill(each, "SIGKILL");
  }
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
  await idlePollingSession(node);
  expect(await node.process.stop()).toBe(0);
  expect(errors(node)).toEqual([]);
  expect(node.logLines.filter(({ msg }) => msg === "a worker has left")).toHaveLength(2);
});

test("a publish that is under way when the node stops is answered", async () => {
  const node = await start();
  const { publisherUrl, ca } = node.process;
  const { hostname, port } = new URL(publisherUrl);
  const body = '{"channel":"demo:hello","data":1}';
  const socket = connect({ host: hostname, port: Number(port), ca, servername: "localhost" });
  const answer = Promise.withResolvers<string>();
  socket.on("data", (chunk) => answer.resolve(String(chunk)));
  socket.on("close", () => answer.reject(new Error("the connection was closed")));
  await within(once(socket, "secureConnect"), "a connection");
  const head = `POST /api/publish HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body.slice(0, 5)}`);
  // What was written has arrived before the signal.
  await ready(node);
  node.process.requestStop();
  await eventually("a drained node", async () => {
    await Bun.sleep(20);
    return node.logLines.filter(({ msg }) => msg === "drained").length === 2 || undefined;
  });
  await Bun.sleep(200);
  socket.write(body.slice(5));
  expect(await within(answer.promise, "an answer")).toStartWith("HTTP/1.1 200");
  socket.destroy();
  expect(await node.process.stop()).toBe(0);
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
