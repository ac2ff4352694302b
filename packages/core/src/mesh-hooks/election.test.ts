import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Candidate, elected, goesBefore } from "./election.ts";

const candidate: fc.Arbitrary<Candidate> = fc.record({
  start: fc.string({ minLength: 1 }),
  since: fc.nat(3),
  isInformed: fc.boolean(),
});
const candidates = fc.uniqueArray(candidate, { minLength: 1, selector: ({ start }) => start });

test("all elect the same one, in whatever order they know the others", () => {
  fc.assert(
    fc.property(candidates, fc.nat(), (all, turn) => {
      const place = turn % all.length;
      const turned = [...all.slice(place), ...all.slice(0, place)];
      const [first, ...others] = all;
      const [another, ...rest] = turned;
      if (first === undefined || another === undefined) throw new Error("nobody");
      expect(elected(another, rest)).toEqual(elected(first, others));
    }),
  );
});

test("whoever knows something is elected before the one that began first", () => {
  const old = { start: "old", since: 1, isInformed: false };
  const young = { start: "young", since: 2, isInformed: true };
  expect(elected(old, [young])).toBe(young);
  expect(elected(old, [{ ...young, isInformed: false }])).toBe(old);
});

test("of two nodes one goes before the other, and not the other way round", () => {
  fc.assert(
    fc.property(candidate, candidate, (a, b) => {
      fc.pre(a.start !== b.start);
      expect(goesBefore(a, b)).toBe(!goesBefore(b, a));
    }),
  );
});
