import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A key pair of a token issuer. */
export interface IssuerKey {
  readonly algorithm: "ES256" | "RS256" | "EdDSA";
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function issuerKey(algorithm: IssuerKey["algorithm"], id = "key"): IssuerKey {
  const pair = () => {
    if (algorithm === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" });
    if (algorithm === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2048 });
    return generateKeyPairSync("ed25519");
  };
  return { algorithm, id, ...pair() };
}

/** The public key as PEM. */
export function pemOf(key: IssuerKey): string {
  return String(key.publicKey.export({ type: "spki", format: "pem" }));
}

/** The public key as a member of a JSON Web Key Set (RFC 7517 section 5). */
export function jwkOf(key: IssuerKey): object {
  return { ...key.publicKey.export({ format: "jwk" }), kid: key.id, alg: key.algorithm };
}

/** A token (RFC 7519) that is good for a minute, unless the claims say otherwise. */
export function signToken(key: IssuerKey, claims: object): string {
  const text = unsigned({ alg: key.algorithm, kid: key.id }, claims);
  const digest = key.algorithm === "EdDSA" ? null : "sha256";
  const { privateKey } = key;
  const mac = sign(digest, Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${text}.${mac.toString("base64url")}`;
}

/** The same, with HMAC-SHA256 and a shared secret. */
export function signWithSecret(secret: string | Buffer, claims: object, alg = "HS256"): string {
  const text = unsigned({ alg }, claims);
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** A token without a signature, which says so itself (RFC 7519 section 6). */
export function unsecuredToken(claims: object): string {
  return `${unsigned({ alg: "none" }, claims)}.`;
}

function unsigned(header: object, claims: object): string {
  const content = { exp: Math.floor(Date.now() / 1000) + 60, ...claims };
  return [header, content]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
}
