/**
 * Runs every test there is, names what failed, and ends with one line: `N passed, M failed`.
 *
 * Usage: npm test [-- unit|wire|cluster|browser ...]; without a name also format, lint and types.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readReport } from "./report.ts";
import { check, conclude, run, type StageResult } from "./stage.ts";
import { advice, ensurePrograms } from "./system-packages.ts";

/**
 * Suites that run at the same time: those of clusters wait for others most of their time. What belongs to the second
 * lane is shown when it has ended, so that one can read both.
 */
const LANES: readonly (readonly string[])[] = [["unit", "wire", "browser"], ["cluster"]];

const suites: Readonly<Record<string, readonly string[]>> = {
  unit: ["packages", "bench", "scripts"],
  wire: ["test/wire"],
  cluster: ["test/cluster"],
  browser: ["test/browser"],
};

/** @param output file that gets what the suite prints; default: it is shown */
async function runSuite(
  folders: readonly string[],
  reports: string,
  output?: string,
): Promise<StageResult> {
  const report = join(reports, `${folders.join("-").replaceAll("/", "_")}.xml`);
  const command = [
    "bun",
    "test",
    "--timeout=60000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...folders.map((folder) => `./${folder}`),
  ];
  const exitCode = await run(command, { output });
  const { passed, failures, files } = readReport(
    existsSync(report) ? readFileSync(report, "utf8") : "",
  );
  // A run that broke off, or that skipped a test, must not look like one in which all was well.
  const absent = testFiles(folders).filter((file) => !files.has(file));
  const faults = [...failures, ...absent.map((file) => `${file}\n    did not run, see above`)];
  if (exitCode !== 0 && faults.length === 0) {
    faults.push(`bun test ${folders.join(" ")}\n    ended with ${exitCode}, see above`);
  }
  return { passed, failures: faults };
}

function testFiles(folders: readonly string[]): string[] {
  return folders
    .flatMap((folder) => [...new Bun.Glob(`${folder}/**/*.test.ts`).scanSync()])
    .filter((file) => !file.includes("node_modules/"));
}

/** Runs one suite after the other. */
async function runLane(
  names: readonly string[],
  reports: string,
  output?: string,
): Promise<StageResult[]> {
  const results: StageResult[] = [];
  for (const name of names) results.push(await runSuite(suites[name] ?? [], reports, output));
  if (output !== undefined) console.log(`\n${readFileSync(output, "utf8")}`);
  return results;
}

async function runAll(names: readonly string[], reports: string): Promise<StageResult> {
  const results = names.length === 0 ? [await check()] : [];
  const absent = await ensurePrograms();
  if (absent.length > 0) {
    console.error(advice(absent));
    results.push({ passed: 0, failures: absent.map((program) => `${program} is not installed`) });
  }
  const wanted = names.length === 0 ? Object.keys(suites) : names;
  const lanes = LANES.map((lane) => lane.filter((name) => wanted.includes(name)));
  const [shown = [], ...others] = lanes.filter((lane) => lane.length > 0);
  const inLanes = [
    runLane(shown, reports),
    ...others.map((lane, index) => runLane(lane, reports, join(reports, `lane-${index}.txt`))),
  ];
  results.push(...(await Promise.all(inLanes)).flat());
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failures: results.flatMap(({ failures }) => failures),
  };
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(suites, name));
if (unknown.length > 0) {
  const known = Object.keys(suites).join(", ");
  console.error(`there is no suite ${unknown.join(", ")}; the suites are ${known}`);
  process.exit(64);
}
const reports = mkdtempSync(join(tmpdir(), "starling-test-"));
try {
  conclude(await runAll(names, reports));
} finally {
  rmSync(reports, { recursive: true });
}
