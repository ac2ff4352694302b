import { describe, expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { Answered } from "./answered.ts";

const APP = "app";

function setUp() {
  const clock = new FakeClock();
  const answered = new Answered(clock);
  const answer = { starts: new Set(["a", "b"]), upTo: 10, isSent: true };
  answered.note(APP, "room", answer);
  const isOnItsWay = (start: string, floor = 0, channel = "room") =>
    answered.isOnItsWay(APP, channel, start, floor);
  return { clock, answered, answer, isOnItsWay };
}

describe("an answer that was sent just now", () => {
  test("is on its way to those that it goes to, as long as they know less", () => {
    const { isOnItsWay } = setUp();
    expect(isOnItsWay("a", 9)).toBe(true);
    expect(isOnItsWay("b")).toBe(true);
    expect(isOnItsWay("a", 10)).toBe(false);
    expect(isOnItsWay("c")).toBe(false);
    expect(isOnItsWay("a", 0, "other")).toBe(false);
  });

  test("does not hide another one", () => {
    const { answered, isOnItsWay } = setUp();
    answered.note(APP, "room", { starts: new Set(["c"]), upTo: 5, isSent: true });
    expect(isOnItsWay("a", 9)).toBe(true);
    expect(isOnItsWay("c", 4)).toBe(true);
    expect(isOnItsWay("c", 5)).toBe(false);
  });

  test("has arrived, or was lost, within a second", () => {
    const { clock, answered, answer, isOnItsWay } = setUp();
    answer.isSent = false;
    answered.note(APP, "room", answer);
    clock.advance(5_000);
    expect(isOnItsWay("a")).toBe(true);
    answer.isSent = true;
    clock.advance(500);
    expect(isOnItsWay("a")).toBe(true);
    clock.advance(500);
    expect(isOnItsWay("a")).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  test("is nothing to rely on for a node that was away", () => {
    const { answered, isOnItsWay } = setUp();
    answered.forget("a");
    expect(isOnItsWay("a")).toBe(false);
    expect(isOnItsWay("b")).toBe(true);
  });

  test("is nothing to rely on once the own link breaks", () => {
    const { clock, answered, isOnItsWay } = setUp();
    answered.clear();
    expect(isOnItsWay("a")).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});
