import { describe, expect, test } from "bun:test";
import { SeededRandom } from "../../test/support/faults/seeded-random.ts";
import type { Scenario } from "./scenario.ts";
import { type Run, runSeries } from "./series.ts";

const RUN_MS = 1_000;
const scenarios = ["a", "b", "c"].map((name): Scenario => ({ file: name, path: [name] }));

interface Settings {
  readonly seed?: number;
  readonly runs?: number;
  /** What is wrong with the run of this number, from 0. */
  readonly failure?: (count: number) => string | undefined;
  /** Is called within each run. */
  readonly during?: (count: number, interrupt: () => void) => void;
}

/** A series in which each run takes a second of a clock that nobody waits for. */
async function series({ seed = 1, runs = 6, failure, during }: Settings) {
  let now = 500;
  const interrupt = new AbortController();
  const ended: Run[] = [];
  const answered = await runSeries({
    scenarios,
    random: new SeededRandom(seed),
    lengthMs: runs * RUN_MS,
    now: () => now,
    run: async () => {
      now += RUN_MS;
      // Each run is told of before the next one begins.
      during?.(ended.length, () => interrupt.abort());
      return failure?.(ended.length);
    },
    signal: interrupt.signal,
    ended: (run) => ended.push(run),
  });
  expect(answered).toEqual(ended);
  return answered;
}

describe("a series", () => {
  test("runs each scenario once in a round, the rounds in different orders", async () => {
    const files = (await series({ runs: 30 })).map(({ scenario }) => scenario.file);
    const rounds = Array.from({ length: 10 }, (_, round) => files.slice(3 * round, 3 * round + 3));
    for (const round of rounds) expect(round.toSorted()).toEqual(["a", "b", "c"]);
    expect(new Set(rounds.map(String)).size).toBeGreaterThan(1);
  });

  test("gives each run a seed of its own", async () => {
    const seeds = (await series({ runs: 300 })).map(({ seed }) => seed);
    expect(new Set(seeds).size).toBe(300);
    for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed > 0).toBe(true);
  });

  test("is the same for the same seed, and another one for another", async () => {
    const first = await series({ seed: 8 });
    expect(await series({ seed: 8 })).toEqual(first);
    expect(await series({ seed: 9 })).not.toEqual(first);
    // What runs come to does not change which ones follow.
    const failed = await series({ seed: 8, failure: () => "bad" });
    expect(failed.map(({ seed }) => seed)).toEqual(first.map(({ seed }) => seed));
  });

  test("begins nothing once the time is over, and counts the run that lasts for longer", async () => {
    expect(await series({ runs: 4 })).toHaveLength(4);
    expect(await series({ runs: 4.1 })).toHaveLength(5);
  });

  test("goes on after a failed run, and tells what was wrong and how long it took", async () => {
    const runs = await series({ failure: (count) => (count === 2 ? "bad" : undefined) });
    expect(runs.map(({ failure }) => failure)).toEqual([
      undefined,
      undefined,
      "bad",
      ...[undefined, undefined, undefined],
    ]);
    expect(runs.map(({ durationMs }) => durationMs)).toEqual(runs.map(() => RUN_MS));
  });

  test("ends when it is told to, and does not count the run that this cuts short", async () => {
    const during = (count: number, interrupt: () => void) => {
      if (count === 2) interrupt();
    };
    expect(await series({ during })).toHaveLength(2);
  });

  test("of nothing is refused: it would go on for ever", async () => {
    const options = { random: new SeededRandom(1), lengthMs: 1, now: () => 0, ended: () => {} };
    const { signal } = new AbortController();
    const nothing = runSeries({ ...options, scenarios: [], run: async () => undefined, signal });
    await expect(nothing).rejects.toThrow("there is no scenario");
  });
});
