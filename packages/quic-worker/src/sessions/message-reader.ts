import { LENGTH_BYTES } from "./outgoing.ts";

/** What a stream begins to keep of a message that is not there as a whole. */
const FIRST_BYTES = 256;

/** Takes a stream of messages apart, each of which stands behind its length. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #receive: (message: Uint8Array) => void;
  /** What has come of the length, or of the message once that is known. */
  #kept = new Uint8Array(0);
  #count = 0;
  /** Bytes of the message; undefined while its length is read. */
  #length: number | undefined;

  /** Messages are the receiver's own. */
  constructor(maxBytes: number, receive: (message: Uint8Array) => void) {
    this.#maxBytes = maxBytes;
    this.#receive = receive;
  }

  /** Answers false when a message is longer than it may be; then the stream is of no use any more. */
  push(bytes: Uint8Array): boolean {
    let at = 0;
    for (;;) {
      const wanted = (this.#length ?? LENGTH_BYTES) - this.#count;
      const part = bytes.subarray(at, at + wanted);
      this.#keep(part);
      at += part.length;
      if (part.length < wanted) return true;
      if (!this.#complete()) return false;
      if (at === bytes.length && this.#length !== 0) return true;
    }
  }

  /** The length, or the message, is there. */
  #complete(): boolean {
    const whole = this.#kept.subarray(0, this.#count);
    this.#count = 0;
    if (this.#length === undefined) {
      const length = new DataView(whole.buffer, whole.byteOffset).getUint32(0);
      this.#length = length;
      return length <= this.#maxBytes;
    }
    this.#length = undefined;
    this.#kept = new Uint8Array(0);
    this.#receive(whole);
    return true;
  }

  /** A length that lies cannot make anybody set memory aside for it. */
  #keep(part: Uint8Array): void {
    const needed = this.#count + part.length;
    if (needed > this.#kept.length) {
      const most = this.#length ?? LENGTH_BYTES;
      const size = Math.min(most, Math.max(needed, 2 * this.#kept.length, FIRST_BYTES));
      const larger = new Uint8Array(size);
      larger.set(this.#kept.subarray(0, this.#count));
      this.#kept = larger;
    }
    this.#kept.set(part, this.#count);
    this.#count = needed;
  }
}
