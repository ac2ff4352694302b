import { concatenate } from "../records.ts";
import { encodeVarint } from "../varint.ts";
import { Http3Error } from "./errors.ts";

/** Types of frames: RFC 9114, section 7.2, and draft-ietf-webtrans-http3, section 4.3. */
export const FrameType = {
  DATA: 0x00,
  HEADERS: 0x01,
  CANCEL_PUSH: 0x03,
  SETTINGS: 0x04,
  PUSH_PROMISE: 0x05,
  GOAWAY: 0x07,
  MAX_PUSH_ID: 0x0d,
  /** Begins a stream of a session, and has a session's id in the place of a length. */
  WEBTRANSPORT_STREAM: 0x41,
} as const;

/** Types of unidirectional streams: RFC 9114, section 6.2, RFC 9204, 4.2, and the same draft, 4.2. */
export const StreamType = {
  CONTROL: 0x00,
  PUSH: 0x01,
  QPACK_ENCODER: 0x02,
  QPACK_DECODER: 0x03,
  WEBTRANSPORT: 0x54,
} as const;

/** Types of HTTP/2 frames that mean nothing here: RFC 9114, section 7.2.8. */
const HTTP2_ONLY: ReadonlySet<number> = new Set([0x02, 0x06, 0x08, 0x09]);

/** What a frame says that must not be where it was found. */
export function unexpectedFrame(type: number, place: string): Http3Error {
  const name = type === FrameType.WEBTRANSPORT_STREAM ? "H3_FRAME_ERROR" : "H3_FRAME_UNEXPECTED";
  return new Http3Error(name, `frame 0x${type.toString(16)} ${place}`);
}

/** Whether frames of that type have a meaning or are forbidden; others are passed over. */
export function isKnownFrame(type: number): boolean {
  return KNOWN.has(type) || HTTP2_ONLY.has(type);
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(FrameType));

export function encodeFrame(type: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatenate([encodeVarint(type), encodeVarint(payload.length), payload]);
}
