import { concatenate } from "../records.ts";
import { decodeVarint, encodeVarint, varintLength } from "../varint.ts";
import { Http3Error } from "./errors.ts";
import { encodeFrame, FrameType } from "./frames.ts";

/** Identifiers of settings. */
const Setting = {
  /** RFC 9204, section 5. */
  QPACK_MAX_TABLE_CAPACITY: 0x01,
  QPACK_BLOCKED_STREAMS: 0x07,
  /** RFC 9114, section 7.2.4.1. */
  MAX_FIELD_SECTION_SIZE: 0x06,
  /** RFC 9220, section 3. */
  ENABLE_CONNECT_PROTOCOL: 0x08,
  /** RFC 9297, section 2.1.1. */
  H3_DATAGRAM: 0x33,
  /** draft-ietf-webtrans-http3-02, section 8.2: what browsers ask for. */
  ENABLE_WEBTRANSPORT: 0x2b603742,
  /** The same draft since 07, section 8.2. */
  WEBTRANSPORT_MAX_SESSIONS: 0xc671706a,
  /** The same draft since 13, section 9.2. */
  WT_MAX_SESSIONS: 0x14e9cd29,
} as const;

/** Settings of HTTP/2 that must not appear: RFC 9114, sections 7.2.4.1 and 11.2.2. */
const RESERVED: ReadonlySet<bigint> = new Set([0x00n, 0x02n, 0x03n, 0x04n, 0x05n]);

/** Settings that are 0 or 1. */
const SWITCHES: ReadonlySet<bigint> = new Set(
  [Setting.ENABLE_CONNECT_PROTOCOL, Setting.H3_DATAGRAM, Setting.ENABLE_WEBTRANSPORT].map(BigInt),
);

/** What of the peer's settings matters to a server. */
export interface PeerSettings {
  /** Whether datagrams may be sent to it. */
  readonly takesDatagrams: boolean;
}

/**
 * The SETTINGS frame of a server. One session a connection: more would need the flow control of the
 * later drafts.
 *
 * @param maxFieldSectionSize bytes of a request's headers (RFC 9114, section 4.2.2)
 */
export function encodeServerSettings(maxFieldSectionSize: number): Uint8Array<ArrayBuffer> {
  const settings: readonly (readonly [id: number, value: number])[] = [
    [Setting.QPACK_MAX_TABLE_CAPACITY, 0],
    [Setting.QPACK_BLOCKED_STREAMS, 0],
    [Setting.MAX_FIELD_SECTION_SIZE, maxFieldSectionSize],
    [Setting.ENABLE_CONNECT_PROTOCOL, 1],
    [Setting.H3_DATAGRAM, 1],
    [Setting.ENABLE_WEBTRANSPORT, 1],
    [Setting.WEBTRANSPORT_MAX_SESSIONS, 1],
    [Setting.WT_MAX_SESSIONS, 1],
  ];
  return encodeFrame(
    FrameType.SETTINGS,
    concatenate(settings.flat().map((number) => encodeVarint(number))),
  );
}

/**
 * Reads the payload of a SETTINGS frame.
 *
 * @throws Http3Error
 */
export function decodeSettings(payload: Uint8Array): PeerSettings {
  const settings = new Map<bigint, bigint>();
  for (let at = 0; at < payload.length; ) {
    const id = decodeVarint(payload, at);
    at += varintLength(payload[at] ?? 0);
    const value = decodeVarint(payload, at);
    if (id === undefined || value === undefined) {
      throw new Http3Error("H3_FRAME_ERROR", "a setting is cut off");
    }
    at += varintLength(payload[at] ?? 0);
    if (RESERVED.has(id)) throw new Http3Error("H3_SETTINGS_ERROR", `setting ${id} is reserved`);
    if (settings.has(id)) throw new Http3Error("H3_SETTINGS_ERROR", `setting ${id} comes twice`);
    if (SWITCHES.has(id) && value > 1n) {
      throw new Http3Error("H3_SETTINGS_ERROR", `setting ${id} is neither 0 nor 1`);
    }
    settings.set(id, value);
  }
  return { takesDatagrams: settings.get(BigInt(Setting.H3_DATAGRAM)) === 1n };
}
