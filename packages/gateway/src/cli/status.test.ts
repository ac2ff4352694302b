import { expect, test } from "bun:test";
import type { NodeStatus, WorkerStatus } from "../node/status.ts";
import { statusText } from "./status.ts";

const MIB = 1_048_576;
const worker: WorkerStatus = {
  kind: "gateway",
  slot: 0,
  worker: 7,
  pid: 4321,
  state: "ready",
  connections: 12,
  memoryBytes: 75 * MIB,
  cpu: 0.1,
  uptimeMs: 90_061_000,
  restarts: 0,
};
const node: NodeStatus = {
  version: "1.2.3",
  pid: 4300,
  uptimeMs: 90_062_000,
  cluster: true,
  restarting: false,
  memoryBytes: 40.4 * MIB,
  publisherUrl: "https://127.0.0.1:2053",
  subscriberUrl: "https://127.0.0.1:8443",
  history: { bytes: 0, channels: 0, publications: 0, evictions: 0 },
  workers: [worker],
};

test("the node has a line, and each process one of a table", () => {
  const gone = { worker: null, pid: null, connections: 0, memoryBytes: 0, cpu: 0, uptimeMs: 0 };
  const workers: WorkerStatus[] = [
    worker,
    { ...worker, pid: 99, state: "draining", connections: 1_000, uptimeMs: 59_999, restarts: 1 },
    { ...worker, ...gone, slot: 1, state: "given up", restarts: 4 },
  ];
  expect(statusText({ ...node, workers, restarting: true })).toBe(
    `Starling 1.2.3, pid 4300, up 1d 1h, 1 of 2 workers ready, 1012 connections, supervisor 40 MiB, restarting

SLOT  PID   STATE     CONNECTIONS  MEMORY  UPTIME  RESTARTS
0     4321  ready     12           75 MiB  1d 1h   0
0     99    draining  1000         75 MiB  59s     1
1     -     given up  0            -       -       4
`,
  );
});

test("what channels keep is told of where any do", () => {
  const history = { bytes: 3 * MIB, channels: 12, publications: 900, evictions: 0 };
  expect(statusText({ ...node, history })).toContain(
    "supervisor 40 MiB, history of 12 channels 3 MiB\n",
  );
});

test("one process is told of as such", () => {
  const text = statusText({ ...node, cluster: false, uptimeMs: 999 });
  expect(text).toStartWith("Starling 1.2.3, pid 4300, up 0s, one process, 12 connections\n");
});

test("why there is no worker stands below the table", () => {
  const gone = { worker: null, pid: null, connections: 0, memoryBytes: 0, cpu: 0, uptimeMs: 0 };
  const quic: WorkerStatus = {
    ...worker,
    ...gone,
    kind: "quic",
    slot: "quic",
    state: "given up",
    reason: "there is no Deno",
  };
  const text = statusText({ ...node, workers: [worker, quic] });
  expect(text).toContain("1 of 1 workers ready");
  expect(text).toEndWith("\n\nquic is given up: there is no Deno\n");
});

test("where there is NATS, the links of the workers have a column, and the node's own is told of", () => {
  const up = { downMs: null, lagMs: 3 };
  const workers: WorkerStatus[] = [
    { ...worker, nats: up },
    { ...worker, slot: 1, nats: { downMs: 3_000, lagMs: null } },
    { ...worker, kind: "quic", slot: "quic", nats: { downMs: null, lagMs: 2_500 } },
    { ...worker, slot: 2, state: "starting" },
  ];
  const [first, , header, ...rows] = statusText({ ...node, workers, nats: up }).split("\n");
  expect(first).toEndWith(", link to NATS for members up");
  expect(header).toEndWith("RESTARTS  NATS");
  expect(rows.map((row) => row.slice(header?.indexOf("NATS")))).toEqual([
    "up",
    "down for 3s",
    "up, 2500 ms behind",
    "-",
    "",
  ]);
});
