import { expect, test } from "bun:test";
import { paceText, parsePaces, unharmed } from "./presence.ts";

const moved = {
  sent: 2,
  unsent: 0,
  seconds: 1,
  deliveries: 18,
  bytes: 0,
  wrong: 0,
  closed: 0,
  outdated: 0,
  delay: { median: 0, p99: 0 },
};

test("a run in which everything came is accepted", () => {
  expect(() => unharmed("a", moved, 18)).not.toThrow();
});

test("a lost delivery fails the run, but not where states may be left out", () => {
  expect(() => unharmed("a", moved, 19)).toThrow("a: 1 LOST");
  expect(() => unharmed("a", moved, undefined)).not.toThrow();
});

test("a member without the latest state, or a cut connection, fails every run", () => {
  const harmed = { ...moved, outdated: 2, closed: 1 };
  expect(() => unharmed("a", harmed, undefined)).toThrow("2 OUTDATED, 1 DISCONNECTED");
});

test("paces are read as they are written", () => {
  expect(parsePaces("10x10,50x5+")?.map(paceText)).toEqual(["10x10", "50x5+"]);
  for (const wrong of ["", "10", "0x1", "1x0", "1x2,", "1x2-", "1 x2"]) {
    expect(parsePaces(wrong)).toBeUndefined();
  }
});
