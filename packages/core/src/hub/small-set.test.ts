import { expect, test } from "bun:test";
import fc from "fast-check";
import { SmallSet } from "./small-set.ts";

test("a small set behaves as a Set does, whatever is added and deleted", () => {
  const members = [{ n: 0 }, { n: 1 }, { n: 2 }] as const;
  const step = fc.record({ add: fc.boolean(), member: fc.constantFrom(...members) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const small = new SmallSet<{ n: number }>();
      const model = new Set<{ n: number }>();
      for (const { add, member } of steps) {
        if (add) {
          expect(small.add(member)).toBe(!model.has(member));
          model.add(member);
        } else {
          expect(small.delete(member)).toBe(model.delete(member));
        }
        const seen: { n: number }[] = [];
        small.forEach((each) => {
          seen.push(each);
        });
        expect(small.size).toBe(model.size);
        expect(new Set(seen)).toEqual(model);
        expect(seen.length).toBe(model.size);
        for (const each of members) expect(small.has(each)).toBe(model.has(each));
      }
    }),
  );
});
