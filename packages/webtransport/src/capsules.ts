import { Http3Error } from "./http3/errors.ts";
import { encodeFrame, FrameType } from "./http3/frames.ts";
import { concatenate, type RecordHandler, RecordParser, type Treatment } from "./records.ts";
import { encodeVarint } from "./varint.ts";

/** Types of capsules: RFC 9297, section 3.5, and draft-ietf-webtrans-http3, section 5. */
export const CapsuleType = {
  DATAGRAM: 0x00,
  CLOSE_WEBTRANSPORT_SESSION: 0x2843,
  DRAIN_WEBTRANSPORT_SESSION: 0x78ae,
} as const;

/** Bytes of UTF-8 that a reason may have. */
export const MAX_REASON_BYTES = 1024;
const CODE_BYTES = 4;
/** Bytes of a datagram in a capsule; longer ones are passed over, as a datagram may be lost. */
const MAX_DATAGRAM_BYTES = 2048;

/** What capsules say to a session. */
export interface CapsuleHandler {
  /** A datagram that came on the stream; the bytes are the handler's. */
  receiveDatagram(payload: Uint8Array): void;
  receiveDrain(): void;
  receiveClose(code: number, reason: string): void;
}

/** The capsules that a client sends on the stream of its session: RFC 9297, section 3. */
export class CapsuleReader implements RecordHandler {
  readonly #handler: CapsuleHandler;
  readonly #parser = new RecordParser(this);
  #isClosed = false;

  constructor(handler: CapsuleHandler) {
    this.#handler = handler;
  }

  /**
   * Takes the content of DATA frames.
   *
   * @throws Http3Error with H3_MESSAGE_ERROR for a malformed capsule, or anything after the close
   */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    const taken = this.#isClosed ? 0 : this.#parser.push(bytes);
    if (taken < bytes.length) throw malformed("data follow the close");
  }

  /** @throws Http3Error when the stream ended in the middle of a capsule */
  finish(): void {
    if (!this.#parser.isBetween) throw malformed("a capsule is cut off");
  }

  begin(type: number, length: number): Treatment {
    switch (type) {
      case CapsuleType.DATAGRAM:
        return length > MAX_DATAGRAM_BYTES ? "skip" : "whole";
      case CapsuleType.DRAIN_WEBTRANSPORT_SESSION:
        if (length > 0) throw malformed("a drain with a value");
        return "whole";
      case CapsuleType.CLOSE_WEBTRANSPORT_SESSION:
        if (length < CODE_BYTES || length > CODE_BYTES + MAX_REASON_BYTES) {
          throw malformed(`a close of ${length} bytes`);
        }
        return "whole";
      default:
        return "skip";
    }
  }

  whole(type: number, value: Uint8Array<ArrayBuffer>): boolean {
    if (type === CapsuleType.DATAGRAM) {
      this.#handler.receiveDatagram(value);
    } else if (type === CapsuleType.DRAIN_WEBTRANSPORT_SESSION) {
      this.#handler.receiveDrain();
    } else {
      this.#isClosed = true;
      const code = new DataView(value.buffer, value.byteOffset).getUint32(0);
      this.#handler.receiveClose(code, new TextDecoder().decode(value.subarray(CODE_BYTES)));
    }
    return !this.#isClosed;
  }

  piece(): boolean {
    return true;
  }
}

/**
 * A close, in the DATA frame that carries it.
 *
 * @param code 32 bits
 * @param reason what is longer than `MAX_REASON_BYTES` is cut off, at the end of a character
 */
export function encodeClose(code: number, reason: string): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(CODE_BYTES + MAX_REASON_BYTES);
  new DataView(value.buffer).setUint32(0, code);
  const { written } = new TextEncoder().encodeInto(reason, value.subarray(CODE_BYTES));
  return encodeCapsule(
    CapsuleType.CLOSE_WEBTRANSPORT_SESSION,
    value.subarray(0, CODE_BYTES + written),
  );
}

/** A drain, in the DATA frame that carries it. */
export function encodeDrain(): Uint8Array<ArrayBuffer> {
  return encodeCapsule(CapsuleType.DRAIN_WEBTRANSPORT_SESSION, new Uint8Array(0));
}

function encodeCapsule(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const capsule = concatenate([encodeVarint(type), encodeVarint(value.length), value]);
  return encodeFrame(FrameType.DATA, capsule);
}

function malformed(what: string): Http3Error {
  return new Http3Error("H3_MESSAGE_ERROR", `malformed capsules: ${what}`);
}
