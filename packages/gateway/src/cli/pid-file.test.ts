import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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
  const first = new PidFile(folder, 1, () => false);
  const second = new PidFile(folder, 2, () => false);
  first.write();
  expect(second.write()).toBeUndefined();
  first.remove();
  expect(existsSync(second.path)).toBe(true);
  second.remove();
  expect(existsSync(second.path)).toBe(false);
});

test("a pid file of another process that is alive is left alone, and that process is told", () => {
  const first = new PidFile(folder, 1, () => true);
  const second = new PidFile(folder, 2, () => true);
  first.write();
  expect(second.write()).toBe(1);
  second.remove();
  expect(readFileSync(first.path, "utf8")).toBe("1\n");
  expect(first.write()).toBeUndefined();
});

test("whether a process is alive is asked of the system", async () => {
  const child = Bun.spawn(["sleep", "60"]);
  new PidFile(folder, child.pid).write();
  const own = new PidFile(folder, process.pid);
  expect(own.write()).toBe(child.pid);
  child.kill();
  await child.exited;
  expect(own.write()).toBeUndefined();
});

test("what is no pid file is replaced", () => {
  const file = new PidFile(folder, 4711);
  for (const text of ["", "-1\n", "1 2\n", "99999999999\n"]) {
    writeFileSync(file.path, text);
    expect(file.write()).toBeUndefined();
    expect(readFileSync(file.path, "utf8")).toBe("4711\n");
  }
});

test("a pid file that is gone already is no fault", () => {
  expect(() => new PidFile(folder, 1).remove()).not.toThrow();
});
