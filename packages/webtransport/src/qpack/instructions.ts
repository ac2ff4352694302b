import { Http3Error } from "../http3/errors.ts";

/** Octets that may follow the prefix of a stream id, which has at most 62 bits. */
const MAX_CONTINUATION = 9;

/**
 * Reads the client's encoder stream (RFC 9204, section 4.3). With a capacity of 0 there is one
 * instruction that it may give: to set the capacity to 0.
 *
 * @throws Http3Error with QPACK_ENCODER_STREAM_ERROR
 */
export function readEncoderInstructions(bytes: Uint8Array): void {
  for (const octet of bytes) {
    if (octet === 0x20) continue;
    throw new Http3Error("QPACK_ENCODER_STREAM_ERROR", "there is no dynamic table");
  }
}

/**
 * Reads the client's decoder stream (RFC 9204, section 4.4). As nothing was sent that refers to a
 * dynamic table, it may do nothing but cancel streams, which changes nothing.
 */
export class DecoderInstructions {
  /** Octets of the integer so far; 0 between instructions. */
  #continuation = 0;

  /** @throws Http3Error with QPACK_DECODER_STREAM_ERROR */
  push(bytes: Uint8Array): void {
    for (const octet of bytes) {
      if (this.#continuation > 0) this.#continue(octet);
      else if ((octet & 0xc0) !== 0x40) throw error("acknowledges what was never sent");
      else if ((octet & 0x3f) === 0x3f) this.#continuation = 1;
    }
  }

  #continue(octet: number): void {
    if (octet < 0x80) this.#continuation = 0;
    else if (++this.#continuation > MAX_CONTINUATION) throw error("an integer is too large");
  }
}

function error(message: string): Http3Error {
  return new Http3Error("QPACK_DECODER_STREAM_ERROR", message);
}
