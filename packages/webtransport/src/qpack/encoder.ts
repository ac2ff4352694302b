import { concatenate } from "../records.ts";
import { type Field, staticTable } from "./static-table.ts";

const fieldIndex = new Map<string, number>();
const nameIndex = new Map<string, number>();
for (const [index, [name, value]] of staticTable.entries()) {
  if (!nameIndex.has(name)) nameIndex.set(name, index);
  fieldIndex.set(`${name}: ${value}`, index);
}

/**
 * Encodes fields with the static table alone, and strings as they are (RFC 9204, section 4.5):
 * answers of a server to CONNECT are too short to gain by more.
 *
 * @param fields names in lower case, and values with one character per octet
 */
export function encodeFieldSection(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  return concatenate([Uint8Array.of(0, 0), ...fields.map(encodeField)]);
}

function encodeField([name, value]: Field): Uint8Array {
  const index = fieldIndex.get(`${name}: ${value}`);
  if (index !== undefined) return encodeInteger(0xc0, 6, index);
  const known = nameIndex.get(name);
  const start = known === undefined ? encodeString(0x20, 3, name) : encodeInteger(0x50, 4, known);
  return concatenate([start, encodeString(0, 7, value)]);
}

function encodeString(pattern: number, prefixBits: number, text: string): Uint8Array {
  const octets = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return concatenate([encodeInteger(pattern, prefixBits, octets.length), octets]);
}

/** An integer after a pattern of bits: RFC 7541, section 5.1. */
export function encodeInteger(pattern: number, prefixBits: number, value: number): Uint8Array {
  const mask = 2 ** prefixBits - 1;
  if (value < mask) return Uint8Array.of(pattern | value);
  const octets = [pattern | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  octets.push(rest);
  return Uint8Array.from(octets);
}
