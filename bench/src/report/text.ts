import type { Spread } from "../measure/statistics.ts";
import type { ModeFacts } from "../modes/mode.ts";
import type { ComparisonReport, Report } from "./report.ts";
import { table } from "./table.ts";

/** The report as a person reads it. */
export function text(mode: ModeFacts, report: Report): string {
  const { machine } = report;
  return [
    `bench ${report.mode}, ${report.rounds} rounds, ${report.startedAt}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMib} MiB, ${machine.kernel}`,
    pairs(report.versions),
    pairs(report.parameters),
    report.command,
    "",
    table([
      ["median (min–max)", ...mode.metrics.map((metric) => metric.title)],
      ...report.series.map((one) => [
        one.series,
        ...mode.metrics.map(({ key, digits }) => range(one.metrics[key], digits)),
      ]),
    ]),
    ...(report.comparisons.length === 0 ? [] : ["", comparisons(mode, report)]),
    ...failures(report.failures),
  ].join("\n");
}

function pairs(values: Readonly<Record<string, number | string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function range(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return "-";
  const { min, median, max } = spread;
  if (min === max) return median.toFixed(digits);
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function comparisons(mode: ModeFacts, report: Report): string {
  return table(report.comparisons.map((comparison) => comparisonRow(mode, comparison)));
}

function comparisonRow(mode: ModeFacts, comparison: ComparisonReport): string[] {
  const { metric, series, over, result } = comparison;
  const title = mode.metrics.find(({ key }) => key === metric)?.title ?? metric;
  const digits = over === undefined ? 2 : 3;
  return [
    `${title}: ${series}${over === undefined ? "" : ` / ${over}`}`,
    range(result, digits),
    verdict(comparison),
  ];
}

/** How the median stands to the target, in words. */
export function verdict({ atMost, met, result }: ComparisonReport): string {
  if (atMost === undefined) return "";
  const away = Math.abs(result.median / atMost - 1) * 100;
  return met
    ? `target ≤ ${atMost}: met, ${away.toFixed(0)} % below`
    : `target ≤ ${atMost}: MISSED by ${away.toFixed(0)} %`;
}

function failures(lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const rule = "!".repeat(72);
  return ["", rule, `FAILED: ${lines.length} trials have no valid result`, ...lines, rule];
}
