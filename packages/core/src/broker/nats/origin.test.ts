import { expect, test } from "bun:test";
import { isOfNode, meshIdOf, originOf } from "./origin.ts";

test("an origin says which node it is of, and how people call that", () => {
  const origin = originOf("start", "worker", "eu-1.example");
  expect(meshIdOf(origin)).toBe("eu-1.example");
  expect(isOfNode(origin, "start")).toBe(true);
  expect(isOfNode(origin, "star")).toBe(false);
  expect(isOfNode(origin, "worker")).toBe(false);
});

test.each(["start.worker", "start.worker.", "start", ""])("%j names no node", (origin) => {
  expect(meshIdOf(origin)).toBeUndefined();
});
