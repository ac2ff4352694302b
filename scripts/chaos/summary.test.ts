import { expect, test } from "bun:test";
import type { Scenario } from "./scenario.ts";
import { summary, told } from "./summary.ts";

const [a, b, c] = ["a", "b", "c"].map(
  (name): Scenario => ({ file: `test/cluster/${name}.test.ts`, path: [`holds (seed %i)`] }),
);
if (a === undefined || b === undefined || c === undefined) throw new Error("there are three");

test("the table has a row for each scenario, also for one that was never run", () => {
  const runs = [
    { scenario: a, seed: 1, durationMs: 1_000, failure: undefined },
    { scenario: b, seed: 2, durationMs: 5_000, failure: "bad" },
    { scenario: a, seed: 3, durationMs: 9_000, failure: undefined },
    { scenario: a, seed: 4, durationMs: 2_040, failure: undefined },
    { scenario: b, seed: 5, durationMs: 6_000, failure: "worse" },
  ];
  expect(summary([a, b, c], runs).split("\n")).toEqual([
    "scenario  runs  failures  median  seeds that failed",
    "a: holds     3         0   2.0 s                  –",
    "b: holds     2         2   5.5 s                2,5",
    "c: holds     0         0       –                  –",
  ]);
});

test("of a run that passed one line is told", () => {
  const run = { scenario: a, seed: 7, durationMs: 1_234, failure: undefined };
  expect(told(run)).toBe("pass  1.2 s  a: holds (seed 7)");
});

test("of a failed run it is told what was wrong and how to repeat it", () => {
  const run = { scenario: a, seed: 7, durationMs: 1_234, failure: "    lost 3" };
  expect(told(run).trim().split("\n")).toEqual([
    "FAIL  1.2 s  a: holds (seed 7)",
    "    lost 3",
    "    repeat: FAULT_SEED=7 FAULT_LONG=1 npx bun test ./test/cluster/a.test.ts --timeout=60000 -t '^holds \\(seed 7\\)$'",
  ]);
});
