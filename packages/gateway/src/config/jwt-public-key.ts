import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";

const MIN_RSA_BITS = 2_048;
const CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/**
 * The public key of a setting that holds it, or the path of its file, as SPKI in PEM; or what is
 * wrong with it.
 */
export function readJwtPublicKey(
  text: string,
  absolute: (path: string) => string,
): { readonly pem?: string; readonly fault?: string } {
  const isPem = text.trimStart().startsWith("-----BEGIN");
  let pem = text;
  if (!isPem) {
    try {
      pem = readFileSync(absolute(text), "utf8");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : error;
      return { fault: `cannot be read (${String(code)})` };
    }
  }
  // A key that came in one line, as some tools keep variables, has its line breaks spelt out.
  const lines = isPem ? pem.replaceAll("\\n", "\n") : pem;
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(lines)) {
    return { fault: "is a private key; the gateway needs the public one" };
  }
  let key: KeyObject;
  try {
    key = createPublicKey(lines);
  } catch {
    return { fault: "is no public key in PEM" };
  }
  const fault = faultOf(key);
  return fault === undefined
    ? { pem: key.export({ type: "spki", format: "pem" }).toString() }
    : { fault };
}

function faultOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  switch (asymmetricKeyType) {
    case "ed25519":
      return undefined;
    case "rsa": {
      const bits = asymmetricKeyDetails?.modulusLength ?? 0;
      if (bits >= MIN_RSA_BITS) return undefined;
      return `is an RSA key of ${bits} bits; it needs at least ${MIN_RSA_BITS}`;
    }
    case "ec": {
      const curve = asymmetricKeyDetails?.namedCurve ?? "";
      return CURVES.has(curve) ? undefined : `is a key of the curve ${curve}, which no token uses`;
    }
    default:
      return `is a key of the kind ${asymmetricKeyType}, which no token uses`;
  }
}
