import { expect, test } from "bun:test";
import fc from "fast-check";
import { Bag } from "./bag.ts";

test("a bag behaves as a Set does, whatever is added and removed", () => {
  const step = fc.record({ add: fc.boolean(), index: fc.nat({ max: 4 }) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const all = Array.from({ length: 5 }, (_, n) => ({ n, bagIndex: -1 }));
      const bag = new Bag<(typeof all)[number]>();
      const model = new Set<number>();
      for (const { add, index } of steps) {
        const member = all[index];
        if (member === undefined) continue;
        if (!add) expect(bag.remove(member)).toBe(model.delete(index));
        else if (!bag.has(member)) {
          bag.add(member);
          model.add(index);
        }
        expect(bag.size).toBe(model.size);
        expect(new Set(bag.values().map(({ n }) => n))).toEqual(model);
        for (const each of all) expect(bag.has(each)).toBe(model.has(each.n));
      }
    }),
  );
});

test("a member of one bag is not taken for a member of another", () => {
  const [first, second] = [new Bag(), new Bag()];
  const [a, b] = [{ bagIndex: -1 }, { bagIndex: -1 }];
  first.add(a);
  second.add(b);
  expect(second.has(a)).toBe(false);
  expect(second.remove(a)).toBe(false);
  expect(first.has(a)).toBe(true);
});
