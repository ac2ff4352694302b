import { expect, test } from "bun:test";
import { parseParts } from "./cluster.ts";

test("parts are read as they are written", () => {
  expect(parseParts("ipc")).toEqual(["ipc"]);
  expect(parseParts("polling,fanout")).toEqual(["polling", "fanout"]);
  expect(parseParts("fanout,")).toBeUndefined();
  expect(parseParts("everything")).toBeUndefined();
});
