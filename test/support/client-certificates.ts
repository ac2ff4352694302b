import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientIdentity } from "./https.ts";
import { NEW_KEY, openssl } from "./openssl.ts";

/** An authority in a temporary folder that issues client certificates with OpenSSL. */
export class ClientAuthority implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-authority-"));

  constructor(name: string) {
    const subject = ["-subj", `/CN=${name}`, "-days", "2"];
    this.#openssl(["req", "-x509", ...NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem", ...subject]);
  }

  /** PEM file of the authority's own certificate. */
  get file(): string {
    return join(this.#folder, "ca.pem");
  }

  issue(name: string): ClientIdentity {
    const files = ["-keyout", `${name}.key`, "-out", `${name}.csr`];
    this.#openssl(["req", "-new", ...NEW_KEY, ...files, "-subj", `/CN=${name}`]);
    const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
    this.#openssl(["x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...issuer]);
    return { cert: this.#read(`${name}.pem`), key: this.#read(`${name}.key`) };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), "utf8");
  }

  #openssl(args: readonly string[]): void {
    openssl(this.#folder, args);
  }
}
