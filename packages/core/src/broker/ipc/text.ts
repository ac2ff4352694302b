/** What both ends use of the WHATWG Encoding Standard; every runtime that Starling knows has it. */
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => {
  encodeInto(text: string, into: Uint8Array): { readonly written: number };
};

/** Not fatal: a lone surrogate of a client must not end a link; it is written as U+FFFD anyway. */
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
const encoder = new TextEncoder();

/** Up to this length the calls below cost more than a loop. */
const SHORT = 16;

/** Text of the UTF-8 bytes from `start` up to `end`. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT) return decoder.decode(bytes.subarray(start, end));
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return decoder.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The same for a text that is kept for long: one that was put together holds its pieces until somebody looks into it. */
export function readLastingText(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** Writes text as UTF-8 where there is room for three bytes a code unit; answers where it ended. */
export function writeText(text: string, bytes: Uint8Array, at: number): number {
  return at + encoder.encodeInto(text, bytes.subarray(at)).written;
}

/** Names that are remembered; a power of two. */
const NAMES = 1024;
/** A name that is longer is not remembered. */
const MAX_NAME = 64;
const names: string[] = Array.from({ length: NAMES }, () => "");

/**
 * The same for a name that comes again and again: it is then the same string, whose hash the engine
 * knows already where it looks something up by it.
 */
export function readName(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > MAX_NAME) return readText(bytes, start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
  const place = (hash ^ (hash >>> 15)) & (NAMES - 1);
  const known = names[place] ?? "";
  if (isSame(known, bytes, start, length)) return known;
  const name = readText(bytes, start, end);
  names[place] = name;
  return name;
}

/** Never true for a name that is not ASCII, whose bytes are not its code units. */
function isSame(name: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const unit = name.charCodeAt(index);
    if (unit !== bytes[start + index] || unit >= 0x80) return false;
  }
  return true;
}
