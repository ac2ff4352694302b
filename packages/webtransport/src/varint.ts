/** Variable-length integers: RFC 9000, section 16. */

/** The largest number that an integer can say. */
export const MAX_VARINT = 2n ** 62n - 1n;

/** Bytes of an integer that begins with this octet: 1, 2, 4 or 8. */
export function varintLength(first: number): number {
  return 1 << (first >> 6);
}

/**
 * Bytes of `value` in the shortest form.
 *
 * @throws RangeError when it is negative, no integer, or past `MAX_VARINT`
 */
export function encodeVarint(value: number | bigint): Uint8Array<ArrayBuffer> {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`${value} is not a safe integer`);
  }
  const big = BigInt(value);
  if (big < 0n || big > MAX_VARINT) throw new RangeError(`${value} is no varint`);
  const power = big < 1n << 6n ? 0 : big < 1n << 14n ? 1 : big < 1n << 30n ? 2 : 3;
  const bytes = new Uint8Array(1 << power);
  let rest = big;
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] ?? 0) | (power << 6);
  return bytes;
}

/**
 * The exact integer at `at`; undefined where the bytes end before it does. Only settings need it:
 * identifiers up to 2^62 must not be taken for one another.
 */
export function decodeVarint(bytes: Uint8Array, at: number): bigint | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const length = varintLength(first);
  if (at + length > bytes.length) return undefined;
  let value = BigInt(first & 0x3f);
  for (let next = at + 1; next < at + length; next++) {
    value = (value << 8n) | BigInt(bytes[next] ?? 0);
  }
  return value;
}

/** Reads an integer octet by octet, however it is cut up. */
export class VarintParser {
  #left = -1;
  #value = 0;

  /** The integer, once `push` was true; exact below 2^53, rounded above. */
  get value(): number {
    return this.#value;
  }

  /** Whether some octets of an integer have come, but not all. */
  get isPartial(): boolean {
    return this.#left >= 0;
  }

  /** Takes one octet; true when it was the last of an integer. */
  push(octet: number): boolean {
    if (this.#left < 0) {
      this.#left = varintLength(octet) - 1;
      this.#value = octet & 0x3f;
    } else {
      this.#left--;
      this.#value = this.#value * 256 + octet;
    }
    if (this.#left > 0) return false;
    this.#left = -1;
    return true;
  }
}
