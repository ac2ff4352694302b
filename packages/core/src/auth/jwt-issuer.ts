import { utf8ToBytes } from "@noble/hashes/utils.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import { SignJWT } from "jose";
import { DEFAULT_APP } from "../hub/namespace.ts";
import type { Clock } from "../ports.ts";
import { type ChannelAction, readPermissions, readUser } from "./identity.ts";
import { MAX_JWT_LENGTH, MIN_JWT_SECRET_BYTES, PERMISSIONS_CLAIM } from "./jwt.ts";

/** Seconds that a token may be good for: 30 days. */
export const MAX_TTL_SECONDS = 30 * 86_400;

export interface JwtIssuerOptions {
  /** The secret that the gateway's own verifier has. */
  readonly secret: string;
  /** Written where the verifier wants it. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly clock: Clock;
}

export interface TokenRequest {
  /** Default: the default app. */
  readonly app?: string | undefined;
  readonly user?: string | undefined;
  /** Channel patterns for each action; what is not mentioned is not granted. */
  readonly permissions?: Readonly<Partial<Record<ChannelAction, readonly string[]>>> | undefined;
  /** A whole number of seconds from 1 to `MAX_TTL_SECONDS`. */
  readonly ttlSeconds: number;
}

export interface MintedToken {
  readonly token: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Makes the tokens (HS256) that `JwtVerifier` with the same secret accepts. */
export class JwtIssuer {
  readonly #options: JwtIssuerOptions;
  readonly #secret: Uint8Array;

  /** @throws RangeError when the secret is too short. */
  constructor(options: JwtIssuerOptions) {
    this.#options = options;
    this.#secret = utf8ToBytes(options.secret);
    if (this.#secret.length < MIN_JWT_SECRET_BYTES) {
      throw new RangeError(`the JWT secret has fewer than ${MIN_JWT_SECRET_BYTES} bytes`);
    }
  }

  /** @throws StarlingError `invalid_request` where the verifier would refuse the token. */
  async mint(request: TokenRequest): Promise<MintedToken> {
    const { issuer, audience, clock } = this.#options;
    const { app = DEFAULT_APP, user, permissions, ttlSeconds } = request;
    check(request);
    const now = Math.floor(clock.now() / 1000);
    const jwt = new SignJWT({
      app,
      ...(permissions === undefined ? {} : { [PERMISSIONS_CLAIM]: { ...permissions } }),
    })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setIssuedAt(now)
      .setExpirationTime(now + ttlSeconds);
    if (user !== undefined) jwt.setSubject(user);
    if (issuer !== undefined) jwt.setIssuer(issuer);
    if (audience !== undefined) jwt.setAudience(audience);
    const token = await jwt.sign(this.#secret);
    if (token.length > MAX_JWT_LENGTH) {
      throw new StarlingError(
        "invalid_request",
        `the token would have ${token.length} characters, and at most ${MAX_JWT_LENGTH} are accepted`,
      );
    }
    return { token, expiresAt: (now + ttlSeconds) * 1000 };
  }
}

function check({ user, permissions, ttlSeconds }: TokenRequest): void {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) {
    throw new StarlingError(
      "invalid_request",
      `ttlSeconds must be a whole number from 1 to ${MAX_TTL_SECONDS}`,
    );
  }
  try {
    if (user !== undefined) readUser(user);
    if (permissions !== undefined) readPermissions(permissions);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new StarlingError("invalid_request", cause.message, { cause });
  }
}
