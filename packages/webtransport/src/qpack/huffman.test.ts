import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hex } from "../testing/bytes.ts";
import { decodeHuffman } from "./huffman.ts";
import { huffmanLengths } from "./huffman-code.ts";

/** RFC 7541, appendices C.4 and C.6. */
const VECTORS: readonly (readonly [text: string, digits: string])[] = [
  ["www.example.com", "f1e3 c2e5 f23a 6ba0 ab90 f4ff"],
  ["no-cache", "a8eb 1064 9cbf"],
  ["custom-key", "25a8 49e9 5ba9 7d7f"],
  ["custom-value", "25a8 49e9 5bb8 e8b4 bf"],
  ["302", "6402"],
  ["private", "aec3 771a 4b"],
  ["Mon, 21 Oct 2013 20:13:21 GMT", "d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff"],
  ["https://www.example.com", "9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3"],
  ["307", "640e ff"],
  ["Mon, 21 Oct 2013 20:13:22 GMT", "d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff"],
  ["gzip", "9bd9 ab"],
  [
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    `94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0
     03ed 4ee5 b106 3d50 07`,
  ],
];

/** The code of each symbol as bits, made from the table in another way than the decoder does. */
const codes = new Map<number, string>();
let code = 0n;
let length = 0;
for (const symbol of [...huffmanLengths.keys()].sort(
  (a, b) => (huffmanLengths[a] ?? 0) - (huffmanLengths[b] ?? 0) || a - b,
)) {
  const bits = huffmanLengths[symbol] ?? 0;
  code <<= BigInt(bits - length);
  length = bits;
  codes.set(symbol, code.toString(2).padStart(bits, "0"));
  code++;
}

function encode(symbols: readonly number[], padding = "1"): Uint8Array {
  const bits = symbols.map((symbol) => codes.get(symbol) ?? "").join("");
  const octets = bits.padEnd(Math.ceil(bits.length / 8) * 8, padding).match(/.{8}/g) ?? [];
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 2));
}

describe("a Huffman code", () => {
  test.each(VECTORS)("of the RFC is read: %s", (text, digits) => {
    expect(decodeHuffman(hex(digits))).toBe(text);
  });

  test("says any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        const text = decodeHuffman(encode([...octets]));
        expect(text).toBe(String.fromCharCode(...octets));
      }),
    );
  });

  test("that holds the end of the string is refused", () => {
    expect(decodeHuffman(encode([97, 256, 97]))).toBeUndefined();
    expect(decodeHuffman(hex("ffffffff"))).toBeUndefined();
  });

  test("that is padded with anything but ones, or with eight bits, is refused", () => {
    expect(decodeHuffman(encode([97], "1"))).toBe("a");
    expect(decodeHuffman(encode([97], "0"))).toBeUndefined();
    expect(decodeHuffman(hex("ff"))).toBeUndefined();
    expect(decodeHuffman(Uint8Array.of(...encode([97]), 0xff))).toBeUndefined();
  });

  test("is text or nothing, whatever the octets", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        expect(["string", "undefined"]).toContain(typeof decodeHuffman(octets));
      }),
    );
  });
});
