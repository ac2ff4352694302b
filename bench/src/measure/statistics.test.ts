import { expect, test } from "bun:test";
import { rotated, spread } from "./statistics.ts";

test("an odd number of values has its middle one as median", () => {
  expect(spread([9, 1, 4])).toEqual({ min: 1, median: 4, max: 9, values: [9, 1, 4] });
});

test("an even number of values has the mean of its two middle ones as median", () => {
  expect(spread([10, 1, 4, 2])).toMatchObject({ min: 1, median: 3, max: 10 });
});

test("nothing has no spread", () => {
  expect(() => spread([])).toThrow("no values");
});

test("three peers in three rounds take every place once", () => {
  const orders = [0, 1, 2].map((round) => rotated(["a", "b", "c"], round).join(""));
  expect(orders).toEqual(["abc", "bca", "cab"]);
  expect(rotated(["a", "b", "c"], 4).join("")).toBe("bca");
  expect(rotated([], 3)).toEqual([]);
});
