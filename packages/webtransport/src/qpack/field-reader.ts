import { Http3Error } from "../http3/errors.ts";
import { decodeHuffman } from "./huffman.ts";

/** Octets that may follow the prefix of an integer: enough for 62 bits (RFC 9204, section 4.1.1). */
const MAX_CONTINUATION = 9;

/** Reads the primitives of a field section: RFC 9204, section 4.1. Everything throws Http3Error. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The octet that comes next, which says what it begins. */
  peek(): number {
    const octet = this.#bytes[this.#at];
    if (octet === undefined) throw failed("it is cut off");
    return octet;
  }

  /** An integer whose first part has so many bits (RFC 7541, section 5.1). */
  integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.peek() & mask;
    this.#at++;
    if (value < mask) return value;
    for (let count = 0, factor = 1; count < MAX_CONTINUATION; count++, factor *= 128) {
      const octet = this.peek();
      this.#at++;
      value += (octet & 0x7f) * factor;
      // Past 2^53 it is not exact, which is too large for anything that it can say.
      if (octet < 0x80) return value;
    }
    throw failed("an integer is too large");
  }

  /** A string literal whose length has so many bits, above which the bit for Huffman lies. */
  string(prefixBits: number): string {
    const isHuffman = (this.peek() & (2 ** prefixBits)) !== 0;
    const length = this.integer(prefixBits);
    const start = this.#at;
    if (length > this.#bytes.length - start) throw failed("a string is cut off");
    this.#at = start + length;
    const octets = this.#bytes.subarray(start, this.#at);
    const text = isHuffman ? decodeHuffman(octets) : latin1(octets);
    if (text === undefined) throw failed("a string is no Huffman code");
    return text;
  }
}

/** A field section that cannot be read. */
export function failed(message: string): Http3Error {
  return new Http3Error("QPACK_DECOMPRESSION_FAILED", message);
}

function latin1(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}
