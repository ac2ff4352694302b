import { expect, test } from "bun:test";
import fc from "fast-check";
import { equalInConstantTime, indexInConstantTime } from "./constant-time.ts";

test("two strings are equal exactly when === says so, unless both are empty", () => {
  const short = fc.string({ unit: fc.constantFrom("a", "b", "\u{1f600}", "\ud800"), maxLength: 4 });
  fc.assert(
    fc.property(short, short, (presented, secret) => {
      expect(equalInConstantTime(presented, secret)).toBe(presented === secret && secret !== "");
    }),
  );
});

test("a repetition of the secret does not equal the secret", () => {
  expect(equalInConstantTime("abab", "ab")).toBe(false);
  expect(equalInConstantTime("ab", "abab")).toBe(false);
  expect(equalInConstantTime("\0", "\0\0")).toBe(false);
});

test("an empty secret equals nothing", () => {
  expect(equalInConstantTime("", "")).toBe(false);
  expect(equalInConstantTime("a", "")).toBe(false);
});

test("the matching secret is found wherever it stands", () => {
  expect(indexInConstantTime("b", ["a", "b", "c"])).toBe(1);
  expect(indexInConstantTime("c", ["a", "b", "c"])).toBe(2);
  expect(indexInConstantTime("d", ["a", "b", "c"])).toBe(-1);
  expect(indexInConstantTime("a", [])).toBe(-1);
});
