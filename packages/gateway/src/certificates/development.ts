import { webcrypto } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Clock } from "@starling/core/ports.ts";
import { keyMatches, readCertificate, readPrivateKey, validityProblem } from "./inspect.ts";
import { developmentCertificateFile, developmentKeyFile } from "./state-files.ts";

/** A self-made certificate for localhost, 127.0.0.1 and ::1. */
export interface DevelopmentCertificate {
  /** PEM text of the certificate. */
  readonly cert: string;
  /** PEM text of the private key, PKCS #8. */
  readonly key: string;
  /** SHA-256 of the DER form, upper-case hexadecimal pairs with colons. */
  readonly fingerprint: string;
  /** The file of `cert`, for clients that are told whom to trust. */
  readonly certFile: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Browsers accept a certificate by its hash only when it is valid for at most 14 days. */
const VALIDITY_MS = 14 * DAY_MS;
/** A clock that is a little behind this one must not find the certificate not yet valid. */
const BACKDATED_MS = HOUR_MS;
/** A process goes on with the certificate of its start, so that one is good for a week at least. */
const RENEWED_BEFORE_MS = 7 * DAY_MS;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/**
 * The development certificate of a state folder, made anew where there is none, and where it cannot be
 * read or used; a node that starts also renews one with less than a week left, but none of its
 * processes does later, since the others go on with the one that they have.
 */
export async function developmentCertificate(
  stateDir: string,
  clock: Pick<Clock, "now">,
  moment: "start" | "later" = "start",
): Promise<DevelopmentCertificate> {
  const certFile = developmentCertificateFile(stateDir);
  const keyFile = developmentKeyFile(stateDir);
  const leftMs = moment === "start" ? RENEWED_BEFORE_MS : 0;
  const kept = keptCertificate(certFile, keyFile, clock.now(), leftMs);
  if (kept !== undefined) return kept;

  const made = await makeCertificate(clock.now());
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  replaceFile(keyFile, made.key, 0o600);
  replaceFile(certFile, made.cert, 0o644);
  const inspected = readCertificate(made.cert);
  if (inspected === undefined) throw new Error("the certificate just made cannot be read");
  return { ...made, fingerprint: inspected.fingerprint, certFile };
}

function keptCertificate(
  certFile: string,
  keyFile: string,
  now: number,
  leftMs: number,
): DevelopmentCertificate | undefined {
  let cert: string;
  let key: string;
  try {
    cert = readFileSync(certFile, "utf8");
    key = readFileSync(keyFile, "utf8");
  } catch {
    return undefined;
  }
  const inspected = readCertificate(cert);
  const privateKey = readPrivateKey(key);
  if (inspected === undefined || privateKey === undefined) return undefined;
  if (validityProblem(inspected, now) !== undefined) return undefined;
  if (inspected.notAfter - now < leftMs) return undefined;
  if (!keyMatches(inspected, privateKey)) return undefined;
  chmodSync(keyFile, 0o600);
  return { cert, key, fingerprint: inspected.fingerprint, certFile };
}

async function makeCertificate(now: number): Promise<{ cert: string; key: string }> {
  // The library finds its parts through decorators' metadata, so this polyfill must run before it
  // is loaded; static imports do not keep that order in a single-file executable.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  // Certificates count whole seconds, and the last second of the validity belongs to it.
  const notBefore = Math.floor((now - BACKDATED_MS) / 1000) * 1000;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=localhost, O=Starling development",
    notBefore: new Date(notBefore),
    notAfter: new Date(notBefore + VALIDITY_MS - 1000),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
        { type: "ip", value: "::1" },
      ]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    cert: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
}

/** Puts a whole file in the place of another, so that nobody reads half of it. */
function replaceFile(path: string, text: string, mode: number): void {
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, text, { mode });
  renameSync(draft, path);
}
