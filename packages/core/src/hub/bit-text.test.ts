import { expect, test } from "bun:test";
import fc from "fast-check";
import { bitsOf, bitText, maxBitText } from "./bit-text.ts";

const runs = fc.array(fc.record({ count: fc.nat(200), bit: fc.boolean() }), { maxLength: 20 });
const bits = fc.oneof(
  fc.array(fc.boolean(), { maxLength: 200 }),
  runs.map((all) => all.flatMap(({ count, bit }) => new Array<boolean>(count).fill(bit))),
);

test("bits are read as they were written, and filled up to a group", () => {
  fc.assert(
    fc.property(bits, (written) => {
      const text = bitText(written.length, (index) => written[index] === true);
      const read = [...bitsOf(text)];
      expect(read.slice(0, written.length)).toEqual(written);
      expect(read.slice(written.length).some((bit) => bit !== false)).toBe(false);
      expect(read.length - written.length).toBeLessThan(5);
      expect(text.length).toBeLessThanOrEqual(maxBitText(written.length));
    }),
  );
});

test("runs are short", () => {
  expect(bitText(1_000, () => true)).toHaveLength(12);
  expect(bitText(1_000, () => false)).toHaveLength(12);
  expect(bitText(5, () => true)).toBe("f");
  expect(bitText(10, () => true)).toBe("w");
});
