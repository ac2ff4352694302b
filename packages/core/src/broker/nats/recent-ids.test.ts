import { expect, test } from "bun:test";
import { RecentIds } from "./recent-ids.ts";

test("an id is new once, until as many others have come as are remembered", () => {
  const ids = new RecentIds(2);
  expect(["a", "a", "b", "a"].map((id) => ids.isNew(id))).toEqual([true, false, true, false]);
  expect(["c", "b", "a"].map((id) => ids.isNew(id))).toEqual([true, false, true]);
});
