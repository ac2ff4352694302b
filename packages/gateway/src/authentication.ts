import { createAuthenticator } from "@starling/core/auth/authentication.ts";
import type { Authenticator } from "@starling/core/auth/authenticator.ts";
import { JwtIssuer } from "@starling/core/auth/jwt-issuer.ts";
import type { Clock, Log, Random } from "@starling/core/ports.ts";
import type { Config } from "./config/config.ts";
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
  const { jwt } = config;
  return {
    authenticator: await createAuthenticator(config, { ...world, http: bunHttpClient }),
    issuer:
      jwt?.secret === undefined
        ? undefined
        : new JwtIssuer({ ...jwt, secret: jwt.secret, clock: world.clock }),
  };
}
