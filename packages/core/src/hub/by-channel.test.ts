import { expect, test } from "bun:test";
import { ByChannel } from "./by-channel.ts";

test("keeps equal channels of different apps apart, and nothing of an app whose channels are gone", () => {
  const values = new ByChannel<number>();
  values.set("one", "a", 1);
  values.set("one", "b", 2);
  values.set("two", "a", 3);
  values.set("one", "b", 4);
  expect([...values.entries()]).toEqual([
    ["one", "a", 1],
    ["one", "b", 4],
    ["two", "a", 3],
  ]);
  values.delete("two", "b");
  values.delete("three", "a");
  values.delete("one", "b");
  expect(values.apps).toBe(2);
  values.delete("two", "a");
  expect([values.apps, values.get("two", "a"), values.get("one", "a")]).toEqual([1, undefined, 1]);
  values.clear();
  expect([values.apps, values.get("one", "a")]).toEqual([0, undefined]);
});
