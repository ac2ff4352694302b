import { StarlingError } from "@starling/protocol/errors.ts";
import type { Authenticator } from "../../auth/authenticator.ts";
import type { Identity } from "../../auth/identity.ts";
import { looksLikeJwt } from "../../auth/jwt.ts";
import type { RotatingToken } from "../../auth/rotating-token.ts";
import type { Handshake } from "../engine/context.ts";

/** What a Socket.IO client says of who it is. */
interface ClientClaims {
  /** `uniqueUserId` of the query, or else of `auth`. */
  readonly user: string | undefined;
  /** Of the query or of an `Authorization` header, for clients that cannot set `auth`. */
  readonly token: string | undefined;
  /** Kept, like the origin, only where a webhook will be told of it. */
  readonly address: string;
  readonly origin: string | undefined;
}

/**
 * What is remembered of a handshake for as long as its session lives: most clients only name
 * themselves, and then the name is all.
 */
export type ClientInfo = string | undefined | ClientClaims;

export interface ClientAuthOptions {
  /** Undefined where no secret is configured. */
  readonly rotating: RotatingToken | undefined;
  readonly authenticator: Authenticator;
  /** Whether JWT is configured. */
  readonly acceptsJwt: boolean;
  /** Whether a webhook is configured. */
  readonly hasWebhook: boolean;
  /** Whether a client that proves nothing is let in, with the id that it claims. */
  readonly anonymous: boolean;
  /** What a user id looks like. */
  readonly userIdPattern: RegExp;
}

/** Longer ids are refused before the configured pattern, whatever it is, gets to see them. */
const MAX_USER_ID_LENGTH = 255;

/**
 * Decides who a Socket.IO client is: by a JWT, by the rotating token, by the webhook, or by its own
 * word where that is allowed; the first that applies.
 */
export class ClientAuth {
  readonly #options: ClientAuthOptions;

  constructor(options: ClientAuthOptions) {
    this.#options = options;
  }

  remember({ query, address, origin, bearer }: Handshake): ClientInfo {
    const user = query.get("uniqueUserId") ?? undefined;
    const token = query.get("token") ?? bearer;
    if (this.#options.hasWebhook) return { user, token, address, origin: origin ?? undefined };
    return token === undefined ? user : { user, token, address: "", origin: undefined };
  }

  /**
   * Who the client is; at once where nobody outside has to be asked.
   *
   * @throws StarlingError the refusal
   */
  identify(app: string, info: ClientInfo, auth: unknown): Identity | Promise<Identity> {
    const { rotating, acceptsJwt, hasWebhook, anonymous } = this.#options;
    const claims = claimsOf(info, auth);
    const token = tokenOf(auth) ?? claims.token;
    const isJwt = acceptsJwt && typeof token === "string" && looksLikeJwt(token);
    if (isJwt) return this.#ask(app, claims, token);
    // The token comes before the id: who lacks the one is told nothing of the other.
    // It never counted in the query, which logs and histories keep.
    if (rotating?.accepts(tokenOf(auth)) === true)
      return this.#claimed(app, claims.user, "rotating");
    if (hasWebhook) return this.#ask(app, claims, typeof token === "string" ? token : undefined);
    if (!anonymous) throw new StarlingError("invalid_token");
    return this.#claimed(app, claims.user, "none");
  }

  /**
   * The identity of a client that brings a fresh JWT.
   *
   * @throws StarlingError the refusal
   */
  refresh(current: Identity, token: unknown): Promise<Identity> {
    if (typeof token !== "string") throw new StarlingError("invalid_jwt");
    return this.#options.authenticator.refresh(current, token);
  }

  async #ask(app: string, claims: ClientClaims, token: string | undefined): Promise<Identity> {
    const { user: id, address, origin } = claims;
    const credentials = { protocol: "socket.io" as const, app, token, id, address, origin };
    const identity = await this.#options.authenticator.authenticate(credentials);
    if (id !== undefined && identity.user !== undefined && id !== identity.user) {
      throw new StarlingError("wrong_user", "uniqueUserId is not the user of the token");
    }
    return identity;
  }

  #claimed(app: string, user: string | undefined, source: "rotating" | "none"): Identity {
    if (user !== undefined && !this.#isUserId(user)) throw new StarlingError("invalid_user_id");
    return { app, user, source };
  }

  #isUserId(user: string): boolean {
    return user.length <= MAX_USER_ID_LENGTH && this.#options.userIdPattern.test(user);
  }
}

/** Over WebTransport the stock client sends no query, so that the id has to come with `auth`. */
function claimsOf(info: ClientInfo, auth: unknown): ClientClaims {
  const claims =
    typeof info === "object"
      ? info
      : { user: info, token: undefined, address: "", origin: undefined };
  return claims.user === undefined ? { ...claims, user: userOf(auth) } : claims;
}

function userOf(auth: unknown): string | undefined {
  if (typeof auth !== "object" || auth === null || !("uniqueUserId" in auth)) return undefined;
  const { uniqueUserId } = auth;
  if (uniqueUserId === undefined || uniqueUserId === null) return undefined;
  // What is no text is nobody's id, and not the same as none.
  return typeof uniqueUserId === "string" ? uniqueUserId : "";
}

function tokenOf(auth: unknown): unknown {
  return typeof auth === "object" && auth !== null && "token" in auth ? auth.token : undefined;
}
