import { LENGTH_BYTES } from "./frames.ts";
import type { Reader } from "./reader.ts";

/** The peer is to confirm the frame at the end of its turn. */
export const FLAG_PROMPT = 1;

/** Bytes before the messages of a frame: its length, two numbers of eight bytes, the flags. */
export const HEADER_BYTES = LENGTH_BYTES + 9 + 9 + 1;

/** Says which frame this is, or 0 for one without messages, and up to which the peer's are there. */
export function putHeader(
  frame: Uint8Array,
  sequence: number,
  received: number,
  flags: number,
): void {
  putUint64(frame, LENGTH_BYTES, sequence);
  putUint64(frame, LENGTH_BYTES + 9, received);
  frame[LENGTH_BYTES + 18] = flags;
}

/** Of a fixed width, since it is written when the messages are there already. */
function putUint64(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = 0xcf;
  let rest = value;
  for (let index = at + 8; index > at; index--) {
    bytes[index] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
}

export interface FrameHeader {
  readonly sequence: number;
  readonly received: number;
  readonly flags: number;
}

export function readHeader(reader: Reader): FrameHeader {
  return { sequence: reader.uint(), received: reader.uint(), flags: reader.uint() };
}
