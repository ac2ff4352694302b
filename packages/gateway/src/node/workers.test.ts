import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { FakeProcesses, listeningOn } from "./testing/fake-processes.ts";
import type { WorkerEnd } from "./worker-process.ts";
import { Workers } from "./workers.ts";

const timing = { startMs: 30_000, leaseMs: 10_000, drainMs: 30_000, endMs: 5_000 };
/** Chance that always decides for the most: the longest waits, and ids from here on. */
const most = { bytes: (length: number) => new Uint8Array(length).fill(255) };
const FIRST_ID = 65_536;

let clock: FakeClock;
let log: RecordingLog;
let processes: FakeProcesses;
let gone: number[];
let lost: (WorkerEnd | undefined)[];
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLog();
  processes = new FakeProcesses();
  gone = [];
  lost = [];
});

function workersOf(count: number): Workers {
  return new Workers({
    count,
    socket: "/state/broker.sock",
    spawn: processes.spawn,
    timing,
    clock,
    random: most,
    log,
    gone: (worker) => gone.push(worker),
    lost: (end) => lost.push(end),
  });
}

/** Workers that all serve. */
async function serving(count: number): Promise<Workers> {
  const workers = workersOf(count);
  const started = workers.start();
  processes.of(0).ready();
  await settled();
  for (let slot = 1; slot < count; slot++) processes.of(slot).ready();
  await started;
  return workers;
}

/** Lets what waits for promises run. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

/** Lets time pass while all that serve tell of themselves every second. */
function live(ms: number, silent: readonly number[] = []): void {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000);
    for (const each of processes.alive) {
      if (!silent.includes(each.pid)) each.report({ connections: 1, memoryBytes: 2, cpu: 0 });
    }
  }
}

const states = (workers: Workers) => workers.status().map(({ slot, state }) => [slot, state]);

describe("a start", () => {
  test("waits for the first worker, and lets the others share what it listens on", async () => {
    const workers = workersOf(3);
    const started = workers.start();
    expect(processes.all.map(({ seat }) => seat.slot)).toEqual([0]);
    expect(processes.of(0).seat.listening).toBeUndefined();
    const listening = listeningOn(4001, 4002);
    processes.of(0).ready(listening);
    await settled();
    expect(processes.all.map(({ seat }) => seat.slot)).toEqual([0, 1, 2]);
    expect(processes.of(2).seat).toEqual({
      slot: 2,
      worker: FIRST_ID + 2,
      socket: "/state/broker.sock",
      listening,
    });
    processes.of(1).ready();
    processes.of(2).ready();
    expect(await started).toEqual(listening);
    expect(states(workers)).toEqual([
      [0, "ready"],
      [1, "ready"],
      [2, "ready"],
    ]);
  });

  test("fails with how the first worker ended, which is not started again", async () => {
    const started = outcome(workersOf(2).start());
    processes.of(0).end(78, null, "starling: the configuration has 1 fault");
    expect(await started).toBe("worker 0 ended before it served (exit code 78)");
    live(60_000);
    expect(processes.all).toHaveLength(1);
  });

  test("fails when a later worker ends before it serves", async () => {
    const started = outcome(workersOf(2).start());
    processes.of(0).ready();
    await settled();
    processes.of(1).end(null, "SIGSEGV");
    expect(await started).toBe("worker 1 ended before it served (signal SIGSEGV)");
  });

  test("does not wait for ever", async () => {
    const started = outcome(workersOf(1).start());
    clock.advance(timing.startMs - 1);
    expect(processes.of(0).wasKilled).toBe(false);
    clock.advance(1);
    expect(await started).toBe("worker 0 ended before it served (signal SIGKILL)");
    expect(log.lines[0]).toMatchObject({
      level: "error",
      fields: { why: "did not start in time" },
    });
  });
});

describe("a worker that ends", () => {
  test("is told of, forgotten at once, and started again under another id", async () => {
    const workers = await serving(2);
    live(60_000);
    processes.of(1).report({ connections: 17, memoryBytes: 1, cpu: 0 });
    processes.of(1).end(null, "SIGKILL");
    expect(gone).toEqual([FIRST_ID + 1]);
    expect(log.lines).toEqual([
      {
        level: "error",
        message: "a worker has ended",
        fields: {
          worker: 1,
          pid: 1001,
          exitCode: null,
          signal: "SIGKILL",
          uptimeMs: 60_000,
          connections: 17,
        },
      },
      {
        level: "info",
        message: "a worker is started again",
        fields: { worker: 1, delayMs: 200 },
      },
    ]);
    expect(states(workers)).toEqual([
      [0, "ready"],
      [1, "waiting"],
    ]);
    clock.advance(199);
    expect(processes.all).toHaveLength(2);
    clock.advance(1);
    expect(processes.of(1).seat).toMatchObject({
      worker: FIRST_ID + 2,
      listening: { publisherPort: 2053 },
    });
    processes.of(1).ready();
    expect(workers.status()[1]).toMatchObject({ state: "ready", restarts: 1 });
  });

  test("five times in a row soon after its start is given up, and the others are not ready", async () => {
    const workers = await serving(2);
    live(60_000);
    processes.of(1).end(70);
    for (const delay of [200, 400, 800, 1_600, 3_200]) {
      clock.advance(delay);
      processes.of(1).ready();
      processes.of(1).end(70, null, "TypeError: broken");
    }
    live(60_000);
    expect(processes.all).toHaveLength(7);
    expect(states(workers)).toEqual([
      [0, "ready"],
      [1, "given up"],
    ]);
    expect(log.lines.at(-1)).toMatchObject({
      level: "error",
      fields: { worker: 1, crashes: 5, exitCode: 70, lastWords: "TypeError: broken" },
    });
    const reason = "worker 1 was given up after 5 short lives in a row";
    expect(processes.of(0).commands).toEqual([{ type: "degraded", reason }]);
    expect(lost).toEqual([]);
  });

  test("leaves nothing behind once every slot is given up", async () => {
    await serving(2);
    for (let life = 0; life < 5; life++) {
      for (const slot of [0, 1]) processes.of(slot).end(70);
      if (life < 4) expect(lost).toEqual([]);
      clock.advance(10_000);
    }
    expect(lost).toEqual([{ exitCode: 70, signal: null, lastWords: "" }]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("and comes back where another is given up is told why the node is not ready", async () => {
    await serving(2);
    for (let life = 0; life < 5; life++) {
      processes.of(1).end(70);
      clock.advance(5_000);
      processes.of(0).report({ connections: 0, memoryBytes: 0, cpu: 0 });
    }
    processes.of(0).end(null, "SIGKILL");
    clock.advance(200);
    processes.of(0).ready();
    expect(processes.of(0).commands).toEqual([{ type: "degraded", reason: expect.any(String) }]);
  });
});

test("a node that is not ready though its workers are says so to all, and to those that come", async () => {
  const workers = await serving(2);
  workers.impede("the link is down");
  workers.impede("the link is down");
  processes.of(1).end(null, "SIGKILL");
  clock.advance(200);
  processes.of(1).ready();
  workers.impede(undefined);
  const said = [{ type: "degraded", reason: "the link is down" } as const];
  const both = [...said, { type: "degraded", reason: undefined } as const];
  expect([processes.of(0).commands, processes.of(1).commands]).toEqual([both, both]);
});

describe("a worker that says nothing", () => {
  test("for the lease is killed and replaced", async () => {
    await serving(2);
    const hung = processes.of(1);
    live(12_500, [hung.pid]);
    expect([hung.wasKilled, processes.of(0).wasKilled]).toEqual([true, false]);
    expect(log.lines[0]).toMatchObject({ fields: { worker: 1, why: "hangs" } });
    expect(processes.of(1)).not.toBe(hung);
  });

  test("for less is let be", async () => {
    await serving(1);
    live(8_000, [processes.of(0).pid]);
    live(1_000);
    live(8_000, [processes.of(0).pid]);
    live(60_000);
    expect(processes.all).toHaveLength(1);
  });

  test.each([3_600_000, -3_600_000])(
    "only because the clock was set by %d ms is let be",
    async (ms) => {
      await serving(1);
      live(5_000);
      clock.set(clock.now() + ms);
      // Before it is looked at again.
      live(1_000);
      live(60_000);
      expect(processes.all).toHaveLength(1);
      live(12_500, [processes.of(0).pid]);
      expect(processes.all).toHaveLength(2);
    },
  );

  test("because the supervisor itself stood still is let be", async () => {
    await serving(1);
    live(5_000);
    clock.jumpTo(clock.now() + 3_600_000);
    live(60_000);
    expect(processes.all).toHaveLength(1);
  });
});

describe("a restart", () => {
  test("starts each new worker before the old one leaves, one after the other", async () => {
    const workers = await serving(2);
    const replaced: number[] = [];
    const restarted = outcome(workers.restart((slot) => replaced.push(slot)));
    const [first, second, third] = [processes.all[0], processes.all[1], processes.of(0)];
    expect(third.seat.worker).toBe(FIRST_ID + 2);
    expect(first?.commands).toEqual([]);
    third.ready();
    expect(first?.commands).toEqual([{ type: "leave" }]);
    expect(states(workers)).toEqual([
      [0, "ready"],
      [0, "draining"],
      [1, "ready"],
    ]);
    await settled();
    expect([processes.all.length, replaced]).toEqual([3, []]);
    first?.drained();
    expect(first?.commands).toEqual([{ type: "leave" }, { type: "end" }]);
    first?.end(0);
    await settled();
    expect([processes.all.length, replaced]).toEqual([4, [0]]);
    processes.of(1).ready();
    second?.end(0);
    expect(await restarted).toBe("done");
    expect(replaced).toEqual([0, 1]);
    expect(gone).toEqual([FIRST_ID, FIRST_ID + 1]);
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
      ["info", "a worker has left"],
      ["info", "a worker has left"],
    ]);
    expect(workers.isRestarting).toBe(false);
  });

  test("ends where a new worker does not come to serve, and the old one stays", async () => {
    const workers = await serving(2);
    const old = processes.of(0);
    const restarted = outcome(workers.restart(() => undefined));
    processes.of(0).end(78);
    expect(await restarted).toBe("the new worker of slot 0 ended before it served (exit code 78)");
    live(60_000);
    expect(processes.alive).toHaveLength(2);
    expect(old.commands).toEqual([]);
    expect(workers.isRestarting).toBe(false);
  });

  test("kills a new worker that does not serve in time", async () => {
    const workers = await serving(1);
    const restarted = outcome(workers.restart(() => undefined));
    live(timing.startMs);
    expect(await restarted).toContain("ended before it served (signal SIGKILL)");
    expect(processes.alive).toEqual([expect.objectContaining({ pid: 1000 })]);
  });

  test("kills an old worker that does not leave in time, and goes on", async () => {
    const workers = await serving(1);
    const old = processes.of(0);
    const restarted = outcome(workers.restart(() => undefined));
    processes.of(0).ready();
    live(timing.drainMs);
    expect(await restarted).toBe("done");
    expect(old.wasKilled).toBe(true);
  });

  test("is one at a time", async () => {
    const workers = await serving(1);
    const first = outcome(workers.restart(() => undefined));
    expect(await outcome(workers.restart(() => undefined))).toBe("a restart is already under way");
    expect(processes.all).toHaveLength(2);
    const old = processes.all[0];
    processes.of(0).ready();
    old?.end(0);
    expect(await first).toBe("done");
  });

  test("goes on when the old worker dies before the new one serves, and starts no third", async () => {
    const workers = await serving(1);
    const restarted = outcome(workers.restart(() => undefined));
    processes.all[0]?.end(null, "SIGKILL");
    live(20_000);
    expect(processes.all).toHaveLength(2);
    processes.of(0).ready();
    expect(await restarted).toBe("done");
    expect(states(workers)).toEqual([[0, "ready"]]);
  });

  test("of a slot that waits for its next try starts one worker, not two", async () => {
    const workers = await serving(1);
    processes.of(0).end(70);
    const restarted = outcome(workers.restart(() => undefined));
    clock.advance(1_000);
    expect(processes.alive).toHaveLength(1);
    processes.of(0).ready();
    expect(await restarted).toBe("done");
  });

  test("lets the short lives before it be forgotten", async () => {
    const workers = await serving(1);
    for (let life = 0; life < 4; life++) {
      processes.of(0).end(70);
      clock.advance(2_000);
    }
    const old = processes.of(0);
    const restarted = outcome(workers.restart(() => undefined));
    processes.of(0).ready();
    old.end(0);
    expect(await restarted).toBe("done");
    processes.of(0).end(70);
    expect(states(workers)).toEqual([[0, "waiting"]]);
  });

  test("that failed with nobody left tries again by itself", async () => {
    const workers = await serving(1);
    const restarted = outcome(workers.restart(() => undefined));
    processes.all[0]?.end(null, "SIGKILL");
    processes.of(0).end(70);
    expect(await restarted).toContain("exit code 70");
    clock.advance(200);
    expect(processes.all).toHaveLength(3);
  });

  test("revives a slot that was given up, and the node is ready again", async () => {
    const workers = await serving(2);
    for (let life = 0; life < 5; life++) {
      processes.of(1).end(70);
      clock.advance(4_000);
      processes.of(0).report({ connections: 0, memoryBytes: 0, cpu: 0 });
    }
    const restarted = outcome(workers.restart(() => undefined));
    const [old] = processes.alive;
    processes.of(0).ready();
    old?.end(0);
    await settled();
    expect(processes.of(0).commands).toEqual([
      { type: "degraded", reason: expect.any(String) },
      { type: "degraded", reason: undefined },
    ]);
    processes.of(1).ready();
    expect(await restarted).toBe("done");
    expect(states(workers)).toEqual([
      [0, "ready"],
      [1, "ready"],
    ]);
  });
});

describe("a stop", () => {
  test("lets all workers drain at the same time, and starts no other", async () => {
    const workers = await serving(2);
    processes.of(1).end(70);
    clock.advance(200);
    const stopped = workers.stop();
    expect(processes.alive.map(({ commands }) => commands)).toEqual([
      [{ type: "stop" }],
      [{ type: "stop" }],
    ]);
    const [first, second] = processes.alive;
    first?.drained();
    // Requests of the other's clients may come to it.
    expect(first?.commands).toEqual([{ type: "stop" }]);
    second?.drained();
    for (const each of processes.alive) {
      expect(each.commands).toEqual([{ type: "stop" }, { type: "end" }]);
      each.end(0);
    }
    await stopped;
    expect(clock.pendingTimers).toBe(0);
    expect(processes.all).toHaveLength(3);
  });

  test("starts nobody for a slot that waits for its next try", async () => {
    const workers = await serving(2);
    processes.of(1).end(70);
    const stopped = workers.stop();
    clock.advance(10_000);
    expect(processes.all).toHaveLength(2);
    processes.of(0).drained();
    processes.of(0).end(0);
    await stopped;
  });

  test("of a worker that comes to serve only then lets it drain in the same time", async () => {
    const workers = await serving(1);
    processes.of(0).end(70);
    clock.advance(200);
    const stopped = workers.stop();
    const late = processes.of(0);
    live(1_000);
    late.ready();
    expect(states(workers)).toEqual([[0, "draining"]]);
    live(timing.drainMs - 1_000);
    await stopped;
    expect(late.wasKilled).toBe(true);
  });

  test("kills whoever has not drained in time, and nobody else", async () => {
    const workers = await serving(2);
    const stopped = workers.stop();
    const [first, second] = [processes.of(0), processes.of(1)];
    first.drained();
    live(timing.drainMs);
    expect([first.wasKilled, second.wasKilled]).toEqual([false, true]);
    expect(first.commands.at(-1)).toEqual({ type: "end" });
    first.end(0);
    await stopped;
    expect(log.lines.map(({ fields }) => fields)).toContainEqual(
      expect.objectContaining({ worker: 1, why: "did not drain in time" }),
    );
  });

  test("gives a worker that leaves already no more time", async () => {
    const workers = await serving(1);
    const old = processes.of(0);
    const restarted = outcome(workers.restart(() => undefined));
    processes.of(0).ready();
    live(20_000);
    const stopped = workers.stop();
    processes.of(0).drained();
    live(timing.drainMs - 20_000);
    expect(old.wasKilled).toBe(true);
    processes.of(0).end(0);
    await stopped;
    expect(await restarted).toBe("done");
  });

  test("kills whoever has drained and does not end", async () => {
    const workers = await serving(1);
    const stopped = workers.stop();
    processes.of(0).drained();
    live(timing.endMs);
    await stopped;
    expect(processes.of(0).wasKilled).toBe(true);
  });

  test("ends a restart", async () => {
    const workers = await serving(2);
    const restarted = outcome(workers.restart(() => undefined));
    const stopped = workers.stop();
    for (const each of processes.alive) each.end(0);
    await stopped;
    expect(await restarted).toContain("ended before it served");
    expect(processes.all).toHaveLength(3);
    expect(await outcome(workers.restart(() => undefined))).toBe("the node is stopping");
  });
});
