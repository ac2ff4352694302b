import type { SeededRandom } from "../../test/support/faults/seeded-random.ts";
import type { Scenario } from "./scenario.ts";

/** One run of a scenario. */
export interface Run {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly durationMs: number;
  /** What was wrong, in a few lines; undefined where nothing was. */
  readonly failure: string | undefined;
}

export interface SeriesOptions {
  readonly scenarios: readonly Scenario[];
  /** Determines the order of the scenarios and all their seeds. */
  readonly random: SeededRandom;
  /** No run begins after so many milliseconds; the one that runs by then is waited for. */
  readonly lengthMs: number;
  /** Milliseconds since any moment. */
  readonly now: () => number;
  /** Runs one scenario and answers what was wrong with it, if anything. */
  readonly run: (scenario: Scenario, seed: number) => Promise<string | undefined>;
  /** Ends the series; the run that it cuts short does not count. */
  readonly signal: AbortSignal;
  /** Is told of each run as soon as it has ended. */
  readonly ended: (run: Run) => void;
}

/** Short enough to be read out, and too many for a seed to come twice. */
const MAX_SEED = 999_999_999;

/**
 * Runs the scenarios one at a time in rounds, each with a new seed, until the time is over. Each
 * round has all of them, in another order, so that a series which ends within one favours none.
 */
export async function runSeries(options: SeriesOptions): Promise<readonly Run[]> {
  const { scenarios, random, now, signal } = options;
  if (scenarios.length === 0) throw new Error("there is no scenario to run");
  const runs: Run[] = [];
  const end = now() + options.lengthMs;
  for (;;) {
    for (const scenario of random.some(scenarios, scenarios.length)) {
      const startedAt = now();
      if (startedAt >= end || signal.aborted) return runs;
      const seed = random.integer(1, MAX_SEED);
      const failure = await options.run(scenario, seed);
      if (signal.aborted) return runs;
      const run = { scenario, seed, durationMs: now() - startedAt, failure };
      runs.push(run);
      options.ended(run);
    }
  }
}
