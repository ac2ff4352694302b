import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderProblem } from "./folders.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "starling-folders-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("a folder that exists, or can be made, has no problem and stays as it was", () => {
  mkdirSync(join(root, "there"));
  expect(folderProblem(join(root, "there"))).toBeUndefined();
  expect(folderProblem(join(root, "new", "and", "deep"))).toBeUndefined();
  expect(readdirSync(root)).toEqual(["there"]);
  expect(readdirSync(join(root, "there"))).toEqual([]);
});

test("a file in the place of the folder, or above it, is a problem", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  expect(folderProblem(file)).toBe("is no folder");
  expect(folderProblem(join(file, "a", "b"))).toBe(`cannot be made, since ${file} is no folder`);
});

test("a link that leads nowhere is a problem", () => {
  const link = join(root, "link");
  symlinkSync(join(root, "nowhere"), link);
  expect(folderProblem(link)).toBe("cannot be written to (ENOENT)");
});

test("a place where the system makes no folders is a problem", () => {
  // This file system takes no files from anybody, the superuser included.
  if (!existsSync("/proc/self")) return;
  expect(folderProblem("/proc/starling")).toMatch(/^cannot be made in \/proc \(E[A-Z]+\)$/);
});
