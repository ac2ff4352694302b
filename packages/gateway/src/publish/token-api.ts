import type { JwtIssuer } from "@starling/core/auth/jwt-issuer.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { z } from "zod";
import type { Config } from "../config/config.ts";
import { parseRequest, readEnvelope } from "./envelope.ts";
import { MAX_BATCH, tokenRequestSchema, type tokenSchema } from "./schemas.ts";

/**
 * Checks a request for a token, and gives back what makes it.
 *
 * @throws StarlingError `minting_off` where there is no secret to sign with
 */
export function mintToken(
  apps: Config["apps"],
  issuer: JwtIssuer | undefined,
  text: string,
): () => Promise<z.output<typeof tokenSchema>> {
  const request = parseRequest(tokenRequestSchema, readEnvelope(text, MAX_BATCH));
  if (!apps.has(request.app))
    throw new StarlingError("unknown_app", "app: no such app is configured");
  if (issuer === undefined) throw new StarlingError("minting_off");
  return async () => {
    const { permissions } = request;
    const granted =
      permissions === undefined
        ? undefined
        : Object.fromEntries(
            Object.entries(permissions).filter(([, patterns]) => patterns !== undefined),
          );
    return { ok: true, ...(await issuer.mint({ ...request, permissions: granted })) };
  };
}
