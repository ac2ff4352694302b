import { expect, test } from "bun:test";
import { Tally } from "./tally.ts";

const tallied = (expected: number, ...texts: string[]) => {
  const tally = new Tally(expected);
  for (const text of texts) tally.read(text);
  return [tally.lost, tally.doubled];
};

test("what comes once and in order is neither lost nor doubled", () => {
  expect(tallied(3, '{"n":1}', '{"n":2} {"n":3}')).toEqual([0, 0]);
});

test("what does not come is lost, also at the end", () => {
  expect(tallied(5, '{"n":1}', '{"n":3}')).toEqual([3, 0]);
  expect(tallied(2)).toEqual([2, 0]);
});

test("what comes again is doubled, and what comes too late is both", () => {
  expect(tallied(2, '{"n":1}', '{"n":1}', '{"n":2}')).toEqual([0, 1]);
  expect(tallied(2, '{"n":2}', '{"n":1}')).toEqual([1, 1]);
});

test("a client is done with the last message", async () => {
  await new Tally(0).complete;
  const tally = new Tally(2);
  tally.read('{"n":1}{"n":2}');
  await tally.complete;
});
