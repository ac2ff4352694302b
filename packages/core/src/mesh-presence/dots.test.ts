import { expect, test } from "bun:test";
import fc from "fast-check";
import { Dots } from "./dots.ts";

const numbers = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 });

function listed(dots: Dots): number[] {
  return Array.from({ length: 45 }, (_, index) => index).filter((dot) => dots.has(dot));
}

function sorted(all: Iterable<number>): number[] {
  return [...new Set(all)].sort((a, b) => a - b);
}

test("a set has what was put into it, and its ranges are as few as possible", () => {
  fc.assert(
    fc.property(numbers, (all) => {
      const dots = Dots.of(all);
      expect(listed(dots)).toEqual(sorted(all));
      const gaps = sorted(all).filter((dot, index, list) => dot !== (list[index - 1] ?? -1) + 1);
      expect(dots.ranges).toBe(gaps.length);
      expect(dots.last).toBe(Math.max(0, ...all));
      expect(dots.upTo(20)).toBe(sorted(all).filter((dot) => dot <= 20).length);
      expect(Dots.fromBounds(dots.bounds).bounds).toEqual(dots.bounds);
    }),
  );
});

test("union and intersection are those of sets", () => {
  fc.assert(
    fc.property(numbers, numbers, (some, others) => {
      const union = Dots.of(some);
      union.addAll(Dots.of(others));
      expect(union.bounds).toEqual(Dots.of([...some, ...others]).bounds);
      const shared = Dots.of(some).intersection(Dots.of(others));
      expect(shared.bounds).toEqual(Dots.of(some.filter((dot) => others.includes(dot))).bounds);
    }),
  );
});

test("a copy is a set of its own", () => {
  const dots = Dots.range(1, 3);
  const copy = dots.copy();
  copy.addAll(Dots.range(4, 4));
  expect([dots.last, copy.last]).toEqual([3, 4]);
});

test("the floor is what nothing is missing below", () => {
  expect(Dots.of([1, 2, 4]).floor).toBe(2);
  expect(Dots.of([2, 3]).floor).toBe(0);
  expect(Dots.none().floor).toBe(0);
  expect([Dots.range(1, 5).isWhole, Dots.of([1, 3]).isWhole, Dots.none().isWhole]).toEqual([
    true,
    false,
    false,
  ]);
});

test("ranges out of order are refused", () => {
  for (const bounds of [[0, 1], [3, 2], [1, 2, 3, 4], [5, 6, 1, 2], [1]]) {
    expect(() => Dots.fromBounds(bounds)).toThrow(RangeError);
  }
});
