import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import type { HttpResponse } from "../ports.ts";
import { bodyOf, heldAnswer, hookConfig, hooksUnderTest } from "../testing/hook-receiver.ts";

const response = (status: number, retryAfter?: string): HttpResponse => {
  return { status, body: "", retryAfter };
};

describe("a request", () => {
  test("is signed with each secret, so that its receiver can check it", async () => {
    const secrets = ["a new secret of it", "an old secret of it"];
    const { hooks, http, clock, pass } = hooksUnderTest({
      hooks: new Map([["default", [hookConfig({ secrets })]]]),
    });
    hooks.opened("default", "räume");
    await pass(100);
    const [request] = http.requests;
    const seconds = Math.floor(clock.now() / 1000);
    const macs = secrets.map((secret) =>
      createHmac("sha256", secret).update(`${seconds}.${request?.body}`).digest("hex"),
    );
    expect(request?.options.headers).toEqual({
      "content-type": "application/json",
      "starling-signature": `t=${seconds},v1=${macs[0]},v1=${macs[1]}`,
    });
    expect(request?.options).toMatchObject({ timeoutMs: 5_000, maxBodyBytes: "unread" });
  });

  test("has the events of a short while", async () => {
    const { hooks, pass, batches } = hooksUnderTest();
    hooks.opened("default", "a");
    await pass(50);
    hooks.opened("default", "b");
    await pass(49, 49);
    expect(batches()).toEqual([]);
    await pass(1);
    expect(batches()).toEqual([["occupied a", "occupied b"]]);
    hooks.opened("default", "c");
    await pass(100);
    expect(batches()).toEqual([["occupied a", "occupied b"], ["occupied c"]]);
  });

  test("is made as soon as it is full, but not before the turn is over", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest({ settings: { batchEvents: 3 } });
    for (const channel of ["a", "b", "c", "d"]) hooks.opened("default", channel);
    expect(http.requests).toEqual([]);
    await pass(1, 1);
    expect(batches()).toEqual([["occupied a", "occupied b", "occupied c"]]);
    await pass(100);
    expect(batches()).toHaveLength(2);
  });

  test("has 256 KiB of events at most", async () => {
    const { hooks, pass, batches } = hooksUnderTest({ settings: { batchEvents: 10_000 } });
    for (let n = 0; n < 999; n++) hooks.opened("default", `${n} ${"x".repeat(990)}`);
    await pass(100);
    await pass(100);
    const [first = []] = batches();
    expect(first.length).toBeGreaterThan(200);
    expect(first.length * 990).toBeLessThan(262_144);
  });

  test("is the only one at its time", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest();
    const held = heldAnswer();
    http.answer = () => held.promise;
    for (let n = 0; n < 20; n++) hooks.opened("default", String(n));
    await pass(2_000);
    for (let n = 20; n < 25; n++) hooks.opened("default", String(n));
    await pass(2_000);
    expect(batches().map(({ length }) => length)).toEqual([10]);
    http.respond(200, "");
    held.resolve(response(200));
    await pass(200);
    expect(batches().map(({ length }) => length)).toEqual([10, 10, 5]);
  });
});

describe("a request that fails", () => {
  test.each([
    ["no answer", () => Promise.reject(new Error("refused")), 1],
    ["an answer that does not come", () => new Promise<HttpResponse>(() => {}), 5_001],
    ["status 500", async () => response(500), 1],
    ["status 503", async () => response(503), 1],
    ["status 429", async () => response(429), 1],
  ] as const)("with %s is made again with the same events", async (_how, answer, takesMs) => {
    const { hooks, http, pass, batches } = hooksUnderTest();
    http.answer = answer;
    hooks.opened("default", "a");
    await pass(99 + takesMs, 99 + takesMs);
    expect(hooks.counts).toMatchObject([{ requests: 1, retries: 1, queued: 1 }]);
    http.respond(204, "");
    await pass(500);
    expect(batches()).toEqual([["occupied a"], ["occupied a"]]);
    expect(http.requests.map((request) => bodyOf(request).events[0]?.id)).toHaveLength(2);
    const ids = http.requests.map((request) => bodyOf(request).events[0]?.id);
    expect(ids[0]).toBe(ids[1] ?? "");
    expect(hooks.counts).toMatchObject([{ delivered: 1, queued: 0, queuedBytes: 0, dropped: 0 }]);
    await pass(120_000, 1_000);
    expect(http.requests).toHaveLength(2);
  });

  test("holds up what follows, so that the order stays", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest({ settings: { batchEvents: 2 } });
    http.respond(500, "");
    for (const channel of ["a", "b", "c"]) hooks.opened("default", channel);
    await pass(150);
    hooks.opened("default", "d");
    await pass(50);
    expect(batches()).toEqual([["occupied a", "occupied b"]]);
    http.respond(200, "");
    await pass(700);
    expect(batches().slice(1)).toEqual([
      ["occupied a", "occupied b"],
      ["occupied c", "occupied d"],
    ]);
  });

  test("is made again after longer and longer pauses", async () => {
    const { hooks, http, clock, pass } = hooksUnderTest();
    const times: number[] = [];
    http.answer = async () => {
      times.push(clock.now());
      return response(500);
    };
    hooks.opened("default", "a");
    await pass(600_000, 10);
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    for (const [index, pause] of pauses.entries()) {
      const longest = Math.min(60_000, 500 * 2 ** index);
      expect(pause).toBeGreaterThanOrEqual(longest / 2);
      expect(pause).toBeLessThanOrEqual(longest + 10);
    }
    expect(pauses.length).toBeGreaterThan(12);
  });

  test("is made again when its receiver said so", async () => {
    const { hooks, http, pass } = hooksUnderTest();
    http.answer = async () => response(429, "20");
    hooks.opened("default", "a");
    await pass(100);
    await pass(19_900);
    expect(http.requests).toHaveLength(1);
    await pass(150);
    expect(http.requests).toHaveLength(2);
  });

  test("is given up with the events that are too old, which the receiver is told", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest({ settings: { maxAgeMs: 10_000 } });
    http.respond(500, "");
    hooks.opened("default", "a");
    hooks.opened("default", "b");
    await pass(9_000);
    hooks.opened("default", "c");
    await pass(2_000);
    http.respond(200, "");
    await pass(10_000);
    expect(batches().at(-1)).toEqual(["occupied c"]);
    expect(http.requests.map((request) => bodyOf(request).dropped).at(-1)).toBe(2);
    expect(hooks.counts).toMatchObject([{ expired: 2, delivered: 1, queued: 0, dropped: 0 }]);
  });
});

test("a clock that is set forward loses no event of a receiver that answers", async () => {
  const { hooks, clock, pass, batches } = hooksUnderTest();
  hooks.opened("default", "a");
  clock.set(clock.now() + 86_400_000);
  await pass(100);
  expect(batches()).toEqual([["occupied a"]]);
  expect(hooks.counts).toMatchObject([{ delivered: 1, expired: 0 }]);
});

describe("a request that is refused", () => {
  test.each([400, 401, 404, 413, 302])("with %i is not made again", async (status) => {
    const { hooks, http, log, pass, batches } = hooksUnderTest();
    http.respond(status, "");
    hooks.opened("default", "a");
    await pass(200);
    http.respond(200, "");
    hooks.opened("default", "b");
    await pass(60_000, 1_000);
    expect(batches()).toEqual([["occupied a"], ["occupied b"]]);
    expect(hooks.counts).toMatchObject([{ refused: 1, retries: 0, delivered: 1 }]);
    expect(log.lines).toMatchObject([{ level: "warn", fields: { status, events: 1 } }]);
    // What it has not got it is told.
    expect(http.requests.map((request) => bodyOf(request).dropped)).toEqual([0, 1]);
  });

  test("is said in the log once a minute at most", async () => {
    const { hooks, http, log, pass } = hooksUnderTest();
    http.respond(404, "");
    for (let n = 0; n < 30; n++) {
      hooks.opened("default", String(n));
      await pass(1_000, 500);
    }
    expect(http.requests.length).toBe(30);
    expect(log.lines).toHaveLength(1);
    await pass(31_000, 1_000);
    hooks.opened("default", "more");
    await pass(200);
    expect(log.lines).toHaveLength(2);
  });
});

describe("a receiver that is dead", () => {
  test("gets one event at a time once it has failed five times, and the rest when it answers", async () => {
    const { hooks, http, log, pass, batches } = hooksUnderTest();
    http.answer = () => Promise.reject(new Error("ECONNREFUSED"));
    for (let n = 0; n < 25; n++) hooks.opened("default", String(n));
    await pass(40_000);
    const sizes = batches().map(({ length }) => length);
    expect(sizes.slice(0, 5)).toEqual([10, 10, 10, 10, 10]);
    expect(new Set(sizes.slice(5))).toEqual(new Set([1]));
    expect(hooks.counts).toMatchObject([{ isCircuitOpen: true, queued: 25 }]);
    expect(log.lines.filter(({ level }) => level === "error")).toMatchObject([
      { fields: { app: "default", hook: 0, reason: "ECONNREFUSED" } },
    ]);
    const failed = http.requests.length;
    http.respond(200, "");
    await pass(61_000);
    expect(
      batches()
        .slice(failed)
        .map(({ length }) => length),
    ).toEqual([1, 10, 10, 4]);
    expect(hooks.counts).toMatchObject([{ isCircuitOpen: false, queued: 0, delivered: 25 }]);
    expect(log.lines.at(-1)).toMatchObject({ level: "info", message: "a hook answers again" });
  });

  test("costs a bounded number of events: the oldest go, and it is told how many", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest({
      settings: { queueEvents: 20, batchEvents: 100 },
    });
    http.respond(503, "");
    for (let n = 0; n < 500; n++) {
      hooks.opened("default", String(n));
      if (n % 50 === 0) await pass(100);
    }
    expect(hooks.counts).toMatchObject([{ queued: 20, dropped: 480 }]);
    http.respond(200, "");
    await pass(120_000, 500);
    const delivered = batches().at(-1) ?? [];
    expect(delivered.at(-1)).toBe("occupied 499");
    expect(hooks.counts).toMatchObject([{ queued: 0, delivered: 20, dropped: 480 }]);
    const told = http.requests.map((request) => bodyOf(request).dropped);
    expect(told.at(-1)).toBe(480);
    hooks.opened("default", "more");
    await pass(200);
    expect(http.requests.map((request) => bodyOf(request).dropped).at(-1)).toBe(0);
  });

  test("costs a bounded number of bytes", async () => {
    const { hooks, http, pass } = hooksUnderTest({ settings: { queueBytes: 10_000 } });
    http.respond(503, "");
    for (let n = 0; n < 1_000; n++) hooks.opened("default", `${n} ${"x".repeat(200)}`);
    await pass(1_000);
    const [{ queued = 0, queuedBytes = 0, dropped = 0 } = {}] = hooks.counts;
    expect(queuedBytes).toBeGreaterThan(9_000);
    expect(queuedBytes).toBeLessThanOrEqual(10_000);
    expect(queued + dropped).toBe(1_000);
  });
});

test("whatever a receiver answers, it takes each event that is not lost, in order and once", async () => {
  const outcome = fc.constantFrom(200, 200, 200, 500, 429, 0);
  await fc.assert(
    fc.asyncProperty(fc.array(outcome, { maxLength: 30 }), async (outcomes) => {
      const { hooks, http, pass } = hooksUnderTest({ settings: { batchEvents: 3, batchMs: 10 } });
      const taken: string[] = [];
      let asked = 0;
      http.answer = async (request) => {
        const status = outcomes[asked++] ?? 200;
        if (status === 0) throw new Error("broken");
        if (status === 200) taken.push(...bodyOf(request).events.map(({ id }) => id));
        return response(status);
      };
      for (let n = 0; n < 20; n++) {
        hooks.opened("default", String(n));
        await pass(20, 20);
      }
      // In steps that are shorter than the time for an answer.
      await pass(2_000_000, 4_000);
      expect(taken.map((id) => Number(id.split(".")[1]))).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
      expect(hooks.counts).toMatchObject([{ delivered: 20, queued: 0, queuedBytes: 0 }]);
    }),
    { numRuns: 40 },
  );
});
