import { basename } from "node:path";
import { readCases } from "../report.ts";

/** A test that takes the seeds of `FAULT_SEED`. */
export interface Scenario {
  /** Its file, from the root of the repository. */
  readonly file: string;
  /** The names of the suites it is in, and its own, with `%i` where the seed stands. */
  readonly path: readonly string[];
}

/** How long a test may take that sets no limit of its own, in milliseconds; as in `npm test`. */
export const TEST_TIMEOUT_MS = 60_000;

/**
 * The scenarios of a report for which `FAULT_SEED` was `probe`. A test whose name has another seed
 * does not take seeds from outside, so that to run it again would show nothing new. They are in the
 * order of their files' names, for a series depends on it and file systems differ.
 */
export function readScenarios(xml: string, probe: number): readonly Scenario[] {
  const found = new Map<string, Scenario>();
  for (const { file, path } of readCases(xml)) {
    if (!path.some((name) => name.includes(`(seed ${probe})`))) continue;
    const scenario = {
      file,
      path: path.map((name) => name.replace(`(seed ${probe})`, "(seed %i)")),
    };
    found.set(label(scenario), scenario);
  }
  return [...found.values()].sort((a, b) => Number(a.file > b.file) - Number(a.file < b.file));
}

/** What people read of a scenario. */
export function label({ file, path }: Scenario): string {
  const names = path.map((name) => name.replace(/ ?\(seed %i\)/, "")).join(" > ");
  return `${basename(file, ".test.ts")}: ${names}`;
}

/** The names that a report has for the run of a seed. */
export function pathOf({ path }: Scenario, seed: number): readonly string[] {
  return path.map((name) => name.replace("%i", String(seed)));
}

/** What `bun` is called with for the run of a seed, and for no other test of the file. */
export function bunArguments(scenario: Scenario, seed: number): readonly string[] {
  // Bun compares with the names of all suites and the test, joined by spaces.
  const name = pathOf(scenario, seed).join(" ");
  const pattern = `^${name.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`;
  return ["test", `./${scenario.file}`, `--timeout=${TEST_TIMEOUT_MS}`, "-t", pattern];
}

/** The command that repeats a run, for a shell in the root of the repository. */
export function repeatCommand(scenario: Scenario, seed: number): string {
  const words = bunArguments(scenario, seed).map((word) =>
    /^[\w./=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return `FAULT_SEED=${seed} FAULT_LONG=1 npx bun ${words.join(" ")}`;
}
