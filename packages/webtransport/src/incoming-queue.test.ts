import { describe, expect, test } from "bun:test";
import { IncomingQueue, type Overflow } from "./incoming-queue.ts";
import { settle } from "./testing/bytes.ts";

interface Item {
  readonly n: number;
}

function queueOf(limit: number, overflow: Overflow) {
  const dropped: number[] = [];
  const queue = new IncomingQueue<Item>(limit, overflow, ({ n }) => dropped.push(n));
  const push = (...numbers: readonly number[]) => {
    for (const n of numbers) queue.push({ n });
  };
  return { queue, push, dropped };
}

describe("what comes in", () => {
  test("goes to the listener, what waited first", () => {
    const { queue, push, dropped } = queueOf(9, "newest");
    const heard: number[] = [];
    push(1, 2);
    queue.listener = ({ n }) => heard.push(n);
    push(3);
    expect(heard).toEqual([1, 2, 3]);
    expect(dropped).toEqual([]);
  });

  test("goes to the web stream, whether it waited or is waited for", async () => {
    const { queue, push } = queueOf(9, "newest");
    push(1);
    const reader = queue.readable.getReader();
    expect(await reader.read()).toEqual({ done: false, value: { n: 1 } });
    const reading = reader.read();
    const next = reader.read();
    push(2, 3);
    expect((await reading).value).toEqual({ n: 2 });
    expect((await next).value).toEqual({ n: 3 });
    const last = reader.read();
    queue.end();
    expect((await last).done).toBe(true);
  });

  test("waits up to a limit, past which the oldest or the newest goes", () => {
    const oldest = queueOf(2, "oldest");
    oldest.push(1, 2, 3);
    expect(oldest.dropped).toEqual([1]);
    const newest = queueOf(2, "newest");
    newest.push(1, 2, 3);
    expect(newest.dropped).toEqual([3]);
  });

  test("waits up to the limit beside a web stream that is not read any more", async () => {
    const { queue, push, dropped } = queueOf(2, "newest");
    const reader = queue.readable.getReader();
    const reading = reader.read();
    await settle();
    push(1, 2, 3, 4);
    expect((await reading).value).toEqual({ n: 1 });
    expect(dropped).toEqual([4]);
  });

  test("is dropped at the end, and whatever comes later", async () => {
    const { queue, push, dropped } = queueOf(9, "newest");
    push(1);
    queue.end();
    push(2);
    expect(dropped).toEqual([1, 2]);
    expect((await queue.readable.getReader().read()).done).toBe(true);
  });

  test("is dropped from when a listener ends it, even what waited", () => {
    const { queue, push, dropped } = queueOf(9, "newest");
    push(1, 2, 3);
    const heard: number[] = [];
    queue.listener = ({ n }) => {
      heard.push(n);
      if (n === 2) queue.end();
    };
    expect(heard).toEqual([1, 2]);
    expect(dropped).toEqual([3]);
  });

  test("is dropped once nobody reads the web stream any more", async () => {
    const { queue, push, dropped } = queueOf(9, "newest");
    await queue.readable.cancel();
    push(1);
    expect(dropped).toEqual([1]);
  });
});
