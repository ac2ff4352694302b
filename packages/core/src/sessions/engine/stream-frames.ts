/** What is used of the WHATWG Encoding Standard; every runtime that Starling knows has it. */
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Says in a header that the payload is bytes and no text. */
const BINARY = 0x80;
/** In the place of a length: it follows in two bytes, or in eight. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** Bytes of a header that says the length in eight. */
const LONGEST_HEADER = 9;

/**
 * Puts messages into the frames of Engine.IO over a stream of bytes.
 *
 * The frame of the last message is kept, so that a publication is encoded once for all who get it.
 *
 * Source: Engine.IO protocol, revision 4, "WebTransport" (github.com/socketio/engine.io-protocol).
 */
export class FrameEncoder {
  #message: string | Uint8Array | undefined;
  #frame = new Uint8Array(0);

  /** The frame is not to be changed, and neither are the bytes of a message. */
  encode(message: string | Uint8Array): Uint8Array {
    if (message !== this.#message) {
      this.#frame =
        typeof message === "string"
          ? toFrame(encoder.encode(message), 0)
          : toFrame(message, BINARY);
      this.#message = message;
    }
    return this.#frame;
  }
}

function toFrame(payload: Uint8Array, flag: number): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const lengthBytes = length < LENGTH_16 ? 0 : length < 0x10000 ? 2 : 8;
  const frame = new Uint8Array(1 + lengthBytes + length);
  frame[0] = flag | (lengthBytes === 0 ? length : lengthBytes === 2 ? LENGTH_16 : LENGTH_64);
  for (let index = lengthBytes, rest = length; index > 0; index--) {
    frame[index] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  frame.set(payload, 1 + lengthBytes);
  return frame;
}

/** Room for a payload grows with what has come of it: a length alone reserves no memory. */
const FIRST_ROOM = 512;

const EMPTY = new Uint8Array(0);

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  readonly #maxPayloadBytes: number;
  /** Takes a message, whose bytes are its own; false stops the reader behind it. */
  readonly #message: (message: string | Uint8Array) => boolean;
  readonly #header = new Uint8Array(LONGEST_HEADER);
  /** How much there is of a header, and, once that is whole, how long the payload is. */
  #headerBytes = 0;
  #length = -1;
  /** What has come of a payload that came in pieces. */
  #room = EMPTY;
  #filled = 0;

  constructor(maxPayloadBytes: number, message: (message: string | Uint8Array) => boolean) {
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#message = message;
  }

  /** Bytes that the message which is being read lacks, as far as is known. */
  get missing(): number {
    return this.#length < 0 ? 0 : this.#length - this.#filled;
  }

  /**
   * Takes bytes of the stream, which may be changed afterwards. Answers whether it wants more: not
   * once a message was the last, or something is no frame: text without its type or that is not
   * UTF-8, or a payload that is too large.
   */
  push(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#length < 0) {
        this.#header[this.#headerBytes++] = bytes[at++] ?? 0;
        if (!this.#readHeader()) return false;
      }
      if (this.#length < 0) continue;
      const end = Math.min(bytes.length, at + this.missing);
      if (!this.#payload(bytes.subarray(at, end))) return false;
      at = end;
    }
    return true;
  }

  /** Answers false where the header is that of no frame. */
  #readHeader(): boolean {
    const first = this.#header[0] ?? 0;
    const short = first & 0x7f;
    const lengthBytes = short < LENGTH_16 ? 0 : short === LENGTH_16 ? 2 : 8;
    if (this.#headerBytes <= lengthBytes) return true;
    let length = lengthBytes === 0 ? short : 0;
    for (let index = 1; index <= lengthBytes; index++) {
      length = length * 0x100 + (this.#header[index] ?? 0);
    }
    // An empty text would lack the type of its packet.
    if (length > this.#maxPayloadBytes || (length === 0 && first < BINARY)) return false;
    this.#headerBytes = 0;
    this.#length = length;
    return true;
  }

  /** A part of a payload, or all of it. */
  #payload(bytes: Uint8Array): boolean {
    if (this.#filled > 0 || bytes.length < this.#length) {
      this.#keep(bytes);
      if (this.#filled < this.#length) return true;
    }
    const whole = this.#filled > 0 ? this.#room.subarray(0, this.#filled) : bytes;
    const isBinary = (this.#header[0] ?? 0) >= BINARY;
    this.#length = -1;
    this.#filled = 0;
    this.#room = EMPTY;
    const message = isBinary ? whole.slice() : decode(whole);
    return message !== undefined && this.#message(message);
  }

  #keep(bytes: Uint8Array): void {
    const end = this.#filled + bytes.length;
    if (end > this.#room.length) {
      const wanted = Math.max(end, 2 * this.#room.length, FIRST_ROOM);
      const room = new Uint8Array(Math.min(this.#length, wanted));
      room.set(this.#room.subarray(0, this.#filled));
      this.#room = room;
    }
    this.#room.set(bytes, this.#filled);
    this.#filled = end;
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
