import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ErrorCode, Http3Error } from "../http3/errors.ts";
import { concatenate } from "../records.ts";
import { codeOf, hex } from "../testing/bytes.ts";
import { decodeFieldSection } from "./decoder.ts";
import { encodeFieldSection, encodeInteger } from "./encoder.ts";
import { FieldReader } from "./field-reader.ts";
import { type Field, staticTable } from "./static-table.ts";

const octets = fc.uint8Array({ maxLength: 300 }).map((bytes) => String.fromCharCode(...bytes));
const anyField: fc.Arbitrary<Field> = fc.oneof(
  fc.constantFrom(...staticTable),
  fc.tuple(fc.constantFrom(...staticTable.map(([name]) => name)), octets),
  fc.tuple(octets, octets),
);

describe("a field section", () => {
  test("of the RFC is read", () => {
    // RFC 9204, appendix B.1.
    const section = hex("0000 510b 2f69 6e64 6578 2e68 746d 6c");
    expect(decodeFieldSection(section)).toEqual([[":path", "/index.html"]]);
  });

  test("of a browser is read, with its Huffman code", () => {
    const section = hex("0000 cf d7 508c f1e3c2e5f23a6ba0ab90f4ff c1");
    expect(decodeFieldSection(section)).toEqual([
      [":method", "CONNECT"],
      [":scheme", "https"],
      [":authority", "www.example.com"],
      [":path", "/"],
    ]);
  });

  test("has a name in Huffman code, too", () => {
    const section = hex("0000 2f01 25a849e95ba97d7f 8925a849e95bb8e8b4bf");
    expect(decodeFieldSection(section)).toEqual([["custom-key", "custom-value"]]);
  });

  test("comes back as it was", () => {
    fc.assert(
      fc.property(fc.array(anyField), (fields) => {
        expect(decodeFieldSection(encodeFieldSection(fields))).toEqual(fields);
      }),
    );
  });

  test("takes the shortest form for what the static table has", () => {
    expect(encodeFieldSection([[":status", "200"]])).toEqual(hex("0000 d9"));
    expect(encodeFieldSection([[":status", "501"]])).toEqual(hex("0000 5f09 03 353031"));
    expect(encodeFieldSection([["x-frame-options", "sameorigin"]])).toEqual(hex("0000 ff23"));
  });

  test.each([
    ["a dynamic table", "0100"],
    ["a negative base", "0080"],
    ["an index of a dynamic table", "0000 80"],
    ["a name of a dynamic table", "0000 40 00"],
    ["a post-base index", "0000 10"],
    ["a name with a post-base index", "0000 00 00"],
    ["an entry past the static table", "0000 ff24"],
    ["a name past the static table", "0000 5f54 00"],
    ["no prefix", ""],
    ["half a prefix", "00"],
    ["an integer without end", "0000 ff8080808080808080808080"],
    ["an integer past 2^53", "0000 ffffffffffffffffff7f"],
    ["a string that is cut off", "0000 510b 2f69"],
    ["a literal without value", "0000 51"],
    ["a broken Huffman code", "0000 5181 00"],
  ])("with %s is refused", (_what, digits) => {
    const code = ErrorCode.QPACK_DECOMPRESSION_FAILED;
    expect(codeOf(() => decodeFieldSection(hex(digits)))).toBe(code);
  });

  test("is read or refused, whatever the octets", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          decodeFieldSection(concatenate([hex("0000"), bytes]));
        } catch (error) {
          expect(error).toBeInstanceOf(Http3Error);
        }
      }),
    );
  });
});

test("an integer with a prefix comes back as it was", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 3, max: 8 }), (value, bits) => {
      expect(new FieldReader(encodeInteger(0, bits, value)).integer(bits)).toBe(value);
    }),
  );
  // RFC 7541, appendix C.1.
  expect(encodeInteger(0, 5, 10)).toEqual(hex("0a"));
  expect(encodeInteger(0, 5, 1337)).toEqual(hex("1f9a0a"));
  expect(encodeInteger(0, 8, 42)).toEqual(hex("2a"));
});

test("the static table has the 99 entries of the RFC", () => {
  expect(staticTable).toHaveLength(99);
  expect(staticTable[0]).toEqual([":authority", ""]);
  expect(staticTable[15]).toEqual([":method", "CONNECT"]);
  expect(staticTable[63]).toEqual([":status", "100"]);
  expect(staticTable[98]).toEqual(["x-frame-options", "sameorigin"]);
});
