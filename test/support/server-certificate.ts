import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NEW_KEY, openssl } from "./openssl.ts";

/** A self-signed certificate for addresses of this machine, made by OpenSSL in a temporary folder. */
export class ServerCertificate implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-certificate-"));

  constructor(addresses: readonly string[] = ["127.0.0.1"]) {
    const hosts = ["DNS:localhost", ...addresses.map((address) => `IP:${address}`)];
    const files = ["-keyout", "key.pem", "-out", "cert.pem"];
    const subject = ["-subj", "/CN=localhost", "-days", "2"];
    // Deno takes no authority for a server.
    const kind = ["-addext", "basicConstraints=critical,CA:FALSE"];
    const names = ["-addext", `subjectAltName=${hosts.join(",")}`, ...kind];
    openssl(this.#folder, ["req", "-x509", ...NEW_KEY, ...files, ...subject, ...names]);
  }

  /** PEM file of the certificate. */
  get certFile(): string {
    return join(this.#folder, "cert.pem");
  }

  /** PEM file of its key. */
  get keyFile(): string {
    return join(this.#folder, "key.pem");
  }

  /** SHA-256 of its DER form, base64. */
  get hash(): string {
    return certificateHash(readFileSync(this.certFile, "utf8"));
  }

  /** What makes a gateway use it. */
  get environment(): Record<string, string> {
    return { PUB_KEY_PATH: this.certFile, PRIV_KEY_PATH: this.keyFile };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** SHA-256 of the DER form of a certificate, base64. */
export function certificateHash(pem: string): string {
  return new Bun.CryptoHasher("sha256").update(new X509Certificate(pem).raw).digest("base64");
}
