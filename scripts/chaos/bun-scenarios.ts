import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readCases } from "../report.ts";
import { runChild } from "./child.ts";
import { bunArguments, pathOf, readScenarios, type Scenario } from "./scenario.ts";

/** A seed that no test has of itself. */
const PROBE = 424_242_424;
/** Matches no name, so that Bun lists all tests and runs none. */
const NOTHING = "(?!)";
/** What Bun needs to list the tests of a folder. */
const LIST_MS = 60_000;

export interface Place {
  /** The folder in which Bun is started. */
  readonly root: string;
  /** A folder of the series' own, in which the logs of failed runs stay. */
  readonly logs: string;
  /** How long one run may take, in milliseconds. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** All tests in a folder that take the seeds of `FAULT_SEED`; throws where a file cannot be read. */
export async function findScenarios(place: Place, folder: string): Promise<readonly Scenario[]> {
  const args = ["test", `./${folder}`, "-t", NOTHING];
  const { xml, log } = await bunTest({ ...place, limitMs: LIST_MS }, args, PROBE);
  const output = readFileSync(log, "utf8");
  rmSync(log);
  const files = new Set(readCases(xml).map(({ file }) => file));
  const all = [...new Bun.Glob(`${folder}/**/*.test.ts`).scanSync(place.root)];
  const absent = all.filter((file) => !files.has(file));
  if (absent.length > 0 && !place.signal.aborted) {
    throw new Error(`no tests were found in ${absent.join(", ")}:\n${output}`);
  }
  return readScenarios(xml, PROBE);
}

/** Runs a scenario with a seed; answers what was wrong and where the log is. Undefined where it passed or was cut short. */
export async function runScenario(
  place: Place,
  scenario: Scenario,
  seed: number,
): Promise<string | undefined> {
  const { end, xml, log } = await bunTest(place, bunArguments(scenario, seed), seed);
  const name = pathOf(scenario, seed).join("\n");
  const its = readCases(xml).filter(({ path }) => path.join("\n") === name);
  const reasons = its.flatMap(({ reason }) => reason ?? []);
  // A run that broke off, or in which the test never ran, must not look like one that passed.
  if (end === "too long") reasons.push(`    took longer than ${place.limitMs / 1_000} s`);
  else if (reasons.length === 0 && (end !== 0 || its.length === 0)) {
    reasons.push(its.length === 0 ? "    did not run" : `    ended with ${end}`);
  }
  if (reasons.length === 0 || end === "aborted") {
    rmSync(log);
    return undefined;
  }
  const kept = join(place.logs, `${seed}.log`);
  renameSync(log, kept);
  return [...reasons, `    log: ${kept}`].join("\n");
}

async function bunTest(place: Place, args: readonly string[], seed: number) {
  const report = join(place.logs, "report.xml");
  const log = join(place.logs, "running.log");
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const end = await runChild([process.execPath, ...args, ...reporter], {
    environment: { FAULT_SEED: String(seed), FAULT_LONG: "1" },
    cwd: place.root,
    log,
    limitMs: place.limitMs,
    signal: place.signal,
  });
  const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
  rmSync(report, { force: true });
  return { end, xml, log };
}
