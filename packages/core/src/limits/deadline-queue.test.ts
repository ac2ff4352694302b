import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { DeadlineQueue } from "./deadline-queue.ts";

const DELAY = 100;

test("each item expires at its own moment unless it was removed, with one timer for all", () => {
  const step = fc.record({ gap: fc.nat({ max: 60 }), remove: fc.option(fc.nat({ max: 9 })) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const clock = new FakeClock();
      const expired = new Map<number, number>();
      const queue = new DeadlineQueue<{ n: number }>(clock, DELAY, ({ n }) =>
        expired.set(n, clock.now()),
      );
      const items: { n: number; due: number | undefined }[] = [];
      for (const { gap, remove } of steps) {
        clock.advance(gap);
        const item = { n: items.length, due: (clock.now() + DELAY) as number | undefined };
        queue.add(item);
        items.push(item);
        const leaving = remove === null ? undefined : items[remove];
        if (leaving !== undefined && !expired.has(leaving.n)) {
          queue.remove(leaving);
          leaving.due = undefined;
        }
        expect(clock.pendingTimers).toBeLessThanOrEqual(1);
      }
      clock.advance(2 * DELAY);
      for (const { n, due } of items) expect(expired.get(n)).toBe(due);
      expect(queue.size).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    }),
  );
});

test("an item that is added again keeps its deadline", () => {
  const clock = new FakeClock();
  const expired: object[] = [];
  const queue = new DeadlineQueue<object>(clock, DELAY, (item) => expired.push(item));
  const item = {};
  queue.add(item);
  clock.advance(DELAY - 1);
  queue.add(item);
  clock.advance(1);
  expect(expired).toEqual([item]);
});
