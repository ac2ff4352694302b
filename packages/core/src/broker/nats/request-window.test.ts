import { expect, test } from "bun:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { turn } from "../../testing/turn.ts";
import { RequestWindow } from "./request-window.ts";

/** A link that carries so many answers a second, one after the other. */
function setUp(perSecond: number) {
  const clock = new FakeClock();
  const window = new RequestWindow(clock);
  const times: number[] = [];
  let busyUntil = 0;
  const request = () => {
    const askedAt = clock.now();
    busyUntil = Math.max(busyUntil, askedAt) + 1_000 / perSecond;
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.setTimeout(resolve, busyUntil - askedAt);
    return promise.then(() => void times.push(clock.now() - askedAt));
  };
  const run = async (count: number) => {
    const from = clock.now();
    let left = count;
    const all = Array.from({ length: count }, () =>
      window.ask(request).finally(() => {
        left--;
      }),
    );
    while (left > 0) {
      clock.advance(5);
      await turn();
    }
    await Promise.all(all);
    return clock.now() - from;
  };
  return { window, times, run };
}

test("a slow link has fewer requests under way, and is not idle", async () => {
  const { window, times, run } = setUp(5);
  await run(300);
  times.splice(0);
  expect(await run(50)).toBeLessThan(11_000);
  expect(Math.max(...times)).toBeLessThanOrEqual(1_000);
  expect(window.size).toBeGreaterThanOrEqual(1);
});

test("a fast one gets as many as there are, again after it was slow", async () => {
  const { window, run } = setUp(10_000);
  await run(1_000);
  expect(window.size).toBe(256);
  const failed = window.ask(() => Promise.reject(new Error("no answer")));
  expect(failed).rejects.toThrow("no answer");
  await failed.catch(() => {});
  expect(window.size).toBe(256);
});

test("one reading may have more under way the farther away the answers are, while there is room", async () => {
  const clock = new FakeClock();
  const window = new RequestWindow(clock);
  const answerIn = async (ms: number, count: number) => {
    const all = Array.from({ length: count }, () =>
      window.ask(() => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms))),
    );
    const share = window.share;
    for (let left = 0; left < count; left++) {
      clock.advance(ms);
      await turn();
    }
    await Promise.all(all);
    return share;
  };
  expect(window.share).toBe(32);
  await answerIn(160, 1);
  expect(window.share).toBe(480);
  // Who asks for more than there is room for keeps others waiting.
  expect(await answerIn(160, 4)).toBe(32);
  await answerIn(500, 1);
  expect(window.share).toBe(480);
  await answerIn(2, 1);
  expect(window.share).toBe(32);
});

test("there is room for all that one reading may have under way", async () => {
  const clock = new FakeClock();
  const window = new RequestWindow(clock);
  const request = () => new Promise<void>((resolve) => void clock.setTimeout(resolve, 170));
  let isOver = false;
  const all = Promise.all(Array.from({ length: 3_000 }, () => window.ask(request)));
  const over = all.then(() => {
    isOver = true;
  });
  while (!isOver) {
    clock.advance(170);
    await turn();
  }
  await over;
  expect(window.size).toBe(510);
});
