import { expect, test } from "bun:test";
import fc from "fast-check";
import { TokenBucket } from "./token-bucket.ts";

const options = { ratePerSecond: 10, burst: 20 };

test("a burst is allowed at once, then one each tenth of a second", () => {
  const bucket = new TokenBucket(options, 0);
  for (let count = 0; count < 20; count++) expect(bucket.take(options, 0)).toBe(true);
  expect(bucket.take(options, 99)).toBe(false);
  expect(bucket.take(options, 150)).toBe(true);
  expect(bucket.take(options, 150)).toBe(false);
});

test("a bucket that goes on with what another had allows what that would have", () => {
  const bucket = new TokenBucket(options, 0);
  for (let count = 0; count < 18; count++) bucket.take(options, 0);
  const other = TokenBucket.from(bucket.state);
  expect([1, 2, 3].map(() => other.take(options, 0))).toEqual([true, true, false]);
  expect(other.take(options, 100)).toBe(true);
});

test("over any stretch of time no more than burst and rate together are allowed", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 500 }), { maxLength: 200 }), (gaps) => {
      const bucket = new TokenBucket(options, 0);
      let now = 0;
      let latest = 0;
      let allowed = 0;
      for (const gap of gaps) {
        now += gap;
        latest += Math.max(0, gap);
        if (bucket.take(options, now)) allowed++;
      }
      expect(allowed).toBeLessThanOrEqual(options.burst + (latest * options.ratePerSecond) / 1000);
    }),
  );
});

test("a rate of 0 allows everything", () => {
  const off = { ratePerSecond: 0, burst: 1 };
  const bucket = new TokenBucket(off, 0);
  for (let count = 0; count < 100; count++) expect(bucket.take(off, 0)).toBe(true);
});
