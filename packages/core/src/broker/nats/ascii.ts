const ZERO = 0x30;
/** Digits of a number that is exact, whatever they are. */
const MAX_DIGITS = 15;

export function bytesOf(ascii: string): Uint8Array {
  return Uint8Array.from(ascii, (character) => character.charCodeAt(0));
}

/** Whether `text` stands at that place of `bytes`. */
export function startsAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}

/** The number between two places of `bytes`; undefined where that is anything but a few digits. */
export function numberIn(bytes: Uint8Array, from: number, to: number): number | undefined {
  if (to <= from || to - from > MAX_DIGITS) return undefined;
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    number = number * 10 + digit;
  }
  return number;
}
