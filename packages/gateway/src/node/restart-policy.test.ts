import { expect, test } from "bun:test";
import { SeededRandom } from "@starling/core/testing/seeded-random.ts";
import { RestartPolicy } from "./restart-policy.ts";

const latest = { bytes: (length: number) => new Uint8Array(length).fill(255) };
const earliest = { bytes: (length: number) => new Uint8Array(length) };

test("waits twice as long after each short life, and gives up after the fifth", () => {
  const policy = new RestartPolicy(latest);
  const delays = Array.from({ length: 5 }, () => policy.ended(9_999));
  expect(delays).toEqual([200, 400, 800, 1_600, undefined]);
});

test("half of the wait is left to chance", () => {
  expect(new RestartPolicy(earliest).ended(0)).toBe(100);
  const random = new SeededRandom(7);
  const delays = Array.from({ length: 50 }, () => new RestartPolicy(random).ended(0) ?? 0);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(100);
  expect(Math.max(...delays)).toBeLessThanOrEqual(200);
  expect(new Set(delays).size).toBeGreaterThan(10);
});

test("a life of ten seconds makes up for all before", () => {
  const policy = new RestartPolicy(latest);
  for (let life = 0; life < 4; life++) policy.ended(0);
  expect(policy.ended(10_000)).toBe(200);
  expect(policy.ended(0)).toBe(400);
});
