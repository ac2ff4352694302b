import { expect, test } from "bun:test";
import { Once } from "./once.ts";
import { numbered, numberOf } from "./orders.ts";

test("a number is read from a message as it was written", () => {
  for (const number of [0, 1, 4_711, 1_000_000]) {
    expect(numberOf(numbered(number))).toBe(number);
    expect(() => JSON.parse(numbered(number))).not.toThrow();
  }
});

test("all are here when each has come, in whatever order", async () => {
  const once = new Once(3);
  for (const number of [2, 0, 1]) once.take(number);
  await once.all;
});

test("what comes twice or was never sent is no message of the flow", async () => {
  for (const numbers of [[0, 0], [3], [-1], [Number.NaN]]) {
    const once = new Once(3);
    for (const number of numbers) once.take(number);
    await expect(once.all).rejects.toThrow("came once more, or from nowhere");
  }
});
