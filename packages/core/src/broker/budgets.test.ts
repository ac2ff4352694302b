import { expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { Budgets } from "./budgets.ts";

test("what a worker closes beyond what it has opened gives nobody room", () => {
  const apps = new Map([["app", { namespaces: new Map(), maxConnections: 2 }]]);
  const budgets = new Budgets<string>(new FakeClock(), apps);
  budgets.admit("a", "app");
  for (let n = 0; n < 3; n++) budgets.closed("a", "app");
  budgets.admit("b", "app");
  expect(() => budgets.admit("b", "app")).toThrow(
    expect.objectContaining({ errorName: "too_many_connections" }),
  );
  expect(budgets.refused).toBe(1);
});
