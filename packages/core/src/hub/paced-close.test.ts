import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { TestSubscriber } from "../testing/test-subscriber.ts";
import { closePaced } from "./paced-close.ts";

/** A round of closing; `closedAt` grows with each connection that is closed. */
function setUp(count: number, withinMs: number, seed = 1) {
  const clock = new FakeClock();
  const start = clock.now();
  const order: number[] = [];
  const closedAt: number[] = [];
  const subscribers = Array.from({ length: count }, (_, index) => {
    const subscriber = new TestSubscriber(`${index}`);
    subscriber.bagIndex = index;
    subscriber.close = (reason) => {
      expect(reason).toBe("shutting_down");
      order.push(index);
      closedAt.push(clock.now() - start);
    };
    return subscriber;
  });
  let isDone = false;
  const done = closePaced({
    subscribers,
    reason: "shutting_down",
    withinMs,
    clock,
    random: new SeededRandom(seed),
  }).then(() => {
    isDone = true;
  });
  return { clock, order, closedAt, subscribers, done, isDone: () => isDone };
}

describe("closing at a pace", () => {
  test("closes each connection once, in the time that it has", () => {
    const cases = fc.record({
      count: fc.integer({ min: 0, max: 2_000 }),
      withinMs: fc.integer({ min: 0, max: 20_000 }),
      seed: fc.integer({ min: 1, max: 1e9 }),
    });
    fc.assert(
      fc.property(cases, ({ count, withinMs, seed }) => {
        const { clock, order } = setUp(count, withinMs, seed);
        clock.advance(withinMs);
        expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        expect(clock.pendingTimers).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test("spreads many over all of it, in batches 50 to 100 ms apart", () => {
    const { clock, closedAt } = setUp(10_000, 10_000);
    clock.advance(10_000);
    const moments = [...new Set(closedAt)];
    const pauses = moments.slice(1, -1).map((moment, index) => moment - (moments[index] ?? 0));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(100);
    expect(new Set(pauses).size).toBeGreaterThan(20);
    for (const second of [1, 3, 5, 7, 9]) {
      const closed = closedAt.filter((moment) => moment <= second * 1_000).length;
      expect(Math.abs(closed - second * 1_000)).toBeLessThan(200);
    }
  });

  test("takes no longer for a few than they need", () => {
    const { clock, closedAt } = setUp(100, 60_000);
    clock.advance(600);
    expect(closedAt.length).toBe(100);
  });

  test("keeps no order", () => {
    const { clock, order } = setUp(1_000, 5_000);
    clock.advance(5_000);
    const rising = order.filter((index, place) => index > (order[place - 1] ?? -1)).length;
    expect(Math.abs(rising - 500)).toBeLessThan(100);
    const other = setUp(1_000, 5_000, 2);
    other.clock.advance(5_000);
    expect(other.order).not.toEqual(order);
  });

  test("passes over who is gone meanwhile, and settles when all are closed", async () => {
    const { clock, order, subscribers, done, isDone } = setUp(400, 10_000);
    clock.advance(500);
    await Promise.resolve();
    expect(isDone()).toBe(false);
    const closed = new Set(order);
    expect(closed.size).toBeGreaterThan(0);
    for (const subscriber of subscribers.slice(200)) subscriber.bagIndex = -1;
    clock.advance(10_000);
    await done;
    const late = order.filter((index) => !closed.has(index));
    expect(late.every((index) => index < 200)).toBe(true);
    expect(new Set(order).size).toBe(order.length);
  });

  test("of nobody is done at once", async () => {
    const { clock, done } = setUp(0, 10_000);
    await done;
    expect(clock.pendingTimers).toBe(0);
  });
});
