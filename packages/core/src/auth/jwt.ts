import { utf8ToBytes } from "@noble/hashes/utils.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import {
  type CryptoKey,
  errors,
  importSPKI,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { DEFAULT_APP } from "../hub/namespace.ts";
import type { Clock } from "../ports.ts";
import { type Identity, readPermissions, readUser } from "./identity.ts";
import type { RemoteKeySet } from "./jwks.ts";

/** Characters that a token may have. */
export const MAX_JWT_LENGTH = 8_192;
/** Bytes that the shared secret must have: as many as the digest of HS256 (RFC 7518 section 3.2). */
export const MIN_JWT_SECRET_BYTES = 32;
/** The claim that holds the permissions. */
export const PERMISSIONS_CLAIM = "starling";

const SECRET_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;
const PUBLIC_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

export interface JwtVerifierOptions {
  /** Checks HS256, HS384 and HS512. */
  readonly secret?: string | undefined;
  /** Public key, SPKI in PEM; checks the algorithms that its kind of key can sign with. */
  readonly publicKey?: string | undefined;
  /** Checks the algorithms of its keys; not together with `publicKey`. */
  readonly keySet?: RemoteKeySet | undefined;
  /** What `iss` must be; undefined takes any. */
  readonly issuer?: string | undefined;
  /** What `aud` must be or contain; undefined takes any. */
  readonly audience?: string | undefined;
  /** Seconds by which the clocks of issuer and gateway may differ. */
  readonly leewaySeconds: number;
  readonly clock: Clock;
}

/** Whether a token has the form of a JWT (RFC 7515 section 7.1), unlike the rotating token. */
export function looksLikeJwt(token: string): boolean {
  return token.split(".", 4).length === 3;
}

/**
 * Checks signed JSON Web Tokens (RFC 7519) and reads who their bearers are.
 *
 * Claims: `exp` is required, since a token that never expires cannot be taken back; `sub` is the
 * user; `app` the app, without it the default one; `starling` holds the permissions,
 * `{subscribe, publish, presence}`, each a list of channel patterns. `nbf`, `iss` and `aud` are
 * checked, the last two where they are configured.
 *
 * A token chooses its algorithm, but only among those of the kind of key that there is: a secret
 * checks nothing but HMAC and a public key never does, so that nobody can sign with a public key as
 * the secret (RFC 8725 section 3.1).
 */
export class JwtVerifier {
  readonly #options: JwtVerifierOptions;
  readonly #secret: Uint8Array | undefined;
  readonly #publicKeys: ReadonlyMap<string, CryptoKey>;
  readonly #algorithms: string[];

  private constructor(options: JwtVerifierOptions, publicKeys: ReadonlyMap<string, CryptoKey>) {
    const { secret, keySet } = options;
    this.#options = options;
    this.#secret = secret === undefined ? undefined : utf8ToBytes(secret);
    this.#publicKeys = publicKeys;
    this.#algorithms = [
      ...(secret === undefined ? [] : SECRET_ALGORITHMS),
      ...(keySet === undefined ? publicKeys.keys() : PUBLIC_ALGORITHMS),
    ];
  }

  /** @throws RangeError when there is no key, or one that cannot be used. */
  static async create(options: JwtVerifierOptions): Promise<JwtVerifier> {
    const { secret, publicKey, keySet } = options;
    if (secret === undefined && publicKey === undefined && keySet === undefined) {
      throw new RangeError("there is no key to check a JWT with");
    }
    if (publicKey !== undefined && keySet !== undefined) {
      throw new RangeError("there are a public key and a key set; only one of them is possible");
    }
    if (secret !== undefined && utf8ToBytes(secret).length < MIN_JWT_SECRET_BYTES) {
      throw new RangeError(`the JWT secret has fewer than ${MIN_JWT_SECRET_BYTES} bytes`);
    }
    const publicKeys = publicKey === undefined ? new Map() : await importForEach(publicKey);
    if (publicKey !== undefined && publicKeys.size === 0) {
      throw new RangeError("the public key is no RSA, P-256, P-384, P-521 or Ed25519 key in PEM");
    }
    return new JwtVerifier(options, publicKeys);
  }

  /** The algorithms that a token may have been signed with, beside what a key set rules out. */
  get algorithms(): readonly string[] {
    return this.#algorithms;
  }

  /**
   * Who the bearer is. The identity ends when the token does, the leeway included.
   *
   * @throws StarlingError `token_expired`, `invalid_jwt` or `jwks_unavailable`
   */
  async verify(token: string): Promise<Identity> {
    if (token.length > MAX_JWT_LENGTH) {
      throw new StarlingError("invalid_jwt", `a token has at most ${MAX_JWT_LENGTH} characters`);
    }
    try {
      return this.#identityOf(await this.#claimsOf(token));
    } catch (cause) {
      throw refusal(cause);
    }
  }

  async #claimsOf(token: string): Promise<JWTPayload> {
    const { issuer, audience, leewaySeconds, clock } = this.#options;
    const options = {
      algorithms: this.#algorithms,
      requiredClaims: ["exp"],
      clockTolerance: leewaySeconds,
      currentDate: new Date(clock.now()),
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
    try {
      return (await jwtVerify(token, this.#keyFor, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return await firstVerified(error, async (key) => {
        return (await jwtVerify(token, key, options)).payload;
      });
    }
  }

  readonly #keyFor: JWTVerifyGetKey = async (header, token) => {
    if (header.alg.startsWith("HS") && this.#secret !== undefined) return this.#secret;
    const key =
      this.#publicKeys.get(header.alg) ?? (await this.#options.keySet?.key(header, token));
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return key;
  };

  #identityOf(claims: JWTPayload): Identity {
    const { sub, exp = 0, app = DEFAULT_APP, [PERMISSIONS_CLAIM]: permissions } = claims;
    if (typeof app !== "string") throw new RangeError('the claim "app" must be a string');
    return {
      app,
      user: sub === undefined ? undefined : readUser(sub),
      permissions: permissions === undefined ? undefined : readPermissions(permissions),
      expiresAt: Math.min((exp + this.#options.leewaySeconds) * 1000, Number.MAX_SAFE_INTEGER),
      source: "jwt",
    };
  }
}

/** The key as a key of each algorithm that its kind allows: the import fails for all others. */
async function importForEach(pem: string): Promise<ReadonlyMap<string, CryptoKey>> {
  const keys = new Map<string, CryptoKey>();
  for (const algorithm of PUBLIC_ALGORITHMS) {
    try {
      keys.set(algorithm, await importSPKI(pem, algorithm));
    } catch {
      // Of another kind.
    }
  }
  return keys;
}

/** A token without a key id may have been signed with any key that fits its algorithm. */
async function firstVerified<T>(
  keys: AsyncIterable<CryptoKey>,
  verify: (key: CryptoKey) => Promise<T>,
): Promise<T> {
  for await (const key of keys) {
    try {
      return await verify(key);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** Whatever a token brings about is a fault of the token. */
function refusal(cause: unknown): StarlingError {
  if (cause instanceof StarlingError) return cause;
  if (cause instanceof errors.JWTExpired)
    return new StarlingError("token_expired", undefined, { cause });
  const isExplained = cause instanceof errors.JOSEError || cause instanceof RangeError;
  return new StarlingError("invalid_jwt", isExplained ? cause.message : undefined, { cause });
}
