import { expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { IdempotencyWindow } from "./idempotency.ts";

function window(options: { windowMs?: number; maxEntries?: number } = {}) {
  const clock = new FakeClock();
  return { clock, answers: new IdempotencyWindow<string>({ windowMs: 1000, ...options, clock }) };
}

test("the same key and request find the same answer", () => {
  const { answers } = window();
  expect(answers.find("k", "request")).toBeUndefined();
  answers.remember("k", "request", "answer");
  expect(answers.find("k", "request")).toBe("answer");
  expect(answers.find("other", "request")).toBeUndefined();
});

test("the same key with a different request is a conflict", () => {
  const { answers } = window();
  answers.remember("k", "request", "answer");
  expect(() => answers.find("k", "different")).toThrow(
    expect.objectContaining({ errorName: "idempotency_conflict", status: 409 }),
  );
});

test("an answer is forgotten at the end of its window, without a timer", () => {
  const { clock, answers } = window();
  answers.remember("k", "request", "answer");
  clock.advance(999);
  expect(answers.find("k", "request")).toBe("answer");
  clock.advance(1);
  expect(answers.find("k", "different")).toBeUndefined();
  expect(answers.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test("finding an answer does not prolong its window", () => {
  const { clock, answers } = window();
  answers.remember("k", "request", "answer");
  clock.advance(600);
  answers.find("k", "request");
  clock.advance(600);
  expect(answers.find("k", "request")).toBeUndefined();
});

test("when the window is full the oldest answer is forgotten, and counted", () => {
  const { answers } = window({ maxEntries: 3 });
  for (const key of ["a", "b", "c", "d", "e"]) answers.remember(key, "request", key);
  expect(answers.size).toBe(3);
  expect(answers.forgottenEarly).toBe(2);
  expect(answers.find("a", "request")).toBeUndefined();
  expect(answers.find("c", "request")).toBe("c");
  expect(answers.find("e", "request")).toBe("e");
});

test("after the clock was set back a retry still finds its answer, and younger ones expire", () => {
  const { clock, answers } = window();
  answers.remember("old", "request", "old");
  clock.jumpTo(clock.now() - 5000);
  answers.remember("young", "request", "young");
  expect(answers.find("old", "request")).toBe("old");
  clock.advance(1000);
  expect(answers.find("young", "request")).toBeUndefined();
});

test("a window of no length remembers nothing", () => {
  const { answers } = window({ windowMs: 0 });
  answers.remember("k", "request", "answer");
  expect(answers.find("k", "request")).toBeUndefined();
  expect(answers.size).toBe(0);
});

test("an option outside its range is refused by name", () => {
  expect(() => window({ windowMs: -1 })).toThrow("windowMs is -1");
  expect(() => window({ maxEntries: 0 })).toThrow("maxEntries is 0");
});
