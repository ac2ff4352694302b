import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Report, readReport } from "./report.ts";

const TESTS = `import { beforeAll, describe, expect, test } from "bun:test";
test("passes", () => {});
describe("outer & co", () => {
  describe("inner", () => {
    test('fails "so" > there', () => {
      expect({ text: "<b>" }).toEqual({ text: "x" });
    });
  });
  test("takes too long", () => new Promise(() => {}), 1);
});
test("has much to say", () => {
  throw new Error("${"x".repeat(300)}\\n\\ntwo\\nthree\\nfour\\nfive\\nsix");
});
describe("a hook that fails", () => {
  beforeAll(() => {
    throw new RangeError("no server");
  });
  test("never runs", () => {});
});
test.skip("nobody wants", () => {});
`;

let folder: string;
let report: Report;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "starling-report-"));
  writeFileSync(join(folder, "some.test.ts"), TESTS);
  const file = join(folder, "report.xml");
  const command = ["test", "--reporter=junit", `--reporter-outfile=${file}`, "./some.test.ts"];
  const options = { cwd: folder, stdout: "ignore", stderr: "ignore" } as const;
  await Bun.spawn([process.execPath, ...command], options).exited;
  report = readReport(readFileSync(file, "utf8"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The lines that are told of a test. */
function told(name: string): readonly string[] {
  return report.failures.find((failure) => failure.includes(name))?.split("\n") ?? [];
}

describe("a report of Bun", () => {
  test("counts the tests, and knows their files", () => {
    expect([report.passed, report.failures.length]).toEqual([1, 5]);
    expect([...report.files]).toEqual(["some.test.ts"]);
  });

  test("names a failed test with its file and line, and says what was wrong and where", () => {
    expect(told("inner")).toEqual([
      'some.test.ts:5 outer & co > inner > fails "so" > there',
      "    expect(received).toEqual(expected)",
      "      {",
      '    -   "text": "x",',
      '    +   "text": "<b>",',
      "      }",
      "    at some.test.ts:6:31",
    ]);
  });

  test("tells of tests that ran out of time, had a broken hook or were skipped", () => {
    expect(told("takes too long").slice(1)).toEqual(["    test timed out"]);
    const [title, reason] = told("a hook that fails");
    expect([title, reason]).toEqual([
      expect.stringMatching(/^some\.test\.ts.* a hook that fails > /),
      "    no server",
    ]);
    expect(told("nobody wants").slice(1)).toEqual(["    was skipped"]);
  });

  test("shows no more than the first lines, and of each no more than its beginning", () => {
    const lines = told("has much to say").slice(1, -1);
    expect(lines).toEqual([
      `    ${"x".repeat(200)}`,
      ...["two", "three", "four", "five"].map((n) => `    ${n}`),
    ]);
  });
});

test("a report that was cut off tells what is in it", () => {
  const whole = `<testsuites><testsuite name="a.test.ts"><testcase name="one" /><testcase name="two">
    <failure type="Error" message="bad"`;
  expect(readReport(`${whole} />`)).toMatchObject({
    passed: 1,
    failures: ["a.test.ts two\n    bad"],
  });
  expect(readReport(whole)).toMatchObject({ passed: 2, failures: [] });
  expect(readReport("")).toEqual({ passed: 0, failures: [], files: new Set() });
});
