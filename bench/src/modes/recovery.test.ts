import { expect, test } from "bun:test";
import { unharmed } from "./recovery.ts";

test("a storm in which anything went wrong has no values", () => {
  const well = { refused: 0, lost: 0, doubled: 0 };
  expect(() => unharmed("a", well, [])).not.toThrow();
  expect(() => unharmed("a", { ...well, lost: 2 }, [])).toThrow("a: 0 REFUSED, 2 LOST, 0 DOUBLED");
  expect(() => unharmed("a", { ...well, doubled: 1 }, [])).toThrow("1 DOUBLED");
  expect(() => unharmed("a", { ...well, refused: 1 }, ["polling: no"])).toThrow(
    "a: 1 REFUSED, 0 LOST, 0 DOUBLED; polling: no",
  );
});
