import { expect, test } from "bun:test";
import fc from "fast-check";
import { utf8Decode, utf8Length, utf8Write } from "./utf8.ts";

/** What the platform makes of the same bytes. */
function reference(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function written(text: string): Uint8Array {
  const bytes = new Uint8Array(3 * text.length);
  return bytes.subarray(0, utf8Write(text, bytes, 0));
}

/** Bytes near the borders of UTF-8, which random bytes alone seldom hit. */
const borderBytes = fc.uint8Array({ maxLength: 12 }).map((bytes) =>
  bytes.map((byte, index) => {
    const borders = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf];
    const leads = [0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff];
    return [...borders, ...leads][(byte + index) % 24] ?? byte;
  }),
);

test("any bytes decode as the platform's strict decoder says", () => {
  fc.assert(
    fc.property(fc.oneof(borderBytes, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      expect(utf8Decode(bytes, 0, bytes.length)).toBe(reference(bytes));
    }),
    { numRuns: 5000 },
  );
});

test("a sequence is not continued by bytes beyond the end of its text", () => {
  const bytes = new TextEncoder().encode("ä€😀");
  expect(utf8Decode(bytes, 0, 1)).toBeUndefined();
  expect(utf8Decode(bytes, 2, 4)).toBeUndefined();
  expect(utf8Decode(bytes, 5, 8)).toBeUndefined();
  expect(utf8Decode(bytes, 2, 5)).toBe("€");
});

test("a text longer than one chunk comes out whole, also where a pair crosses the border", () => {
  const text = `${"a".repeat(1023)}😀${"€".repeat(3000)}`;
  const bytes = new TextEncoder().encode(text);
  expect(utf8Decode(bytes, 0, bytes.length)).toBe(text);
});

test("any text is written as the platform writes it, lone surrogates as U+FFFD", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 30 }), fc.nat(3), (text, cut) => {
      const torn = text.slice(cut);
      const expected = new TextEncoder().encode(torn);
      expect(written(torn)).toEqual(expected);
      expect(utf8Length(torn)).toBe(expected.length);
    }),
    { numRuns: 2000 },
  );
});

test("a lone surrogate of either half takes three bytes, at the end of a text as well", () => {
  for (const text of ["\ud83d", "a\ude00b", "\ud83d\ud83d\ude00", "\udc00\ud800"]) {
    expect(written(text)).toEqual(new TextEncoder().encode(text));
    expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
  }
});
