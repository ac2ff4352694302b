import { expect, test } from "bun:test";
import { compare, report } from "./report.ts";
import { table } from "./table.ts";
import { verdict } from "./text.ts";

const rounds = (...pairs: [number, number | undefined][]) => ({
  rounds: pairs.map(([a, b]) => ({
    samples: [
      { series: "a", values: { cpu: a } },
      ...(b === undefined ? [] : [{ series: "b", values: { cpu: b } }]),
    ],
  })),
  failures: [],
});

const ratio = { metric: "cpu", series: "a", over: "b", atMost: 1.15 };

test("ratios are taken inside each round, so a drift of the machine cancels out", () => {
  const [outcome] = compare(ratio, rounds([10, 10], [40, 40], [22, 20]));
  expect(outcome?.result.values).toEqual([1, 1, 1.1]);
  expect(outcome?.met).toBe(true);
});

test("a round that lacks one side is left out, and without any round there is no ratio", () => {
  expect(compare(ratio, rounds([10, undefined], [12, 10]))[0]?.result.values).toEqual([1.2]);
  expect(compare(ratio, rounds([10, undefined]))).toEqual([]);
});

test("a comparison without another series is the value itself", () => {
  const [outcome] = compare({ metric: "cpu", series: "a", atMost: 8 }, rounds([7, undefined]));
  expect(outcome?.result.median).toBe(7);
});

test("the verdict says by how much a target was met or missed", () => {
  const words = (...pairs: [number, number][]) =>
    compare(ratio, rounds(...pairs))
      .map(verdict)
      .join();
  expect(words([2.3, 1])).toBe("target ≤ 1.15: MISSED by 100 %");
  expect(words([1.035, 1])).toBe("target ≤ 1.15: met, 10 % below");
  expect(
    verdict({ ...ratio, result: { min: 1, median: 1.15, max: 2, values: [] }, met: true }),
  ).toBe("target ≤ 1.15: met, 0 % below");
});

test("columns are as wide as their widest cell", () => {
  expect(
    table([
      ["name", "v"],
      ["a", "10.5"],
    ]),
  ).toBe("name     v\na     10.5");
});

test("a metric that says nothing of a series is left out of it", () => {
  const mode = {
    name: "any",
    parameters: {},
    metrics: ["cpu", "joined"].map((key) => ({ key, title: key, digits: 0 })),
    comparisons: [],
  };
  const facts = { startedAt: new Date(0), command: "", versions: {} };
  const made = report(mode, rounds([1, undefined], [3, undefined]), facts);
  expect(made.series.map(({ metrics }) => Object.keys(metrics))).toEqual([["cpu"]]);
  expect(made.series[0]?.metrics).toMatchObject({ cpu: { median: 2 } });
});
