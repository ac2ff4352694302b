import { expect, test } from "bun:test";
import { instanceCount } from "./instances.ts";

test.each([
  ["1", 1],
  ["16", 16],
  ["max", 8],
  ["0", 8],
  ["-1", 7],
  ["-7", 1],
])("CLUSTER_INSTANCES=%s on 8 cores is %d", (text, count) => {
  expect(instanceCount(text, 8)).toBe(count);
});

test("there is one worker at least", () => {
  expect(instanceCount("-8", 8)).toBe(1);
  expect(instanceCount("-1", 1)).toBe(1);
});
