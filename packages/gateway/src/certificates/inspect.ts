import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** What is wrong with a certificate; the message completes a sentence about its file. */
export interface CertificateProblem {
  readonly kind: "unreadable" | "expired" | "not-yet-valid";
  readonly message: string;
}

/** A certificate that was read, and the moments in ms since the epoch that bound its validity. */
export interface InspectedCertificate {
  readonly certificate: X509Certificate;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of its DER form, upper-case hexadecimal pairs with colons. */
  readonly fingerprint: string;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text in their order; throws where one cannot be read. */
export function readCertificates(pem: string): InspectedCertificate[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((block) => {
    const certificate = new X509Certificate(block);
    return {
      certificate,
      notBefore: Date.parse(certificate.validFrom),
      notAfter: Date.parse(certificate.validTo),
      fingerprint: certificate.fingerprint256,
    };
  });
}

/** The server's own certificate, the first of a chain; undefined where `pem` has none. */
export function readCertificate(pem: string): InspectedCertificate | undefined {
  try {
    return readCertificates(pem)[0];
  } catch {
    return undefined;
  }
}

/** The private key of a PEM text; undefined where there is none, or it is encrypted. */
export function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Whether a certificate is outside its validity at `now` (RFC 5280 section 4.1.2.5). */
export function validityProblem(
  certificate: InspectedCertificate,
  now: number,
): CertificateProblem | undefined {
  if (now > certificate.notAfter) {
    return { kind: "expired", message: `expired at ${isoSeconds(certificate.notAfter)}` };
  }
  if (now < certificate.notBefore) {
    return {
      kind: "not-yet-valid",
      message: `is not valid before ${isoSeconds(certificate.notBefore)}`,
    };
  }
  return undefined;
}

/** Whether `key` is the private key of the certificate. */
export function keyMatches(certificate: InspectedCertificate, key: KeyObject): boolean {
  return certificate.certificate.checkPrivateKey(key);
}

function isoSeconds(time: number): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}
