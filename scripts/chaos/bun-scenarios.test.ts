import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning } from "../../test/support/faults/node-under-test.ts";
import { findScenarios, type Place, runScenario } from "./bun-scenarios.ts";
import { label, type Scenario } from "./scenario.ts";

/** Tests of which each says by its name what it does. */
const TESTS = `import { describe, expect, test } from "bun:test";
const seeds = (process.env.FAULT_SEED ?? "1,2").split(",").map(Number);
describe("a suite", () => {
  test.each(seeds)("passes (seed %i)", (seed) => expect(seed).toBeGreaterThan(0));
  test.each(seeds)("fails (seed %i)", (seed) => {
    console.error("what the node said");
    expect(seed).toBe(-1);
  });
});
test.each(seeds)("breaks off (seed %i)", () => process.exit(0));
test.each(seeds)("leaves a process (seed %i)", async () => {
  const child = Bun.spawn(["sleep", "1000"]);
  child.unref();
  await Bun.write("left-over", String(child.pid));
});
test.each(seeds)("hangs (seed %i)", async () => {
  const stop = 'trap "sleep 0.1; touch stopped; exit" TERM';
  const wait = "while :; do sleep 0.01; done";
  await Bun.spawn(["sh", "-c", stop + "; echo $$ > left-over; " + wait]).exited;
});
test("is of one kind", () => {});
`;

let root: string;
let place: Place;
let scenarios: readonly Scenario[];
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "starling-chaos-test-"));
  await Bun.write(join(root, "tests/some.test.ts"), TESTS);
  const logs = join(root, "logs");
  mkdirSync(logs);
  place = { root, logs, limitMs: 60_000, signal: new AbortController().signal };
  scenarios = await findScenarios(place, "tests");
});
afterEach(() => {
  rmSync(join(root, "left-over"), { force: true });
  for (const log of readdirSync(place.logs)) rmSync(join(place.logs, log));
});
afterAll(() => rmSync(root, { recursive: true }));

function run(name: string, options: Partial<Place> = {}): Promise<string | undefined> {
  const scenario = scenarios.find((each) => label(each) === `some: ${name}`);
  if (scenario === undefined) throw new Error(`there is no ${name}`);
  return runScenario({ ...place, ...options }, scenario, 31);
}

/** The process that a test has started, once it has. */
async function leftOver(): Promise<number> {
  const file = join(root, "left-over");
  for (;;) {
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (pid > 0) return pid;
    await Bun.sleep(1);
  }
}

test("scenarios are found by themselves, and no test is run for that", () => {
  expect(scenarios.map(label)).toEqual([
    "some: a suite > passes",
    "some: a suite > fails",
    "some: breaks off",
    "some: leaves a process",
    "some: hangs",
  ]);
  expect(existsSync(join(root, "left-over"))).toBe(false);
});

test("a file that cannot be read is not left out in silence", async () => {
  await Bun.write(join(root, "broken/bad.test.ts"), "throw new Error('this file is bad');");
  await expect(findScenarios(place, "broken")).rejects.toThrow(/bad\.test\.ts.*this file is bad/s);
});

describe("a run", () => {
  test("that passes leaves no log", async () => {
    expect(await run("a suite > passes")).toBeUndefined();
    expect(readdirSync(place.logs)).toEqual([]);
  });

  test("that fails says what was wrong and keeps the log", async () => {
    const failure = await run("a suite > fails");
    expect(failure).toContain("Expected: -1");
    expect(failure).toContain(`log: ${join(place.logs, "31.log")}`);
    const log = readFileSync(join(place.logs, "31.log"), "utf8");
    expect(log).toContain("what the node said");
    expect(log).toContain("1 fail");
  });

  test("that breaks off has failed, whatever its exit code", async () => {
    expect(await run("breaks off")).toContain("did not run");
  });

  test("leaves no process behind, even where the test does", async () => {
    expect(await run("leaves a process")).toBeUndefined();
    expect(isRunning(await leftOver())).toBe(false);
  });

  test("that takes too long has failed", async () => {
    expect(await run("hangs", { limitMs: 500 })).toContain("took longer than 0.5 s");
  });

  test("that is cut short has not failed, stops its node in order, and leaves no log", async () => {
    const interrupt = new AbortController();
    const running = run("hangs", { signal: interrupt.signal });
    const pid = await leftOver();
    interrupt.abort();
    expect(await running).toBeUndefined();
    expect(isRunning(pid)).toBe(false);
    expect(existsSync(join(root, "stopped"))).toBe(true);
    expect(readdirSync(place.logs)).toEqual([]);
  });
});
