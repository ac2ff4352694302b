import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hex } from "./testing/bytes.ts";
import { decodeVarint, encodeVarint, MAX_VARINT, VarintParser, varintLength } from "./varint.ts";

/** RFC 9000, appendix A.1. */
const VECTORS: readonly (readonly [digits: string, value: bigint])[] = [
  ["c2197c5eff14e88c", 151_288_809_941_952_652n],
  ["9d7f3e7d", 494_878_333n],
  ["7bbd", 15_293n],
  ["25", 37n],
];

const anyVarint = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX_VARINT }),
  fc.constantFrom(63n, 64n, 16_383n, 16_384n, 1_073_741_823n, 1_073_741_824n, MAX_VARINT),
);

describe("a variable-length integer", () => {
  test.each(VECTORS)("of the RFC is written and read: %s", (digits, value) => {
    expect(encodeVarint(value)).toEqual(hex(digits));
    expect(decodeVarint(hex(digits), 0)).toBe(value);
  });

  test("may be longer than it has to be", () => {
    expect(decodeVarint(hex("4025"), 0)).toBe(37n);
    const parser = new VarintParser();
    expect([...hex("c000000000000025")].map((octet) => parser.push(octet)).at(-1)).toBe(true);
    expect(parser.value).toBe(37);
  });

  test("comes back as it was, in the shortest form", () => {
    fc.assert(
      fc.property(anyVarint, (value) => {
        const bytes = encodeVarint(value);
        expect(decodeVarint(bytes, 0)).toBe(value);
        expect(varintLength(bytes[0] ?? 0)).toBe(bytes.length);
        const shorter = bytes.length === 1 ? 0 : 2 ** (4 * bytes.length - 2);
        expect(value >= BigInt(shorter)).toBe(true);
      }),
    );
  });

  test("is read octet by octet as at once", () => {
    fc.assert(
      fc.property(fc.array(anyVarint, { maxLength: 5 }), (values) => {
        const parser = new VarintParser();
        for (const value of values) {
          const octets = [...encodeVarint(value)];
          const last = octets.pop() ?? 0;
          for (const octet of octets) {
            expect(parser.push(octet)).toBe(false);
            expect(parser.isPartial).toBe(true);
          }
          expect(parser.push(last)).toBe(true);
          expect(parser.isPartial).toBe(false);
          if (value < 2n ** 53n) expect(parser.value).toBe(Number(value));
          else expect(parser.value / Number(value)).toBeCloseTo(1, 12);
        }
      }),
    );
  });

  test("that is cut off is none", () => {
    for (const [digits] of VECTORS) {
      const bytes = hex(digits);
      expect(decodeVarint(bytes.subarray(0, -1), 0)).toBeUndefined();
    }
  });

  test.each([-1, 1.5, 2 ** 53, Number.NaN, MAX_VARINT + 1n])("cannot be %p", (value) => {
    expect(() => encodeVarint(value)).toThrow(RangeError);
  });
});
