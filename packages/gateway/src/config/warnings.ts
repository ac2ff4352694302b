import type { Config } from "./config.ts";

/** Shorter ones can be found by trying, since a token is a fast hash of the secret. */
const MIN_SECRET_LENGTH = 16;

/** What an operator should know about a configuration that is valid; one sentence each. */
export function configWarnings(config: Config): readonly string[] {
  const warnings: string[] = [];
  if (!config.token.required) {
    warnings.push(
      "the token check is OFF: anybody who reaches the subscriber port can receive any user's events; set AUTH_TOKEN_SECRET, and WEBSOCKET_AUTH to 1",
    );
  } else if (config.token.secret.length < MIN_SECRET_LENGTH) {
    warnings.push(
      `AUTH_TOKEN_SECRET has fewer than ${MIN_SECRET_LENGTH} characters: who sees one token can search for the secret`,
    );
  }
  if (config.tls.certificate.kind === "development") {
    warnings.push(
      "the certificate is self-made, for localhost only; set PUB_KEY_PATH and PRIV_KEY_PATH",
    );
  }
  if (config.production && config.allowedOrigins.length === 0) {
    warnings.push("ALLOWED_ORIGINS is empty: no page of another origin can connect");
  }
  if (config.production && config.apiKeys.length === 0) {
    warnings.push("API_KEYS is empty: every address in ALLOWED_IPS may use the publisher API");
  }
  if (config.clusterMode) {
    warnings.push("CLUSTER_MODE=1 has no effect: this version serves one process");
  }
  return warnings;
}
