/** How the signalling protocol, version 2, puts messages on a stream and into datagrams of WebTransport. */

/** How a message came: on the stream, alone in a datagram, or as one of several in it. */
export type Way = "stream" | "datagram" | "batch";

/** How a datagram with several messages begins. */
export const SEVERAL = 0xc1;

const LENGTH_BYTES = 4;

/** A message behind its length, as it stands on the stream. */
export function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, LENGTH_BYTES);
  return frame;
}

/** The messages in a datagram. */
export function messagesIn(datagram: Uint8Array): [Way, Uint8Array][] {
  if (datagram[0] !== SEVERAL) return [["datagram", datagram]];
  const messages: [Way, Uint8Array][] = [];
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 1; at < datagram.length; ) {
    const end = at + 2 + view.getUint16(at);
    if (end > datagram.length) throw new RangeError("a message ends behind its datagram");
    messages.push(["batch", datagram.subarray(at + 2, end)]);
    at = end;
  }
  return messages;
}

/** The messages of a stream, which comes in pieces of any size. */
export class MessageStream {
  #rest = new Uint8Array(0);

  /** The messages that this piece completes. */
  push(piece: Uint8Array): Uint8Array[] {
    let rest = new Uint8Array(this.#rest.length + piece.length);
    rest.set(this.#rest);
    rest.set(piece, this.#rest.length);
    const messages: Uint8Array[] = [];
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (rest.length < end) break;
      messages.push(rest.subarray(LENGTH_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return messages;
  }
}
