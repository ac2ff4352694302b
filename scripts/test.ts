/**
 * Runs every test there is and ends with one line: `N passed, M failed`.
 *
 * Usage: npm test [-- unit|wire|cluster|browser ...]; without a name also format, lint and types.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, run, type StageResult } from "./stage.ts";
import { advice, ensurePrograms } from "./system-packages.ts";

const suites: Readonly<Record<string, readonly string[]>> = {
  unit: ["packages", "bench", "scripts"],
  wire: ["test/wire"],
  cluster: ["test/cluster"],
  browser: ["test/browser"],
};

async function runSuite(folders: readonly string[], reports: string): Promise<StageResult> {
  const report = join(reports, `${folders.join("-").replaceAll("/", "_")}.xml`);
  const exitCode = await run([
    "bun",
    "test",
    "--timeout=60000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...folders.map((folder) => `./${folder}`),
  ]);
  const counted = readReport(report);
  // A run that broke off, or that skipped a test, must not look like one in which all was well.
  return exitCode !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
}

function readReport(file: string): StageResult {
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const root = /<testsuites [^>]*>/.exec(readFileSync(file, "utf8"))?.[0] ?? "";
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
  const failed = count("failures") + count("errors") + count("skipped");
  return { passed: count("tests") - failed, failed };
}

async function runAll(names: readonly string[], reports: string): Promise<StageResult> {
  const results = names.length === 0 ? [await check()] : [];
  const absent = await ensurePrograms();
  if (absent.length > 0) {
    console.error(advice(absent));
    results.push({ passed: 0, failed: absent.length });
  }
  for (const name of names.length === 0 ? Object.keys(suites) : names) {
    results.push(await runSuite(suites[name] ?? [], reports));
  }
  return results.reduce((sum, { passed, failed }) => ({
    passed: sum.passed + passed,
    failed: sum.failed + failed,
  }));
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
  const { passed, failed } = await runAll(names, reports);
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
} finally {
  rmSync(reports, { recursive: true });
}
