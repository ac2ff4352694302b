import { expect, test } from "bun:test";
import fc from "fast-check";
import { PublicationIds } from "./publication-ids.ts";

test("ids of any 8192 workers in a row are different, exact numbers", () => {
  const worker = fc.nat({ max: 2 ** 40 });
  fc.assert(
    fc.property(worker, fc.integer({ min: 1, max: 8191 }), (first, distance) => {
      const ids = [new PublicationIds(first), new PublicationIds(first + distance)];
      const given = ids.flatMap((of) => [of.next(), of.next()]);
      expect(new Set(given).size).toBe(4);
      expect(given.every((id) => Number.isSafeInteger(id) && id >= 0)).toBe(true);
    }),
  );
});
