import { StarlingError } from "@starling/protocol/errors.ts";
import { readBody, TOO_LARGE } from "../listeners/read-body.ts";

/** Strips a byte order mark, which RFC 8259 section 8.1 lets a receiver do. */
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The body of a request as text; never more than `maxBytes` of it are held.
 *
 * @throws StarlingError `body_too_large`, `invalid_encoding`, or `invalid_request` when the client
 *   went away before its body was complete.
 */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  let body: Uint8Array | typeof TOO_LARGE;
  try {
    body = await readBody(request, maxBytes);
  } catch (cause) {
    throw new StarlingError("invalid_request", "the body was cut off", { cause });
  }
  if (body === TOO_LARGE) {
    throw new StarlingError("body_too_large", `the body is larger than ${maxBytes} bytes`);
  }
  try {
    return decoder.decode(body);
  } catch (cause) {
    throw new StarlingError("invalid_encoding", undefined, { cause });
  }
}
