import { expect, test } from "bun:test";
import fc from "fast-check";
import { HookQueue, type QueuedEvent } from "./queue.ts";

const MANY = { maxEvents: 1_000_000, maxBytes: 1_000_000_000 };
const texts = (events: readonly QueuedEvent[]) => events.map(({ text }) => text);

function filled(count: number, options = MANY): HookQueue {
  const queue = new HookQueue(options);
  for (let n = 0; n < count; n++) queue.push(String(n), n);
  return queue;
}

test("events are taken in the order of their coming, as many as allowed", () => {
  const queue = filled(5);
  expect(texts(queue.take(2, 1_000))).toEqual(["0", "1"]);
  queue.done();
  expect(texts(queue.take(10, 2))).toEqual(["2", "3"]);
  queue.done();
  expect([queue.size, queue.bytes]).toEqual([1, 1]);
  expect(texts(queue.take(10, 1_000))).toEqual(["4"]);
  queue.done();
  expect([queue.size, queue.bytes]).toEqual([0, 0]);
  expect(queue.take(10, 1_000)).toEqual([]);
});

test("an event that is larger than a batch may be is taken alone", () => {
  const queue = new HookQueue(MANY);
  queue.push("a long one", 0);
  queue.push("b", 0);
  expect(texts(queue.take(10, 3))).toEqual(["a long one"]);
});

test("bytes are those of UTF-8", () => {
  const queue = new HookQueue(MANY);
  queue.push("☃ä", 0);
  expect(queue.bytes).toBe(5);
});

test("what was taken in vain comes first again, with what else there is room for", () => {
  const queue = filled(4);
  queue.take(2, 1_000);
  expect(queue.putBack()).toBe(0);
  expect(texts(queue.take(1, 1_000))).toEqual(["0"]);
  queue.putBack();
  expect(texts(queue.take(3, 1_000))).toEqual(["0", "1", "2"]);
  queue.done();
  expect(texts(queue.take(3, 1_000))).toEqual(["3"]);
});

test("the oldest go where there are too many, but not those on their way", () => {
  const queue = filled(3, { maxEvents: 3, maxBytes: 1_000 });
  expect(texts(queue.take(1, 1_000))).toEqual(["0"]);
  expect(queue.push("3", 3)).toBe(0);
  expect(queue.size).toBe(4);
  expect(queue.putBack()).toBe(1);
  expect(queue.push("4", 4)).toBe(1);
  expect(texts(queue.take(10, 1_000))).toEqual(["2", "3", "4"]);
});

test("a full batch that is on its way makes no newer event go, and goes first when it was in vain", () => {
  const queue = filled(3, { maxEvents: 3, maxBytes: 1_000 });
  queue.take(3, 1_000);
  for (const text of ["3", "4"]) expect(queue.push(text, 3)).toBe(0);
  expect(queue.putBack()).toBe(2);
  expect(texts(queue.take(10, 1_000))).toEqual(["2", "3", "4"]);
});

test("bytes are bounded as events are", () => {
  const queue = new HookQueue({ maxEvents: 1_000, maxBytes: 10 });
  for (let n = 0; n < 4; n++) queue.push("123", n);
  expect([queue.size, queue.bytes]).toEqual([3, 9]);
  expect(queue.push("a much longer one", 5)).toBe(4);
  expect([queue.size, queue.bytes]).toEqual([0, 0]);
});

test("what is too old is forgotten, and counted", () => {
  const queue = filled(5);
  expect(queue.expire(3)).toBe(3);
  expect(texts(queue.take(10, 1_000))).toEqual(["3", "4"]);
});

test("a queue is what a plain list would be, whatever is done with it", () => {
  const action = fc.oneof(
    fc.record({ is: fc.constant("push" as const), length: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ is: fc.constant("take" as const), max: fc.integer({ min: 1, max: 6 }) }),
    fc.constant({ is: "done" as const }),
    fc.constant({ is: "putBack" as const }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const [maxEvents, maxBytes] = [12, 60];
      const queue = new HookQueue({ maxEvents, maxBytes });
      let waiting: string[] = [];
      let taken: string[] = [];
      const bytes = () => [...taken, ...waiting].join("").length;
      const trim = () => {
        let dropped = 0;
        while (
          waiting.length > 0 &&
          (waiting.length > maxEvents || waiting.join("").length > maxBytes)
        ) {
          waiting.shift();
          dropped++;
        }
        return dropped;
      };
      for (const [index, each] of actions.entries()) {
        if (each.is === "push") {
          const text = String.fromCharCode(97 + (index % 26)).repeat(each.length);
          waiting.push(text);
          expect(queue.push(text, 0)).toBe(trim());
        } else if (each.is === "take" && taken.length === 0) {
          taken = waiting.splice(0, each.max);
          expect(texts(queue.take(each.max, 1_000))).toEqual(taken);
        } else if (each.is === "done") {
          taken = [];
          queue.done();
        } else if (each.is === "putBack") {
          waiting = [...taken, ...waiting];
          taken = [];
          expect(queue.putBack()).toBe(trim());
        }
        expect([queue.size, queue.bytes]).toEqual([taken.length + waiting.length, bytes()]);
      }
    }),
  );
});

test("a long queue keeps its order while its places are reused", () => {
  const queue = filled(10_000);
  const seen: string[] = [];
  for (let batch = queue.take(7, 1_000); batch.length > 0; batch = queue.take(7, 1_000)) {
    seen.push(...texts(batch));
    queue.done();
  }
  expect(seen).toEqual(Array.from({ length: 10_000 }, (_, n) => String(n)));
});
