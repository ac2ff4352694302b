import { expect, test } from "bun:test";
import fc from "fast-check";
import { SeededRandom } from "../testing/seeded-random.ts";
import { pauseMs, retryAfterMs } from "./pauses.ts";

const NOW = Date.UTC(2026, 0, 1);

test("a pause is doubled with each failure up to a minute, and half of it is chance", () => {
  const longest = { bytes: () => new Uint8Array([255, 255]) };
  const shortest = { bytes: () => new Uint8Array(2) };
  expect([1, 2, 3, 8, 9, 5_000].map((failures) => pauseMs(failures, longest))).toEqual([
    500, 1_000, 2_000, 60_000, 60_000, 60_000,
  ]);
  expect([1, 2, 3, 8, 9].map((failures) => pauseMs(failures, shortest))).toEqual([
    250, 500, 1_000, 30_000, 30_000,
  ]);
  const random = new SeededRandom(3);
  const pauses = new Set(Array.from({ length: 20 }, () => pauseMs(4, random)));
  expect(pauses.size).toBeGreaterThan(15);
});

test("Retry-After is read as seconds and as a date", () => {
  expect(retryAfterMs("7", NOW)).toBe(7_000);
  expect(retryAfterMs(" 7 ", NOW)).toBe(7_000);
  expect(retryAfterMs("Thu, 01 Jan 2026 00:00:30 GMT", NOW)).toBe(30_000);
});

test("Retry-After asks for nothing where it is absent, past or not to be read", () => {
  for (const header of [undefined, "", "soon", "-5", "Wed, 31 Dec 2025 00:00:00 GMT"]) {
    expect(retryAfterMs(header, NOW)).toBe(0);
  }
});

test("whatever a receiver asks for, it is asked again within ten minutes", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.nat().map(String), fc.date().map(String)), (header) => {
      const wait = retryAfterMs(header, NOW);
      return wait >= 0 && wait <= 600_000;
    }),
  );
  expect(retryAfterMs("99999999999999999999", NOW)).toBe(600_000);
});
