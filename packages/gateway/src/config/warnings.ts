import { longestQuestionMs } from "@starling/core/auth/webhook.ts";
import type { Config } from "./config.ts";
import { replacedNamesWarning } from "./replaced-names.ts";
import { tlsFileProblems } from "./tls-files.ts";
import { variables } from "./variables.ts";

/** Shorter ones can be found by trying, since a token is a fast hash of the secret. */
const MIN_SECRET_LENGTH = 16;

/**
 * What an operator should know about a configuration that is valid; one sentence each.
 *
 * @param now the moment that certificates must be valid at, ms since the epoch
 */
export function configWarnings(config: Config, now: number): readonly string[] {
  const warnings: string[] = [];
  if (config.anonymous && config.webhook === undefined) {
    warnings.push(
      "the token check is OFF: anybody who reaches the subscriber port can receive any user's events; set AUTH_TOKEN_SECRET, and WEBSOCKET_AUTH to 1",
    );
  }
  if (config.token.required && config.token.secret.length < MIN_SECRET_LENGTH) {
    warnings.push(
      `AUTH_TOKEN_SECRET has fewer than ${MIN_SECRET_LENGTH} characters: who sees one token can search for the secret`,
    );
  }
  warnings.push(...authWarnings(config), ...certificateWarnings(config, now));
  warnings.push(...hookWarnings(config));
  const replaced = replacedNamesWarning(config.replacedNames);
  if (replaced !== undefined) warnings.push(replaced);
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
  return warnings;
}

function certificateWarnings({ tls: { certificate, caFile } }: Config, now: number): string[] {
  const own = certificate.kind === "files" ? certificate : undefined;
  const files = { certFile: own?.certFile, keyFile: own?.keyFile, caFile };
  return tlsFileProblems(files, now)
    .filter(({ tolerated }) => tolerated !== "never")
    .map(({ file, message }) => {
      const effect =
        file === "caFile"
          ? "publishers with its certificates are refused"
          : "browsers and publishers REFUSE to connect, and production would not start";
      return `${variables[file].name}=${files[file] ?? ""} ${message}: ${effect}`;
    });
}

function authWarnings({ publicKeys, jwt, webhook, authTimeoutMs, production }: Config): string[] {
  const warnings: string[] = [];
  if (publicKeys.openApp !== undefined && webhook === undefined) {
    warnings.push(
      `EVERY public key is accepted, for the app ${publicKeys.openApp}: anybody who reaches the subscriber port can join any channel and see who is there; set PUBLIC_KEYS`,
    );
  }
  if (webhook !== undefined) {
    const longest = longestQuestionMs(webhook);
    if (longest > authTimeoutMs) {
      warnings.push(
        `a question to the webhook may take ${longest} ms with all its retries, and AUTH_TIMEOUT ends the connection after ${authTimeoutMs} ms`,
      );
    }
    if (production && webhook.secret === undefined) {
      warnings.push(
        "AUTH_WEBHOOK_SECRET is empty: the webhook cannot tell the questions of the gateway from others",
      );
    }
    if (production && isPlain(webhook.url)) {
      warnings.push(
        "AUTH_WEBHOOK_URL is not https: whoever is on the way can read the questions and let anybody in",
      );
    }
  }
  if (production && jwt?.keySet !== undefined && isPlain(jwt.keySet.url)) {
    warnings.push(
      "JWT_JWKS_URL is not https: whoever is on the way can exchange the keys that tokens are checked with",
    );
  }
  return warnings;
}

function hookWarnings({ hooks, nats, production }: Config): string[] {
  const warnings: string[] = [];
  const all = [...hooks].flatMap(([app, ofApp]) => ofApp.map(({ url }) => ({ app, url })));
  for (const { app, url } of all) {
    if (!production || !isPlain(url)) continue;
    warnings.push(
      `the hook of the app ${app} at ${new URL(url).origin} is not https: whoever is on the way can read who is where`,
    );
  }
  if (nats !== undefined && all.length > 0) {
    warnings.push(
      "there are hooks and NATS_URL: each node sends what happens on itself, so that occupied and vacated are about one node",
    );
  }
  return warnings;
}

/** Whether what is sent there leaves the machine, and is not encrypted. */
function isPlain(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === "http:" && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}
