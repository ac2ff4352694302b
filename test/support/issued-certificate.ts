import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NEW_KEY, openssl } from "./openssl.ts";

/**
 * A certificate for the loopback address that an authority of its own has issued: Deno takes none
 * that is its own authority.
 */
export class IssuedCertificate implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-issued-"));

  constructor() {
    const run = (...args: string[]) => openssl(this.#folder, args);
    const days = ["-days", "2"];
    const authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", ...days];
    run("req", "-x509", ...NEW_KEY, ...authority);
    const names = ["-addext", "subjectAltName=IP:127.0.0.1", "-subj", "/CN=localhost"];
    run("req", "-new", ...NEW_KEY, "-keyout", "key.pem", "-out", "request.pem", ...names);
    const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", ...days];
    const files = ["-in", "request.pem", "-out", "cert.pem", "-copy_extensions", "copyall"];
    run("x509", "-req", ...files, ...issuer);
  }

  /** PEM file of the authority's certificate. */
  get authorityFile(): string {
    return join(this.#folder, "ca.pem");
  }

  /** PEM file of the certificate. */
  get certFile(): string {
    return join(this.#folder, "cert.pem");
  }

  /** PEM file of its key. */
  get keyFile(): string {
    return join(this.#folder, "key.pem");
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
