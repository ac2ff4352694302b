import { expect, test } from "bun:test";
import { LastIds } from "./last-ids.ts";

test("the last ids are remembered, so many and no more", () => {
  const ids = new LastIds();
  expect([...ids]).toEqual([]);
  for (let id = 1; id <= 1_000; id++) ids.remember(id);
  const all = [...ids].toSorted((a, b) => a - b);
  expect(all).toEqual(Array.from({ length: 256 }, (_, index) => 745 + index));
});
