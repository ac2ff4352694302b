import { expect, test } from "bun:test";
import { debianVersion, installed } from "./debian.ts";

test("a missing program is named with its package", () => {
  expect(() => installed("nchan", "no-such-program", ["nginx", "a-module"])).toThrow(
    "the peer nchan needs no-such-program: apt-get install nginx a-module",
  );
  expect(() => installed("nchan", "/no/such/module.so", ["a-module"])).toThrow("a-module");
});

test("a program of PATH and a file are found", () => {
  expect(installed("any", "sh", ["dash"])).toEndWith("/sh");
  expect(installed("any", import.meta.path, ["none"])).toBe(import.meta.path);
});

test("a package that is not installed has no known version", () => {
  expect(debianVersion("no-such-package")).toBe("unknown");
});
