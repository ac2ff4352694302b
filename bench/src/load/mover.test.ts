import { expect, test } from "bun:test";
import { dueAt, senderOf } from "./mover.ts";

test("states are due evenly spread, or all senders' at the same moments", () => {
  const due = (atOnce: boolean) =>
    [0, 1, 2, 3].map((number) => dueAt({ active: 2, rate: 10, atOnce }, number));
  expect(due(false)).toEqual([0, 50, 100, 150]);
  expect(due(true)).toEqual([0, 0, 100, 100]);
});

test("every second it is the turn of the next members", () => {
  const pace = { active: 2, rate: 2, atOnce: false };
  const senders = Array.from({ length: 10 }, (_, number) => senderOf(pace, 5, number));
  expect(senders).toEqual([0, 1, 0, 1, 2, 3, 2, 3, 4, 0]);
});
