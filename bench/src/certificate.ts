import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateFiles } from "./peers/peer.ts";

/**
 * Makes a self-signed ECDSA P-256 certificate for loopback, the kind that Starling makes for
 * itself, so that handshakes cost every peer the same.
 */
export function makeCertificate(directory: string): CertificateFiles {
  const files = { certificate: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  const made = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ...["-nodes", "-days", "14", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"],
    ...["-keyout", files.key, "-out", files.certificate],
  ]);
  if (!made.success) throw new Error(`openssl made no certificate: ${made.stderr.toString()}`);
  return files;
}

/** What WebTransport clients know a certificate by: the SHA-256 of its DER, base64. */
export function certificateHash({ certificate }: CertificateFiles): string {
  const { raw } = new X509Certificate(readFileSync(certificate));
  return createHash("sha256").update(raw).digest("base64");
}
