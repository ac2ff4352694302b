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

test("of an app whose connections have all ended nothing is kept", () => {
  const apps = new Map([["app", { namespaces: new Map(), maxConnections: 2 }]]);
  const clock = new FakeClock();
  const budgets = new Budgets<string>(clock, apps);
  budgets.admit("a", "app");
  budgets.opened("a", "app");
  budgets.admit("b", "app");
  expect(budgets.size).toBe(4);
  clock.advance(10_000);
  budgets.closed("a", "app");
  expect(budgets.size).toBe(0);
});
