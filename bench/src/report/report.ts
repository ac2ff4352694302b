import { type Machine, machine } from "../measure/machine.ts";
import { type Spread, spread } from "../measure/statistics.ts";
import type { Comparison, ModeFacts, Sample } from "../modes/mode.ts";
import type { RunResult } from "../rounds.ts";

/** Values of one series over all rounds, by the metric's key. */
export interface SeriesReport {
  readonly series: string;
  readonly metrics: Readonly<Record<string, Spread>>;
}

/** A ratio over all rounds, computed inside each round, and how it stands to its target. */
export interface ComparisonReport extends Comparison {
  readonly result: Spread;
  readonly met?: boolean;
}

/** Everything that a run says, as the JSON file holds it. */
export interface Report {
  readonly mode: string;
  readonly startedAt: string;
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly rounds: number;
  readonly series: readonly SeriesReport[];
  readonly comparisons: readonly ComparisonReport[];
  readonly failures: readonly string[];
}

export interface RunFacts {
  readonly startedAt: Date;
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function report(mode: ModeFacts, result: RunResult, facts: RunFacts): Report {
  return {
    mode: mode.name,
    startedAt: facts.startedAt.toISOString(),
    command: facts.command,
    machine: machine(),
    versions: facts.versions,
    parameters: mode.parameters,
    rounds: result.rounds.length,
    series: seriesReports(mode, result),
    comparisons: mode.comparisons.flatMap((comparison) => compare(comparison, result)),
    failures: result.failures,
  };
}

function seriesReports(mode: ModeFacts, result: RunResult): SeriesReport[] {
  const samples = result.rounds.flatMap((round) => round.samples);
  // In the order of the first round, which is the order that the peers were named in.
  return [...Map.groupBy(samples, (sample) => sample.series)].map(([series, own]) => ({
    series,
    metrics: Object.fromEntries(
      mode.metrics.flatMap(({ key }) => {
        const values = own.flatMap(({ values }) => values[key] ?? []);
        return values.length === 0 ? [] : [[key, spread(values)]];
      }),
    ),
  }));
}

/** Empty when no round has both sides. */
export function compare(comparison: Comparison, result: RunResult): ComparisonReport[] {
  const { metric, series, over, atMost } = comparison;
  const values = result.rounds.flatMap(({ samples }) => {
    const named = (name: string): Sample | undefined =>
      samples.find((sample) => sample.series === name);
    const left = named(series);
    if (left === undefined) return [];
    if (over === undefined) return [metricOf(left, metric)];
    const right = named(over);
    return right === undefined ? [] : [metricOf(left, metric) / metricOf(right, metric)];
  });
  if (values.length === 0) return [];
  const outcome = spread(values);
  return [
    {
      ...comparison,
      result: outcome,
      ...(atMost === undefined ? {} : { met: outcome.median <= atMost }),
    },
  ];
}

function metricOf(sample: Sample, key: string): number {
  const value = sample.values[key];
  if (value === undefined) throw new Error(`${sample.series} has no value ${key}`);
  return value;
}
