import { readCertificate } from "../certificates/inspect.ts";
import type { Endpoint } from "./subscriber-listener.ts";

/** Where a page learns the hash of the development certificate, for `serverCertificateHashes`. */
export const CERTIFICATE_HASH_PATH = "/v1/certificate-hash";

/**
 * Answers the hash in the words of the W3C's `WebTransportHash`, `value` as base64. Pages of every
 * origin may ask: anybody who connects sees the certificate itself.
 */
export function certificateHashEndpoint(cert: string): Endpoint {
  const fingerprint = readCertificate(cert)?.fingerprint ?? "";
  const value = Uint8Array.fromHex(fingerprint.replaceAll(":", "")).toBase64();
  const body = JSON.stringify({ algorithm: "sha-256", value });
  return {
    fetch({ method }) {
      if (method !== "GET" && method !== "HEAD") {
        return new Response("method not allowed", { status: 405, headers: { allow: "GET, HEAD" } });
      }
      return new Response(body, {
        headers: {
          "content-type": "application/json",
          "access-control-allow-origin": "*",
          "cache-control": "no-cache",
          "x-content-type-options": "nosniff",
        },
      });
    },
  };
}
