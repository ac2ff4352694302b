import { SharedDatagram } from "@starling/webtransport/datagrams.ts";

/** Bytes of the length that stands before each message on a stream. */
export const LENGTH_BYTES = 4;

/** One message for any number of sessions, brought into each form that a session needs once. */
export class Outgoing {
  readonly bytes: Uint8Array;
  #datagram: SharedDatagram | undefined;
  #framed: Uint8Array | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get length(): number {
    return this.bytes.length;
  }

  /** As a datagram. */
  get datagram(): SharedDatagram {
    this.#datagram ??= new SharedDatagram(this.bytes);
    return this.#datagram;
  }

  /** As it stands on a stream: behind its length. */
  get framed(): Uint8Array {
    this.#framed ??= framed(this.bytes);
    return this.#framed;
  }
}

const encoder = new TextEncoder();

/** A message in the form that the core gives it. */
export function outgoing(message: string | Uint8Array): Outgoing {
  return new Outgoing(typeof message === "string" ? encoder.encode(message) : message);
}

function framed(bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + bytes.length);
  new DataView(frame.buffer).setUint32(0, bytes.length);
  frame.set(bytes, LENGTH_BYTES);
  return frame;
}
