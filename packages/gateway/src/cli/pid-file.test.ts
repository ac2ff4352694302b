import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PidFile } from "./pid-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-pid-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a pid file holds the process id, in a folder for its owner only", () => {
  const file = new PidFile(join(folder, "a", "state"), 4711);
  file.write();
  expect(file.path).toBe(join(folder, "a", "state", "starling.pid"));
  expect(readFileSync(file.path, "utf8")).toBe("4711\n");
  expect(statSync(join(folder, "a", "state")).mode & 0o777).toBe(0o700);
});

test("a pid file is removed by its own process only", () => {
  const first = new PidFile(folder, 1);
  const second = new PidFile(folder, 2);
  first.write();
  second.write();
  first.remove();
  expect(existsSync(second.path)).toBe(true);
  second.remove();
  expect(existsSync(second.path)).toBe(false);
});

test("a pid file that is gone already is no fault", () => {
  expect(() => new PidFile(folder, 1).remove()).not.toThrow();
});
