import { expect, test } from "bun:test";
import { busyMicros, parseSchedstat } from "./busy.ts";

test("the time on a processor is the first of the numbers, in nanoseconds", () => {
  expect(parseSchedstat("1234567 89 10\n")).toBe(1_234.567);
  expect(() => parseSchedstat("")).toThrow("no scheduler statistics");
});

test("it grows while the process works", () => {
  const before = busyMicros(process.pid);
  let now = before;
  for (let turn = 0; now <= before && turn < 1e5; turn++) now = busyMicros(process.pid);
  expect(now).toBeGreaterThan(before);
});
