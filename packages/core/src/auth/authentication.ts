import type { AppConfig } from "../hub/namespace.ts";
import type { Clock, HttpClient, Log, Random } from "../ports.ts";
import { Authenticator } from "./authenticator.ts";
import { RemoteKeySet, type RemoteKeySetOptions } from "./jwks.ts";
import { JwtVerifier, type JwtVerifierOptions } from "./jwt.ts";
import { PublicKeys, type PublicKeysOptions } from "./public-keys.ts";
import { Webhook, type WebhookOptions } from "./webhook.ts";

/** What checking credentials needs of the process. */
export interface AuthenticationWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly http: HttpClient;
}

/** What is configured about tokens. */
export interface JwtSettings extends Omit<JwtVerifierOptions, "keySet" | "clock"> {
  readonly keySet: Omit<RemoteKeySetOptions, keyof AuthenticationWorld> | undefined;
}

/** What is configured about the webhook. */
export type WebhookSettings = Omit<WebhookOptions, keyof AuthenticationWorld>;

export interface AuthenticationSettings {
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly publicKeys: PublicKeysOptions;
  /** Undefined where no key for tokens is configured. */
  readonly jwt: JwtSettings | undefined;
  /** Undefined where no webhook is configured. */
  readonly webhook: WebhookSettings | undefined;
  /** Whether clients of Socket.IO and SSE that prove nothing are let in. */
  readonly anonymous: boolean;
}

/** Puts together whatever is configured to say who a client is. */
export async function createAuthenticator(
  { apps, publicKeys, jwt, webhook, anonymous }: AuthenticationSettings,
  world: AuthenticationWorld,
): Promise<Authenticator> {
  return new Authenticator({
    apps,
    publicKeys: new PublicKeys(publicKeys),
    jwt: jwt === undefined ? undefined : await createVerifier(jwt, world),
    webhook: webhook === undefined ? undefined : new Webhook({ ...webhook, ...world }),
    anonymousSse: anonymous,
  });
}

function createVerifier(
  jwt: JwtSettings,
  { clock, log, http }: AuthenticationWorld,
): Promise<JwtVerifier> {
  const keySet =
    jwt.keySet === undefined ? undefined : new RemoteKeySet({ ...jwt.keySet, http, clock, log });
  return JwtVerifier.create({ ...jwt, keySet, clock });
}
