import { StarlingError } from "@starling/protocol/errors.ts";
import { MAX_NAME_LENGTH } from "../hub/names.ts";
import { type AppConfig, DEFAULT_APP } from "../hub/namespace.ts";
import type { Identity } from "./identity.ts";
import { type JwtVerifier, looksLikeJwt, MAX_JWT_LENGTH } from "./jwt.ts";
import type { ClientProtocol } from "./permissions.ts";
import type { PublicKeys } from "./public-keys.ts";
import type { Webhook } from "./webhook.ts";

/** What a client brought to its handshake, and what is known of it. */
export interface Credentials {
  readonly protocol: ClientProtocol;
  /** The app that the client asks for, where its address names one. */
  readonly app?: string | undefined;
  /** The public key. */
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  /** The id that the client gave itself. */
  readonly id?: string | undefined;
  readonly origin?: string | undefined;
  readonly address: string;
}

export interface AuthenticatorOptions {
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly publicKeys: PublicKeys;
  /** Undefined where no key for tokens is configured. */
  readonly jwt: JwtVerifier | undefined;
  /** Undefined where no webhook is configured. */
  readonly webhook: Webhook | undefined;
  /** Whether an SSE client may come with nothing at all. */
  readonly anonymousSse: boolean;
}

/**
 * Decides who a connection is. The first of these that applies decides, and its refusal is final:
 *
 * 1. A token in the form of a JWT, where JWT is configured.
 * 2. The webhook, where it is configured. It is asked about a client that has no public key or an
 *    accepted one; where no keys are listed, it decides about keys as well.
 * 3. The public key.
 * 4. Nothing: a client of the signalling protocol is refused, an SSE client where
 *    `anonymousSse` is off; a Socket.IO client is let through, for its own token check.
 *
 * Whatever decides, the app must be configured, and be the one that the client asked for and, where
 * keys are listed, the one of the key that it brought.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * Who the connection is; settles in bounded time.
   *
   * @throws StarlingError the refusal
   */
  async authenticate(credentials: Credentials): Promise<Identity> {
    checkLengths(credentials);
    const keyApp = this.#appOfKey(credentials);
    const identity = await this.#identify(credentials, keyApp);
    if (!this.#options.apps.has(identity.app)) throw new StarlingError("unknown_app");
    const isListed = this.#options.publicKeys.isConfigured;
    for (const app of [credentials.app, isListed ? keyApp : undefined]) {
      if (app !== undefined && app !== identity.app) throw new StarlingError("wrong_app");
    }
    return identity;
  }

  /**
   * The identity of a connection that brings a new JWT while it goes on; it stays with its user and
   * its app.
   *
   * @throws StarlingError the refusal
   */
  async refresh(current: Identity, token: string): Promise<Identity> {
    const identity = await this.#verify(token);
    if (identity.app !== current.app) throw new StarlingError("wrong_app");
    if (identity.user !== current.user) throw new StarlingError("wrong_user");
    return identity;
  }

  async #identify(credentials: Credentials, keyApp: string | undefined): Promise<Identity> {
    const { webhook, anonymousSse } = this.#options;
    const { protocol, token, key, id, origin, address, app } = credentials;
    if (token !== undefined && this.#isForJwt(token)) return this.#verify(token);
    if (protocol === "signalling" && !key) throw new StarlingError("missing_public_key");
    if (webhook !== undefined) {
      const asked = { app: app ?? keyApp, key, id, token, origin, address };
      return webhook.ask({ ...asked, transport: protocol });
    }
    if (keyApp !== undefined) return { app: keyApp, source: "key" };
    if (protocol === "sse" && !anonymousSse) throw new StarlingError("invalid_token");
    return { app: app ?? DEFAULT_APP, source: "none" };
  }

  #isForJwt(token: string | undefined): boolean {
    return this.#options.jwt !== undefined && token !== undefined && looksLikeJwt(token);
  }

  async #verify(token: string): Promise<Identity> {
    const { jwt } = this.#options;
    if (jwt === undefined) throw new StarlingError("invalid_jwt", "no JWT is accepted here");
    return await jwt.verify(token);
  }

  /** The app of an accepted key; undefined without a key, or where the webhook or a JWT decides. */
  #appOfKey({ key, token }: Credentials): string | undefined {
    const { publicKeys, webhook } = this.#options;
    if (!key) return undefined;
    const hasOtherJudge = webhook !== undefined || this.#isForJwt(token);
    if (hasOtherJudge && !publicKeys.isConfigured) return undefined;
    return publicKeys.appOf(key);
  }
}

/** What is compared, hashed and passed on is of bounded length. */
function checkLengths(credentials: Credentials): void {
  for (const name of ["key", "id", "origin"] as const) {
    if ((credentials[name]?.length ?? 0) > MAX_NAME_LENGTH) {
      const message = `${name}: must have at most ${MAX_NAME_LENGTH} characters`;
      throw new StarlingError("invalid_request", message);
    }
  }
  if ((credentials.token?.length ?? 0) > MAX_JWT_LENGTH) {
    const message = `a token has at most ${MAX_JWT_LENGTH} characters`;
    throw new StarlingError("invalid_token", message);
  }
}
