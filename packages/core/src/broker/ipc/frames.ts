import { WireError } from "./wire-error.ts";

/** Bytes that a frame may have; more is taken for garbage. */
export const MAX_FRAME_BYTES = 64 * 1024 * 1024;
/** Bytes of the length before each frame. */
export const LENGTH_BYTES = 4;

/** A buffer of this size is kept for the next frame that comes in parts. */
const KEPT_BYTES = 512 * 1024;

/** Takes what is between `start` and `end`; false ends the reading. */
export type TakeFrame = (bytes: Uint8Array, start: number, end: number) => boolean;

/** Finds the frames in the chunks of a stream; each frame has its length before it. */
export class FrameReader {
  readonly #take: TakeFrame;
  /** The frame that has not come entirely, with its length. */
  #held = new Uint8Array(0);
  #heldLength = 0;

  constructor(take: TakeFrame) {
    this.#take = take;
  }

  /** @throws WireError when a frame is too long */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#heldLength > 0) {
        at = this.#complete(chunk, at);
        if (at < 0) return;
        continue;
      }
      const left = chunk.length - at;
      const length = left < LENGTH_BYTES ? 0 : frameLength(chunk, at);
      if (left < LENGTH_BYTES || left - LENGTH_BYTES < length) {
        this.#hold(chunk, at, chunk.length);
        return;
      }
      const start = at + LENGTH_BYTES;
      at = start + length;
      if (!this.#take(chunk, start, at)) return;
    }
  }

  /** Adds what the frame that is held lacks; answers where the chunk goes on, -1 for no further. */
  #complete(chunk: Uint8Array, at: number): number {
    let next = at;
    for (let wanted = this.#wanted(); wanted > 0; wanted = this.#wanted()) {
      if (next === chunk.length) return next;
      const end = Math.min(chunk.length, next + wanted);
      this.#hold(chunk, next, end);
      next = end;
    }
    const end = this.#heldLength;
    const held = this.#held;
    this.#heldLength = 0;
    // One large frame must not keep its memory for ever.
    if (held.length > KEPT_BYTES) this.#held = new Uint8Array(0);
    return this.#take(held, LENGTH_BYTES, end) ? next : -1;
  }

  #wanted(): number {
    if (this.#heldLength < LENGTH_BYTES) return LENGTH_BYTES - this.#heldLength;
    return LENGTH_BYTES + frameLength(this.#held, 0) - this.#heldLength;
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const length = this.#heldLength + end - start;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(KEPT_BYTES, 2 * length));
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(chunk.subarray(start, end), this.#heldLength);
    this.#heldLength = length;
  }
}

function frameLength(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const length = high * 0x1_0000 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  if (length > MAX_FRAME_BYTES) throw new WireError(`a frame of ${length} bytes is too long`);
  return length;
}

/** Writes a frame's length into the bytes that were left for it. */
export function putFrameLength(bytes: Uint8Array, length: number): void {
  bytes[0] = length >>> 24;
  bytes[1] = length >>> 16;
  bytes[2] = length >>> 8;
  bytes[3] = length;
}
