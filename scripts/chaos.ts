/** Long series of the fault scenarios: `npm run chaos -- --help`. */
import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../test/support/faults/seeded-random.ts";
import { findScenarios, runScenario } from "./chaos/bun-scenarios.ts";
import { HELP, type Options, parseOptions } from "./chaos/options.ts";
import { label } from "./chaos/scenario.ts";
import { runSeries } from "./chaos/series.ts";
import { summary, told } from "./chaos/summary.ts";

const FOLDER = "test/cluster";
/** A test has a minute, and its hooks have one each. */
const LIMIT_MS = 180_000;

function options(): Options | "help" {
  try {
    return parseOptions(process.argv.slice(2), crypto.getRandomValues(new Uint16Array(1))[0] ?? 0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    process.exit(64);
  }
}

/** Runs the series and answers the exit code. */
async function chaos({ minutes, seed, only }: Options, logs: string): Promise<number> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  // npm hands on a Ctrl+C that has reached this process already, so a second one says nothing new.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => interrupt.abort());
  }

  const place = { root: join(import.meta.dir, ".."), logs, limitMs: LIMIT_MS, signal };
  const all = await findScenarios(place, FOLDER);
  const scenarios = all.filter((scenario) => label(scenario).includes(only));
  if (signal.aborted) return 130;
  console.log(`${scenarios.length} scenarios for ${minutes} min, --seed ${seed}\n`);
  const runs = await runSeries({
    scenarios,
    random: new SeededRandom(seed),
    lengthMs: minutes * 60_000,
    now: () => performance.now(),
    run: (scenario, each) => runScenario(place, scenario, each),
    signal,
    ended: (run) => console.log(told(run)),
  });
  const failed = runs.filter(({ failure }) => failure !== undefined).length;
  console.log(`\n${summary(scenarios, runs)}`);
  console.log(`\n--seed ${seed}: ${runs.length - failed} passed, ${failed} failed`);
  if (failed > 0) return 1;
  return signal.aborted ? 130 : 0;
}

const given = options();
if (given === "help") {
  console.log(HELP);
} else {
  const logs = mkdtempSync(join(tmpdir(), "starling-chaos-"));
  try {
    process.exitCode = await chaos(given, logs);
  } finally {
    if (readdirSync(logs).length === 0) rmdirSync(logs);
  }
}
