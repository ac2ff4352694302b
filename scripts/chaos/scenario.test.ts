import { expect, test } from "bun:test";
import { bunArguments, label, readScenarios, repeatCommand } from "./scenario.ts";

const REPORT = `<testsuites>
  <testsuite name="test/cluster/z.test.ts" file="test/cluster/z.test.ts">
    <testsuite name="with (two) workers">
      <testcase name="nothing is lost (seed 77)"><skipped /></testcase>
      <testcase name="a fixed one (seed 5)"><skipped /></testcase>
      <testcase name="one without"><skipped /></testcase>
    </testsuite>
  </testsuite>
  <testsuite name="test/cluster/a.test.ts" file="test/cluster/a.test.ts">
    <testcase name="it&apos;s kept (seed 77)" />
    <testcase name="it&apos;s kept (seed 77)" />
  </testsuite>
</testsuites>`;

const [kept, lost, ...others] = readScenarios(REPORT, 77);
if (kept === undefined || lost === undefined) throw new Error("there are two scenarios");

test("scenarios are the tests whose name has the given seed, each once, by their files", () => {
  expect([kept, lost, ...others]).toEqual([
    { file: "test/cluster/a.test.ts", path: ["it's kept (seed %i)"] },
    { file: "test/cluster/z.test.ts", path: ["with (two) workers", "nothing is lost (seed %i)"] },
  ]);
});

test("a scenario is called by its file and its names, without the seed", () => {
  expect([kept, lost].map(label)).toEqual([
    "a: it's kept",
    "z: with (two) workers > nothing is lost",
  ]);
});

test("a run is of one test of one file", () => {
  const args = bunArguments(lost, 12);
  expect(args.slice(0, 2)).toEqual(["test", "./test/cluster/z.test.ts"]);
  const pattern = new RegExp(args.at(-1) ?? "");
  expect(pattern.test("with (two) workers nothing is lost (seed 12)")).toBe(true);
  expect(pattern.test("with (two) workers nothing is lost (seed 123)")).toBe(false);
  expect(pattern.test("with (two) workers nothing is lost (seed 12) or doubled")).toBe(false);
  expect(pattern.test("and with (two) workers nothing is lost (seed 12)")).toBe(false);
});

test("a shell understands the command that repeats a run", async () => {
  const command = repeatCommand(kept, 12);
  const shell = `npx() { printf '%s\\n' "$FAULT_SEED" "$@"; }; ${command}`;
  const said = await new Response(Bun.spawn(["sh", "-c", shell]).stdout).text();
  expect(said.trimEnd().split("\n")).toEqual(["12", "bun", ...bunArguments(kept, 12)]);
});
