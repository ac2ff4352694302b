import { expect, test } from "bun:test";
import { Pace } from "./pace.ts";

test("more is asked for at a time while answers are fast and full, up to a limit", () => {
  const pace = new Pace();
  const first = pace.batch;
  pace.took(10, first);
  expect(pace.batch).toBe(2 * first);
  pace.took(10, first);
  expect(pace.batch).toBe(2 * first);
  for (let i = 0; i < 10; i++) pace.took(10, pace.batch);
  expect(pace.batch).toBe(200);
});

test("less is asked for where answers are slow, but something", () => {
  const pace = new Pace();
  const first = pace.batch;
  pace.took(400, first);
  expect(pace.batch).toBe(first);
  pace.took(1_000, first);
  expect(pace.batch).toBe(first / 2);
  for (let i = 0; i < 10; i++) pace.took(1_000, 0);
  expect(pace.batch).toBe(8);
});
