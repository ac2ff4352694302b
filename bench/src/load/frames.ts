/** WebSocket opcodes that a server sends (RFC 6455, section 11.8). */
export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Receives each complete frame; the payload is `buffer[start, end)`, valid during the call only. */
export interface FrameSink {
  frame(opcode: number, buffer: Buffer, start: number, end: number): void;
}

/**
 * Cuts a server's byte stream into WebSocket frames (RFC 6455, section 5.2).
 * It throws on what a load client cannot count: masked, fragmented or compressed frames.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #rest: Buffer | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    const buffer = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    const consumed = this.#read(buffer);
    // The runtime may reuse the chunk after the call, so what is kept is copied.
    this.#rest = consumed === buffer.length ? undefined : Buffer.from(buffer.subarray(consumed));
  }

  /** Hands on all complete frames; answers how many bytes they took. */
  #read(buffer: Buffer): number {
    let at = 0;
    while (buffer.length - at >= 2) {
      const first = buffer.readUInt8(at);
      const second = buffer.readUInt8(at + 1);
      if ((first & 0x80) === 0 || (first & 0x0f) === 0) throw new Error("fragmented frame");
      if ((first & 0x70) !== 0) throw new Error("frame with an extension bit");
      if ((second & 0x80) !== 0) throw new Error("masked frame from a server");
      let start = at + 2;
      let length = second & 0x7f;
      if (length === 126) {
        start += 2;
        if (buffer.length < start) break;
        length = buffer.readUInt16BE(at + 2);
      } else if (length === 127) {
        start += 8;
        if (buffer.length < start) break;
        length = Number(buffer.readBigUInt64BE(at + 2));
      }
      const end = start + length;
      if (buffer.length < end) break;
      this.#sink.frame(first & 0x0f, buffer, start, end);
      at = end;
    }
    return at;
  }
}

/**
 * A client's frame with a mask of zeros, which leaves the payload as it is
 * (RFC 6455, section 5.3: the mask is mandatory, its value is the client's).
 */
export function clientFrame(opcode: number, payload: Uint8Array): Buffer {
  const extended = payload.length > 125 ? 2 : 0;
  if (payload.length > 0xffff) throw new Error("client frame longer than 65535 bytes");
  const frame = Buffer.alloc(2 + extended + 4 + payload.length);
  frame.writeUInt8(0x80 | opcode, 0);
  frame.writeUInt8(0x80 | (extended === 0 ? payload.length : 126), 1);
  if (extended !== 0) frame.writeUInt16BE(payload.length, 2);
  frame.set(payload, 2 + extended + 4);
  return frame;
}
