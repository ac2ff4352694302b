import { expect, test } from "bun:test";
import { Parts } from "./parts.ts";

test("parts are a whole when the last one has come", () => {
  const parts = new Parts<number>();
  expect(parts.add("a", { index: 0, isLast: false }, [1, 2])).toBeUndefined();
  expect(parts.add("a", { index: 1, isLast: true }, [3])).toEqual([1, 2, 3]);
});

test("parts of which one is missing, or that are of another whole, are none", () => {
  const parts = new Parts<number>();
  parts.add("a", { index: 0, isLast: false }, [1]);
  expect(parts.add("a", { index: 2, isLast: true }, [3])).toBeUndefined();
  expect(parts.add("a", { index: 1, isLast: true }, [2])).toBeUndefined();
  parts.add("a", { index: 0, isLast: false }, [1]);
  expect(parts.add("b", { index: 1, isLast: true }, [2])).toBeUndefined();
  expect(parts.add("c", { index: 0, isLast: true }, [7])).toEqual([7]);
});
