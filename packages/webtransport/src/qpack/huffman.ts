import { huffmanLengths } from "./huffman-code.ts";

const END_OF_STRING = 256;
const MAX_BITS = Math.max(...huffmanLengths);

/** For each length: the first code of it, and where its symbols begin in `symbols`. */
const firstCode: number[] = [];
const firstSymbol: number[] = [];
/** All symbols in the order of their codes. */
const symbols: number[] = [];

let next = 0;
for (let bits = 0; bits <= MAX_BITS; bits++) {
  firstCode.push(next);
  firstSymbol.push(symbols.length);
  for (let symbol = 0; symbol < huffmanLengths.length; symbol++) {
    if (huffmanLengths[symbol] !== bits) continue;
    symbols.push(symbol);
    next++;
  }
  next *= 2;
}
firstSymbol.push(symbols.length);

/**
 * Decodes a string literal (RFC 7541, section 5.2) to text with one character per octet; undefined
 * when it holds the end of the string, or its padding is longer than seven bits or not of ones.
 */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  let text = "";
  let code = 0;
  let bits = 0;
  for (const octet of bytes) {
    for (let mask = 0x80; mask > 0; mask >>= 1) {
      code = code * 2 + ((octet & mask) === 0 ? 0 : 1);
      bits++;
      const offset = code - (firstCode[bits] ?? 0);
      const index = (firstSymbol[bits] ?? 0) + offset;
      if (offset < 0 || index >= (firstSymbol[bits + 1] ?? 0)) continue;
      const symbol = symbols[index] ?? END_OF_STRING;
      if (symbol === END_OF_STRING) return undefined;
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
  }
  return bits < 8 && code === 2 ** bits - 1 ? text : undefined;
}
