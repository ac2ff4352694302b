import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "@starling/core/ports.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { developmentCertificate } from "../certificates/development.ts";
import { systemClock } from "../runtime/system.ts";
import { leavePort } from "./leave-port.ts";
import { ownGroups } from "./reuseport-groups.ts";
import type { LeavingServerOptions } from "./testing/leaving-server.ts";
import { ask, shortConnections } from "./testing/short-connections.ts";

setDefaultTimeout(60_000);

const ROUNDS = 5;
const CONNECTIONS = 200;
const FIXTURE = join(import.meta.dir, "testing/leaving-server.ts");

let folder: string;
let tls: { cert: string; key: string };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "starling-leave-port-"));
  tls = await developmentCertificate(folder, systemClock);
});
afterAll(() => rmSync(folder, { recursive: true }));

let children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  children = [];
});

/** A process that listens, with what it does later. */
async function start(options: LeavingServerOptions) {
  const listening = Promise.withResolvers<number>();
  const left = Promise.withResolvers<void>();
  const cleared = Promise.withResolvers<void>();
  const logged: string[] = [];
  const child = Bun.spawn([process.execPath, FIXTURE, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc(message: "left" | "cleared" | { port: number } | { logged: string }) {
      if (message === "left") left.resolve();
      else if (message === "cleared") cleared.resolve();
      else if ("port" in message) listening.resolve(message.port);
      else logged.push(message.logged);
    },
  });
  children.push(child);
  return {
    child,
    pid: String(child.pid),
    port: await listening.promise,
    logged,
    leave() {
      child.send("leave");
      return left.promise;
    },
    clear() {
      child.send("clear");
      return cleared.promise;
    },
  };
}

/** A listener of this process, with what is logged while it leaves. */
function listenHere(port: number) {
  const logged: string[] = [];
  const write = (_fields: object, message: string) => void logged.push(message);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const fetch = () => new Response();
  const server = Bun.serve({ hostname: "127.0.0.1", port, reusePort: true, fetch });
  return {
    port: server.port ?? 0,
    log,
    logged,
    closed: false,
    close() {
      this.closed = true;
      void server.stop(true);
    },
  };
}

const CASES = [
  { hostname: "127.0.0.1", host: "127.0.0.1", secure: false },
  { hostname: "::", host: "127.0.0.1", secure: true },
];
for (const { hostname, host, secure } of CASES) {
  const name = `${secure ? "TLS" : "plain"} connections to ${hostname}`;
  test(`no ${name} are lost while one process after the other leaves the port`, async () => {
    const common = { hostname, settleMs: 200, ...(secure ? { tls } : {}) };
    let oldest = await start({ ...common, port: 0 });
    const { port } = oldest;
    const clients = shortConnections({ host, port, ca: secure ? tls.cert : undefined });
    for (let round = 0; round < ROUNDS || clients.made < CONNECTIONS; round++) {
      const newer = await start({ ...common, port });
      await oldest.leave();
      expect(oldest.logged).toEqual([]);
      oldest = newer;
    }
    expect(await clients.stop()).toEqual([]);
  });
}

/** Who answers, by process id, in as many connections as make it certain that all are asked. */
async function whoAnswers(port: number): Promise<string[]> {
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => ask({ host: "127.0.0.1", port, ca: undefined })),
  );
  return [...new Set(answers)].sort();
}

/** Until these answer and no others: who leaves looks from time to time who else is there. */
async function untilAnswer(port: number, processes: readonly string[]): Promise<void> {
  const expected = processes.toSorted();
  while (!Bun.deepEquals(await whoAnswers(port), expected));
}

test("once a process has left, the kernel chooses among all others again", async () => {
  const options = { hostname: "127.0.0.1", settleMs: 100, clears: false };
  const first = await start({ ...options, port: 0 });
  const second = await start({ ...options, port: first.port });
  await second.leave();
  // A newcomer has an index that nothing was steered to.
  const third = await start({ ...options, port: first.port });
  expect(await whoAnswers(first.port)).toEqual([first.pid, third.pid].sort());
});

test("a process that is killed while it leaves does not keep newcomers from their share", async () => {
  const options = { hostname: "127.0.0.1", port: 0, settleMs: 60_000 };
  const first = await start(options);
  const second = await start({ ...options, port: first.port });
  void second.leave();
  while ((await whoAnswers(first.port)).length > 1);
  second.child.kill("SIGKILL");
  await second.child.exited;
  const third = await start({ ...options, port: first.port });
  expect(await whoAnswers(first.port)).toEqual([first.pid, third.pid].sort());
});

test("a process that leaves gets nothing more, whoever dies or starts meanwhile", async () => {
  const options = { hostname: "127.0.0.1", port: 0, settleMs: 60_000 };
  const first = await start(options);
  const { port } = first;
  const [second, third] = [await start({ ...options, port }), await start({ ...options, port })];
  void third.leave();
  while ((await whoAnswers(port)).includes(third.pid));
  // The last listener of the group, which is the one that leaves, moves to the index of this one.
  first.child.kill("SIGKILL");
  await first.child.exited;
  // While it looks for its new index, for microseconds, it may still be given one, which it serves.
  await untilAnswer(port, [second.pid]);
  expect(await whoAnswers(port)).toEqual([second.pid]);
  const fourth = await start({ ...options, port });
  await untilAnswer(port, [second.pid, fourth.pid]);
  await fourth.clear();
  await untilAnswer(port, [second.pid, fourth.pid]);
});

test("the sockets are closed once the handshakes under way have had their time", async () => {
  const other = await start({ hostname: "127.0.0.1", port: 0, settleMs: 0 });
  const server = listenHere(other.port);
  const clock = new FakeClock();
  const left = leavePort([server], { clock, log: server.log });
  for (let waited = 0; waited < 750; waited += 50) {
    expect([waited, server.closed]).toEqual([waited, false]);
    clock.advance(50);
    await Bun.sleep(0);
  }
  await left;
  expect(server.closed).toBe(true);
  expect(ownGroups(new Set([server.port]))).toEqual([]);
  expect(server.logged).toEqual([]);
});

test("a port that nobody else listens on is left at once", async () => {
  const server = listenHere(0);
  const clock = new FakeClock();
  await leavePort([server], { clock, log: server.log });
  expect(server.closed).toBe(true);
  expect(clock.pendingTimers).toBe(0);
  expect(server.logged).toEqual([]);
});
