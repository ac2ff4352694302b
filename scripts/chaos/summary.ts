import { spread } from "../../bench/src/measure/statistics.ts";
import { table } from "../../bench/src/report/table.ts";
import { label, repeatCommand, type Scenario } from "./scenario.ts";
import type { Run } from "./series.ts";

/** What is said of a run once it has ended: one line, and of a failed one all that helps. */
export function told({ scenario, seed, durationMs, failure }: Run): string {
  const line = `${seconds(durationMs)}  ${label(scenario)} (seed ${seed})`;
  if (failure === undefined) return `pass  ${line}`;
  return `\nFAIL  ${line}\n${failure}\n    repeat: ${repeatCommand(scenario, seed)}\n`;
}

/** The table of a series: a row for each scenario, also for those whose turn never came. */
export function summary(scenarios: readonly Scenario[], runs: readonly Run[]): string {
  const rows = scenarios.map((scenario) => {
    const its = runs.filter((run) => run.scenario === scenario);
    const failed = its.filter(({ failure }) => failure !== undefined);
    const durations = its.map(({ durationMs }) => durationMs);
    return [
      label(scenario),
      String(its.length),
      String(failed.length),
      durations.length === 0 ? "–" : seconds(spread(durations).median),
      failed.length === 0 ? "–" : failed.map(({ seed }) => seed).join(","),
    ];
  });
  return table([["scenario", "runs", "failures", "median", "seeds that failed"], ...rows]);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
