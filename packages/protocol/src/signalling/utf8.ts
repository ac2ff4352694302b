/** Code units that one call may turn into a string: engines bound the number of arguments. */
const CHUNK = 1024;

/**
 * The text of UTF-8 bytes from `start` up to `end`; undefined when they are not valid: overlong,
 * a surrogate, beyond U+10FFFF or cut off. Source: RFC 3629 section 4.
 *
 * Own code, since the decoder of the platform is no part of the language, and costs more than this
 * for the names of a few letters that it is used for.
 */
export function utf8Decode(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let units: number[] = [];
  let at = start;
  while (at < end) {
    const lead = bytes[at++] ?? 0;
    if (lead < 0x80) {
      units.push(lead);
    } else {
      const length = sequenceLength(lead);
      const point = length === 0 ? undefined : sequence(bytes, at, lead, length);
      if (point === undefined || at + length - 1 > end) return undefined;
      at += length - 1;
      if (point < 0x10000) units.push(point);
      else units.push(0xd7c0 + (point >> 10), 0xdc00 | (point & 0x3ff));
    }
    if (units.length >= CHUNK) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** Bytes of the sequence that `lead` opens; 0 when it opens none. */
function sequenceLength(lead: number): number {
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

function sequence(bytes: Uint8Array, at: number, lead: number, length: number): number | undefined {
  let point = lead & (0xff >> (length + 1));
  for (let index = 0; index < length - 1; index++) {
    const byte = bytes[at + index];
    if (byte === undefined || (byte & 0xc0) !== 0x80) return undefined;
    point = (point << 6) | (byte & 0x3f);
  }
  if (length === 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) return undefined;
  if (length === 4 && (point < 0x10000 || point > 0x10ffff)) return undefined;
  return point;
}

/** Bytes that `text` takes as UTF-8; a lone surrogate counts as U+FFFD. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x800) length += 2;
    else if (unit >= 0x80) length += 1;
    // A pair takes four bytes: two for its units, and the two that its first half has added.
    if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) index += 1;
  }
  return length;
}

/** Writes `text` as UTF-8 at `at`, a lone surrogate as U+FFFD, and gives back where it ended. */
export function utf8Write(text: string, bytes: Uint8Array, at: number): number {
  let end = at;
  for (let index = 0; index < text.length; index++) {
    let point = text.charCodeAt(index);
    if (point < 0x80) {
      bytes[end++] = point;
      continue;
    }
    if (point >= 0xd800 && point < 0xe000) {
      point = text.codePointAt(index) ?? 0;
      if (point < 0x10000) point = 0xfffd;
      else index += 1;
    }
    if (point < 0x800) {
      bytes[end++] = 0xc0 | (point >> 6);
    } else {
      if (point < 0x10000) {
        bytes[end++] = 0xe0 | (point >> 12);
      } else {
        bytes[end++] = 0xf0 | (point >> 18);
        bytes[end++] = 0x80 | ((point >> 12) & 0x3f);
      }
      bytes[end++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[end++] = 0x80 | (point & 0x3f);
  }
  return end;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
