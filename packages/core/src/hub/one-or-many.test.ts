import { expect, test } from "bun:test";
import fc from "fast-check";
import { each, excluding, includes, including, type OneOrMany, sizeOf } from "./one-or-many.ts";

test("one or many members behave as a Set does, whatever is added and deleted", () => {
  const all = [{ n: 0 }, { n: 1 }, { n: 2 }] as const;
  const step = fc.record({ add: fc.boolean(), member: fc.constantFrom(...all) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let members: OneOrMany<{ n: number }>;
      const model = new Set<{ n: number }>();
      for (const { add, member } of steps) {
        members = add ? including(members, member) : excluding(members, member);
        if (add) model.add(member);
        else model.delete(member);
        expect(sizeOf(members)).toBe(model.size);
        expect([...each(members)].sort((a, b) => a.n - b.n)).toEqual(
          [...model].sort((a, b) => a.n - b.n),
        );
        for (const one of all) expect(includes(members, one)).toBe(model.has(one));
      }
    }),
  );
});

test("one member alone takes no set", () => {
  const member = { n: 1 };
  expect(including(undefined, member)).toBe(member);
  expect(excluding(member, member)).toBeUndefined();
});
