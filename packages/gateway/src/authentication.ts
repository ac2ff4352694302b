import { Authenticator } from "@starling/core/auth/authenticator.ts";
import { RemoteKeySet } from "@starling/core/auth/jwks.ts";
import { JwtVerifier } from "@starling/core/auth/jwt.ts";
import { JwtIssuer } from "@starling/core/auth/jwt-issuer.ts";
import { PublicKeys } from "@starling/core/auth/public-keys.ts";
import { Webhook } from "@starling/core/auth/webhook.ts";
import type { Clock, Log, Random } from "@starling/core/ports.ts";
import type { Config, JwtConfig } from "./config/config.ts";
import { bunHttpClient } from "./runtime/http-client.ts";

export interface Authentication {
  readonly authenticator: Authenticator;
  /** Makes tokens; undefined where there is no secret to sign them with. */
  readonly issuer: JwtIssuer | undefined;
}

interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Puts together whatever is configured to say who a client is. */
export async function createAuthentication(config: Config, world: World): Promise<Authentication> {
  const { apps, jwt, webhook, anonymous } = config;
  const http = bunHttpClient;
  return {
    authenticator: new Authenticator({
      apps,
      publicKeys: new PublicKeys(config.publicKeys),
      jwt: jwt === undefined ? undefined : await createVerifier(jwt, world),
      webhook: webhook === undefined ? undefined : new Webhook({ ...webhook, ...world, http }),
      anonymousSse: anonymous,
    }),
    issuer:
      jwt?.secret === undefined
        ? undefined
        : new JwtIssuer({ ...jwt, secret: jwt.secret, clock: world.clock }),
  };
}

function createVerifier(jwt: JwtConfig, { clock, log }: World): Promise<JwtVerifier> {
  const keySet =
    jwt.keySet === undefined
      ? undefined
      : new RemoteKeySet({ ...jwt.keySet, http: bunHttpClient, clock, log });
  return JwtVerifier.create({ ...jwt, keySet, clock });
}
