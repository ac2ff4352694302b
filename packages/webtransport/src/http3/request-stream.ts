import { type RecordHandler, RecordParser, type Treatment } from "../records.ts";
import { Http3Error } from "./errors.ts";
import { FrameType, isKnownFrame, unexpectedFrame } from "./frames.ts";

/** What the first frame of a stream made of it. */
export type RequestStart =
  | { readonly kind: "request"; readonly fieldSection: Uint8Array<ArrayBuffer> }
  /** It belongs to a session, whose messages follow. */
  | { readonly kind: "session stream"; readonly session: number };

/**
 * A stream that the client opened in both directions: a request (RFC 9114, section 4.1), or a stream
 * of a session (draft-ietf-webtrans-http3, section 4.3).
 */
export class RequestStream implements RecordHandler {
  readonly #maxFieldSectionSize: number;
  readonly #parser = new RecordParser(this);
  #isFirst = true;
  #start: RequestStart | undefined;
  #content: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;

  constructor(maxFieldSectionSize: number) {
    this.#maxFieldSectionSize = maxFieldSectionSize;
  }

  /** What kind of stream it is, as soon as that is known. */
  get start(): RequestStart | undefined {
    return this.#start;
  }

  /** From now on DATA frames are allowed, and this is called with what they carry. */
  set content(content: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#content = content;
  }

  /**
   * Takes bytes, and answers how many: where `start` becomes known it leaves what follows.
   *
   * @throws Http3Error
   */
  push(bytes: Uint8Array<ArrayBuffer>): number {
    return this.#parser.push(bytes);
  }

  /**
   * The client has ended its side.
   *
   * @throws Http3Error when that was in the middle of something
   */
  finish(): void {
    if (!this.#parser.isBetween) throw new Http3Error("H3_FRAME_ERROR", "a frame is cut off");
    if (this.#start === undefined) {
      throw new Http3Error("H3_REQUEST_INCOMPLETE", "a request without headers");
    }
  }

  begin(type: number, length: number): Treatment {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (isFirst && type === FrameType.WEBTRANSPORT_STREAM) {
      this.#start = { kind: "session stream", session: length };
      return "stop";
    }
    if (type === FrameType.HEADERS && this.#start === undefined) {
      if (length > this.#maxFieldSectionSize) {
        throw new Http3Error("H3_EXCESSIVE_LOAD", `${length} bytes of headers`);
      }
      return "whole";
    }
    if (type === FrameType.DATA && this.#content !== undefined) return "pieces";
    if (isKnownFrame(type)) throw unexpectedFrame(type, "on a request stream");
    return "skip";
  }

  whole(_type: number, fieldSection: Uint8Array<ArrayBuffer>): boolean {
    this.#start = { kind: "request", fieldSection };
    return false;
  }

  piece(_type: number, bytes: Uint8Array<ArrayBuffer>): boolean {
    this.#content?.(bytes);
    return true;
  }
}
