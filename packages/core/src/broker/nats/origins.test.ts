import { expect, test } from "bun:test";
import { Origins } from "./origins.ts";

function seen(origins: Origins, link: number, first: number, sequences: readonly number[]) {
  return sequences.filter((sequence) => origins.isNew({ origin: "a", link, first, sequence }));
}

test("over one link everything is new that is not repeated", () => {
  const origins = new Origins();
  expect(seen(origins, 1, 1, [1, 2, 5, 5, 3, 6])).toEqual([1, 2, 5, 6]);
});

test("what is repeated over the next link is known, and what was lost is new", () => {
  const origins = new Origins();
  expect(seen(origins, 1, 1, [1, 2, 3])).toEqual([1, 2, 3]);
  expect(seen(origins, 2, 2, [2, 3, 4, 5])).toEqual([4, 5]);
});

test("what comes late over an old link is new only if it was not repeated", () => {
  const origins = new Origins();
  expect(seen(origins, 1, 1, [1])).toEqual([1]);
  expect(seen(origins, 2, 4, [4, 5])).toEqual([4, 5]);
  expect(seen(origins, 1, 1, [2, 3, 4, 5])).toEqual([2, 3]);
});

test("each worker has its own numbers", () => {
  const origins = new Origins();
  expect(origins.isNew({ origin: "a", link: 1, first: 1, sequence: 7 })).toBe(true);
  expect(origins.isNew({ origin: "b", link: 1, first: 1, sequence: 7 })).toBe(true);
});

test("a worker that was silent for long is forgotten when there are too many", () => {
  const origins = new Origins();
  for (let n = 0; n <= 4_096; n++) {
    origins.isNew({ origin: `${n}`, link: 1, first: 1, sequence: 1 });
  }
  expect(origins.isNew({ origin: "0", link: 1, first: 1, sequence: 1 })).toBe(true);
  expect(origins.isNew({ origin: "4096", link: 1, first: 1, sequence: 1 })).toBe(false);
});
