import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { RateLimiter, type RateLimiterOptions } from "./rate-limiter.ts";

function limiter(options: Omit<RateLimiterOptions, "clock">) {
  const clock = new FakeClock();
  return { clock, limit: new RateLimiter({ ...options, clock }) };
}

test("with rate 1 a second take within the same second is refused, and told how long to wait", () => {
  const { clock, limit } = limiter({ ratePerSecond: 1 });
  expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBe(1000);
  clock.advance(400);
  expect(limit.take("a")).toBe(600);
  clock.advance(599);
  expect(limit.take("a")).toBe(1);
  clock.advance(1);
  expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBe(1000);
});

test("keys do not share an allowance", () => {
  const { limit } = limiter({ ratePerSecond: 1 });
  expect(limit.take("a")).toBe(0);
  expect(limit.take("b")).toBe(0);
  expect(limit.take("a")).toBeGreaterThan(0);
});

test("refused takes cost nothing: who keeps trying gets in at the same moment", () => {
  const { clock, limit } = limiter({ ratePerSecond: 1 });
  limit.take("a");
  for (let index = 0; index < 99; index++) {
    clock.advance(10);
    expect(limit.take("a")).toBeGreaterThan(0);
  }
  clock.advance(10);
  expect(limit.take("a")).toBe(0);
  expect(limit.refused).toBe(99);
});

for (const ratePerSecond of [1, 3, 7, 50, 999]) {
  test(`rate ${ratePerSecond} allows a burst of ${ratePerSecond}, no more`, () => {
    const { limit } = limiter({ ratePerSecond });
    for (let index = 0; index < ratePerSecond; index++) expect(limit.take("a")).toBe(0);
    expect(limit.take("a")).toBeGreaterThan(0);
  });
}

test("a rate below one allows one take in its interval", () => {
  const { clock, limit } = limiter({ ratePerSecond: 0.1 });
  expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBe(10_000);
  clock.advance(10_000);
  expect(limit.take("a")).toBe(0);
});

test("a burst larger than the rate refills at the rate", () => {
  const { clock, limit } = limiter({ ratePerSecond: 2, burst: 5 });
  for (let index = 0; index < 5; index++) expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBe(500);
  clock.advance(500);
  expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBe(500);
});

test("rate 0 turns the limiter off", () => {
  const { limit } = limiter({ ratePerSecond: 0 });
  for (let index = 0; index < 1000; index++) expect(limit.take("a")).toBe(0);
  expect(limit.trackedKeys).toBe(0);
});

test("in any stretch of time a key gets at most burst + rate x time", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 200 }),
      (ratePerSecond, burst, steps) => {
        const { clock, limit } = limiter({ ratePerSecond, burst });
        const start = clock.now();
        let allowed = 0;
        for (const step of steps) {
          clock.advance(step);
          if (limit.take("a") === 0) allowed++;
          const elapsedMs = clock.now() - start;
          expect(allowed).toBeLessThanOrEqual(burst + (ratePerSecond * (elapsedMs + 1)) / 1000);
        }
      },
    ),
  );
});

test("the wait that is told is enough, and is not too long", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 100 }),
      (ratePerSecond, steps) => {
        const { clock, limit } = limiter({ ratePerSecond });
        for (const step of steps) {
          clock.advance(step);
          const wait = limit.take("a");
          if (wait === 0) continue;
          expect(wait).toBeLessThanOrEqual(Math.ceil(1000 / ratePerSecond));
          clock.advance(wait);
          expect(limit.take("a")).toBe(0);
        }
      },
    ),
  );
});

test("keys that have rested are forgotten without a timer", () => {
  const { clock, limit } = limiter({ ratePerSecond: 1 });
  for (let index = 0; index < 1000; index++) limit.take(`key ${index}`);
  expect(limit.trackedKeys).toBe(1000);
  expect(clock.pendingTimers).toBe(0);
  clock.advance(1000);
  limit.take("a");
  clock.advance(1000);
  limit.take("b");
  expect(limit.trackedKeys).toBeLessThanOrEqual(2);
});

test("a key that comes again and again is remembered once", () => {
  const { clock, limit } = limiter({ ratePerSecond: 2 });
  for (let index = 0; index < 20; index++) {
    expect(limit.take("a")).toBe(0);
    expect(limit.trackedKeys).toBe(1);
    clock.advance(600);
  }
});

test("a key is not forgotten before it has rested", () => {
  const { clock, limit } = limiter({ ratePerSecond: 2, burst: 4 });
  clock.advance(1999);
  for (let index = 0; index < 4; index++) expect(limit.take("a")).toBe(0);
  for (let elapsed = 0; elapsed < 490; elapsed += 10) {
    limit.take(`other ${elapsed}`);
    expect(limit.take("a")).toBeGreaterThan(0);
    clock.advance(10);
  }
});

test("a flood of keys neither locks others out nor resets a limit, and is counted", () => {
  const { limit } = limiter({ ratePerSecond: 1, maxKeys: 100 });
  expect(limit.take("victim")).toBe(0);
  for (let index = 0; index < 10_000; index++) expect(limit.take(`flood ${index}`)).toBe(0);
  expect(limit.trackedKeys).toBe(100);
  expect(limit.untracked).toBe(9901);
  expect(limit.take("victim")).toBeGreaterThan(0);
  expect(limit.take("newcomer")).toBe(0);
});

test("after a flood has rested, keys are remembered again", () => {
  const { clock, limit } = limiter({ ratePerSecond: 1, maxKeys: 100 });
  for (let index = 0; index < 200; index++) limit.take(`flood ${index}`);
  clock.advance(2000);
  expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBeGreaterThan(0);
});

test("a clock that is set back locks nobody out", () => {
  const { clock, limit } = limiter({ ratePerSecond: 1 });
  limit.take("a");
  clock.jumpTo(clock.now() - 3_600_000);
  expect(limit.take("a")).toBe(0);
  expect(limit.take("a")).toBe(1000);
  clock.advance(1000);
  expect(limit.take("a")).toBe(0);
});

test("an option outside its range is refused by name", () => {
  expect(() => limiter({ ratePerSecond: -1 })).toThrow("ratePerSecond is -1");
  expect(() => limiter({ ratePerSecond: Number.NaN })).toThrow("ratePerSecond is NaN");
  expect(() => limiter({ ratePerSecond: 1, burst: 0 })).toThrow("burst is 0");
  expect(() => limiter({ ratePerSecond: 1, maxKeys: 0 })).toThrow("maxKeys is 0");
});
