/** Error codes of HTTP/3 (RFC 9114, section 8.1), QPACK (RFC 9204, 6) and datagrams (RFC 9297, 5.2). */
export const ErrorCode = {
  H3_DATAGRAM_ERROR: 0x33,
  H3_NO_ERROR: 0x100,
  H3_GENERAL_PROTOCOL_ERROR: 0x101,
  H3_INTERNAL_ERROR: 0x102,
  H3_STREAM_CREATION_ERROR: 0x103,
  H3_CLOSED_CRITICAL_STREAM: 0x104,
  H3_FRAME_UNEXPECTED: 0x105,
  H3_FRAME_ERROR: 0x106,
  H3_EXCESSIVE_LOAD: 0x107,
  H3_ID_ERROR: 0x108,
  H3_SETTINGS_ERROR: 0x109,
  H3_MISSING_SETTINGS: 0x10a,
  H3_REQUEST_REJECTED: 0x10b,
  H3_REQUEST_CANCELLED: 0x10c,
  H3_REQUEST_INCOMPLETE: 0x10d,
  H3_MESSAGE_ERROR: 0x10e,
  H3_CONNECT_ERROR: 0x10f,
  H3_VERSION_FALLBACK: 0x110,
  QPACK_DECOMPRESSION_FAILED: 0x200,
  QPACK_ENCODER_STREAM_ERROR: 0x201,
  QPACK_DECODER_STREAM_ERROR: 0x202,
} as const;

export type ErrorName = keyof typeof ErrorCode;

/**
 * What the peer did against the rules, which ends the connection. Errors of one stream do so too:
 * the port cannot reset a stream, and RFC 9114, section 8, allows it.
 */
export class Http3Error extends Error {
  override readonly name = "Http3Error";
  readonly code: number;

  constructor(code: ErrorName, message: string) {
    super(`${code}: ${message}`);
    this.code = ErrorCode[code];
  }
}
