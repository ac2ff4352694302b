import { expect, test } from "bun:test";
import fc from "fast-check";
import { Ring } from "./ring.ts";

/** Entries with an offset each, as many bytes, and a time in the order of their coming. */
const entries = fc
  .uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 25 })
  .map((offsets) => offsets.toSorted((a, b) => a - b));

test("a ring has the newest entries that are young enough, and knows up to where it lost any", () => {
  fc.assert(
    fc.property(
      entries,
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 30 }),
      fc.nat(30),
      (offsets, size, ttlMs, later) => {
        const ring = new Ring<string>(0);
        let kept: number[] = [];
        let lostUpTo = 0;
        const drop = (isKept: (offset: number, index: number) => boolean) => {
          const lost = kept.filter((offset, index) => !isKept(offset, index));
          lostUpTo = Math.max(lostUpTo, ...lost);
          kept = kept.filter((offset, index) => isKept(offset, index));
        };
        const check = () => {
          const all = ring.read(undefined, { limit: 100 }, 1e9);
          expect(all.entries.map(({ offset }) => offset)).toEqual(kept);
          expect(all.entries.every(({ content, offset }) => content === `${offset}`)).toBe(true);
          expect(ring.size).toBe(kept.length);
          expect(ring.bytes).toBe(kept.reduce((sum, offset) => sum + offset, 0));
          expect(ring.last).toBe(kept.at(-1) ?? lostUpTo);
          for (let offset = 0; offset <= 61; offset++) {
            expect(ring.hasAllSince(offset)).toBe(offset >= lostUpTo);
          }
        };
        for (const offset of offsets) {
          ring.add({ offset, time: offset, content: `${offset}` }, offset, { size, ttlMs });
          kept.push(offset);
          drop((each, index) => index >= kept.length - size && each > offset - ttlMs);
          check();
        }
        ring.expire(later);
        drop((each) => each > later);
        check();
      },
    ),
  );
});

test("a page has what lies behind an offset, or before it, up to its limits but at least one", () => {
  fc.assert(
    fc.property(
      entries,
      fc.integer({ min: 1, max: 25 }),
      fc.option(fc.integer({ min: 0, max: 61 }), { nil: undefined }),
      fc.nat(8),
      fc.boolean(),
      fc.integer({ min: 1, max: 100 }),
      (offsets, size, since, limit, newestFirst, maxBytes) => {
        const ring = new Ring<number>(0);
        for (const offset of offsets) {
          ring.add({ offset, time: offset, content: offset }, offset, { size, ttlMs: 1_000 });
        }
        const kept = offsets.slice(-size);
        const all = newestFirst
          ? kept.toReversed().filter((offset) => offset < (since ?? 100))
          : kept.filter((offset) => offset > (since ?? 0));
        const expected: number[] = [];
        let bytes = 0;
        for (const offset of all.slice(0, limit)) {
          bytes += offset;
          if (expected.length > 0 && bytes > maxBytes) break;
          expected.push(offset);
        }
        const page = ring.read(since, { limit, newestFirst }, maxBytes);
        expect(page.entries.map(({ offset }) => offset)).toEqual(expected);
        expect(page.hasMore).toBe(expected.length < all.length);
      },
    ),
  );
});
