import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { PORT_TAKEN_EXIT_CODE } from "@starling/quic-worker/supervisor-channel.ts";
import { FakeProcesses, listeningOn } from "../node/testing/fake-processes.ts";
import type { SpawnWorker } from "../node/worker-process.ts";
import { QuicSlot } from "./quic-slot.ts";

const timing = { startMs: 30_000, leaseMs: 10_000, drainMs: 30_000, endMs: 5_000 };
const listening = listeningOn(2053, 8443);
const random = { bytes: (length: number) => new Uint8Array(length).fill(255) };

let clock: FakeClock;
let log: RecordingLog;
let processes: FakeProcesses;
let gone: number[];
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLog();
  processes = new FakeProcesses();
  gone = [];
});

function slotOf(spawn: SpawnWorker = processes.spawn): QuicSlot {
  let id = 7;
  return new QuicSlot({
    socket: "/state/broker.sock",
    spawn,
    timing,
    clock,
    random,
    log,
    nextId: () => id++,
    gone: (worker) => gone.push(worker),
  });
}

async function serving(): Promise<QuicSlot> {
  const slot = slotOf();
  const started = slot.start(listening);
  processes.all[0]?.ready();
  await started;
  return slot;
}

const warnings = () => log.lines.filter(({ level }) => level === "warn" || level === "error");
const state = (slot: QuicSlot) => slot.status()[0]?.state;

describe("the quic worker", () => {
  test("gets the port of the subscribers, and is told of as one of its kind", async () => {
    const slot = await serving();
    expect(processes.all[0]?.seat.listening).toEqual(listening);
    processes.all[0]?.report({ connections: 3, memoryBytes: 1_000, cpu: 0 });
    const { pid, state, kind, connections, worker } = slot.status()[0] ?? {};
    expect([pid, state, kind, connections, worker]).toEqual([1000, "ready", "quic", 3, 7]);
    expect([slot.has(7), slot.has(8)]).toEqual([true, false]);
    expect(warnings()).toEqual([]);
  });

  test("that crashes is started again, later from one short life to the next, then given up", async () => {
    const slot = await serving();
    for (const delayMs of [200, 400, 800, 1_600]) {
      processes.all.at(-1)?.end(null, "SIGKILL");
      const count = processes.all.length;
      clock.advance(delayMs - 1);
      expect(processes.all.length).toBe(count);
      clock.advance(1);
      expect(processes.all.length).toBe(count + 1);
    }
    expect(gone).toEqual([7, 8, 9, 10]);
    processes.all.at(-1)?.end(1, null, "no memory");
    clock.advance(100_000);
    expect([processes.all.length, state(slot)]).toEqual([5, "given up"]);
    expect(warnings().at(-1)).toMatchObject({ level: "warn", fields: { worker: "quic" } });
  });

  test("that cannot start at all is told of in one line, and not tried again", async () => {
    const slot = slotOf();
    const started = slot.start(listening);
    const lastWords = "libc.so.6: version `GLIBC_2.38' not found\n  somewhere";
    processes.all[0]?.end(1, null, lastWords);
    await started;
    clock.advance(100_000);
    expect([processes.all.length, state(slot), slot.isServing]).toEqual([1, "given up", false]);
    expect(warnings()).toMatchObject([{ level: "warn", fields: { lastWords } }]);
    expect(slot.status()[0]?.reason).toBe(
      "the quic worker did not start (exit code 1): libc.so.6: version `GLIBC_2.38' not found",
    );
  });

  test("whose port is taken says so once, and tries again, ever later, until it has it", async () => {
    const slot = slotOf();
    const started = slot.start(listening);
    processes.all[0]?.end(PORT_TAKEN_EXIT_CODE, null, "UDP port 8443 cannot be had");
    await started;
    for (const delayS of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
      const count = processes.all.length;
      clock.advance(1_000 * delayS - 1);
      expect([processes.all.length, state(slot)]).toEqual([count, "waiting"]);
      clock.advance(1);
      expect(processes.all.length).toBe(count + 1);
      processes.all.at(-1)?.end(PORT_TAKEN_EXIT_CODE, null, "UDP port 8443 cannot be had");
    }
    expect(slot.status()[0]?.reason).toBe("UDP port 8443 cannot be had");
    expect(warnings()).toMatchObject([
      { level: "warn", fields: { worker: "quic", reason: "UDP port 8443 cannot be had" } },
    ]);
    clock.advance(60_000);
    processes.all.at(-1)?.ready();
    expect([state(slot), slot.isServing]).toEqual(["ready", true]);
    expect(slot.status()[0]?.reason).toBeUndefined();
    processes.all.at(-1)?.end(PORT_TAKEN_EXIT_CODE);
    clock.advance(1_000);
    expect([processes.alive.length, warnings().length]).toEqual([1, 2]);
  });

  test("whose port is taken is not tried again once the node stops", async () => {
    const slot = slotOf();
    const started = slot.start(listening);
    processes.all[0]?.end(PORT_TAKEN_EXIT_CODE);
    await started;
    await slot.stop();
    clock.advance(100_000);
    await slot.start(listening);
    expect(processes.all.length).toBe(1);
  });

  test("without a program is told of in one line", async () => {
    const slot = slotOf(() => {
      throw new Error("deno is not installed");
    });
    await slot.start(listening);
    expect(state(slot)).toBe("given up");
    expect(warnings()).toMatchObject([{ fields: { reason: "deno is not installed" } }]);
  });

  test("is replaced when the old one has gone, since there is one port", async () => {
    const slot = await serving();
    const [old] = processes.all;
    const replaced = slot.replace(listening);
    expect(old?.commands).toEqual([{ type: "leave" }]);
    old?.drained();
    expect([old?.commands.at(-1), processes.all.length]).toEqual([{ type: "end" }, 1]);
    old?.end(0);
    await Promise.resolve();
    await Promise.resolve();
    expect(processes.alive.length).toBe(1);
    processes.all[1]?.ready();
    await replaced;
    expect([state(slot), slot.status()[0]?.restarts, gone]).toEqual(["ready", 1, [7]]);
    expect(warnings()).toEqual([]);
  });

  test("that was given up is tried again by a restart", async () => {
    const slot = slotOf();
    const started = slot.start(listening);
    processes.all[0]?.end(1);
    await started;
    const replaced = slot.replace(listening);
    processes.all[1]?.ready();
    await replaced;
    expect(state(slot)).toBe("ready");
  });

  test("drains and ends with the node, and is not started again", async () => {
    const slot = await serving();
    const stopped = slot.stop();
    expect(processes.all[0]?.commands).toEqual([{ type: "stop" }]);
    processes.all[0]?.drained();
    processes.all[0]?.end(0);
    await stopped;
    clock.advance(100_000);
    expect(processes.all.length).toBe(1);
  });

  test("that hangs is killed", async () => {
    await serving();
    // It is found a quarter of the lease late at most.
    clock.advance(1.25 * timing.leaseMs);
    expect(processes.all[0]?.wasKilled).toBe(true);
  });
});
