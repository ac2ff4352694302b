import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** The header that proves where a request comes from. */
export const SIGNATURE_HEADER = "starling-signature";

/**
 * `t=SECONDS,v1=HEX`: the time of the request, in seconds since the Unix epoch, and the HMAC-SHA256 (RFC
 * 2104) of that time as digits, a `.` and the body. Each secret adds a `v1`, so that a receiver that
 * knows one of them accepts the request while secrets change.
 */
export function hookSignature(body: string, seconds: number, secrets: readonly string[]): string {
  const signed = utf8ToBytes(`${seconds}.${body}`);
  const parts = secrets.map((secret) => {
    return `v1=${bytesToHex(hmac(sha256, utf8ToBytes(secret), signed))}`;
  });
  return [`t=${seconds}`, ...parts].join(",");
}
