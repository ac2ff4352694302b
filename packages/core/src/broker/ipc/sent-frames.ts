import { WireError } from "./wire-error.ts";

/** Told once whether the peer has what was sent; if not, it never will. */
export type Confirmed = (isConfirmed: boolean) => void;

/** A frame that is kept until the peer has it. */
export interface SentFrame {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly messages: number;
  readonly isPrompt: boolean;
  readonly callbacks: readonly Confirmed[] | undefined;
}

/** The numbered frames of one end of a link that its peer has not confirmed, in order. */
export class SentFrames {
  #frames: SentFrame[] = [];
  /** How many of them have been taken for the stream that there is. */
  #taken = 0;
  #last = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** The number before the first frame that is kept. */
  get base(): number {
    return this.#last - this.#frames.length;
  }

  add(
    bytes: Uint8Array,
    messages: number,
    isPrompt: boolean,
    callbacks: readonly Confirmed[] | undefined,
  ): void {
    this.#last++;
    this.#bytes += bytes.length;
    this.#frames.push({ sequence: this.#last, bytes, messages, isPrompt, callbacks });
  }

  /** The next frame for the stream. */
  next(): SentFrame | undefined {
    const frame = this.#frames[this.#taken];
    if (frame !== undefined) this.#taken++;
    return frame;
  }

  /** Begins with the first frame again, for another stream. */
  rewind(): void {
    this.#taken = 0;
  }

  /**
   * The peer has everything up to this number.
   *
   * @throws WireError when it was never sent
   */
  confirm(sequence: number): void {
    if (sequence > this.#last) throw new WireError("a frame is confirmed that was not sent");
    const count = sequence - this.base;
    if (count <= 0) return;
    const confirmed = this.#frames.splice(0, count);
    this.#taken = Math.max(0, this.#taken - count);
    for (const frame of confirmed) this.#bytes -= frame.bytes.length;
    callBack(confirmed, true);
  }

  /** Drops everything; answers how many messages that were. What follows has a gap before it. */
  drop(): number {
    const dropped = this.#frames;
    this.#frames = [];
    this.#taken = 0;
    this.#bytes = 0;
    callBack(dropped, false);
    return dropped.reduce((sum, { messages }) => sum + messages, 0);
  }
}

/** Afterwards, since a callback may well send something. */
function callBack(frames: readonly SentFrame[], isConfirmed: boolean): void {
  for (const { callbacks } of frames) {
    if (callbacks !== undefined) for (const callback of callbacks) callback(isConfirmed);
  }
}
