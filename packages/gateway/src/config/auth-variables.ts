import { MIN_JWT_SECRET_BYTES } from "@starling/core/auth/jwt.ts";
import { anyText, httpAddress, publicKeyList, secretText, wholeNumber } from "./value-types.ts";
import type { Variable } from "./variable.ts";

const HOUR_MS = 3_600_000;
const MIN_WEBHOOK_SECRET_BYTES = 16;

/** The variables of public keys, JSON Web Tokens and the webhook. */
export const authVariables = {
  publicKeys: {
    name: "PUBLIC_KEYS",
    group: "Authentication",
    type: publicKeyList(),
    default: undefined,
    otherwise:
      "development takes every key, for the app `default`; production takes those of " +
      "`CONFIG_FILE`, and no client of the signalling protocol where there are none",
    description:
      "Public keys that pages may connect with, each with its app. An app that is named here " +
      "needs no other declaration. A public key stands in the source of a page and is no secret: " +
      "see [who may do what](#who-may-do-what).",
    source: "Starling",
  },
  jwtSecret: {
    name: "JWT_SECRET",
    group: "Authentication",
    type: secretText(MIN_JWT_SECRET_BYTES),
    default: undefined,
    otherwise: "no token of HS256, HS384 or HS512 is accepted, and none can be made",
    secret: true,
    description:
      "Secret of JSON Web Tokens of HS256, HS384 and HS512. `POST /api/token` makes such tokens.",
    source: "Starling",
  },
  jwtPublicKey: {
    name: "JWT_PUBLIC_KEY",
    group: "Authentication",
    type: anyText("a public key in PEM, or the path of a file with one"),
    default: undefined,
    otherwise: "no token is checked with a public key of this setting",
    description:
      "Public key of JSON Web Tokens: RSA from 2048 bits (RS256 to RS512, PS256 to PS512), P-256 " +
      "(ES256), P-384 (ES384), P-521 (ES512) or Ed25519 (EdDSA). The key alone decides which " +
      "algorithms a token may have.",
    source: "Starling",
  },
  jwtKeySetUrl: {
    name: "JWT_JWKS_URL",
    group: "Authentication",
    type: httpAddress(),
    default: undefined,
    otherwise: "no keys are fetched",
    description:
      "Address of the JSON Web Key Set that tokens are checked with; not together with " +
      "`JWT_PUBLIC_KEY`. While it cannot be reached, the keys that were fetched stay good for a " +
      "day beyond `JWT_JWKS_MAX_AGE`.",
    source: "Starling",
  },
  jwtKeySetMaxAgeMs: {
    name: "JWT_JWKS_MAX_AGE",
    group: "Authentication",
    type: wholeNumber(1_000, 24 * HOUR_MS),
    unit: "milliseconds",
    default: "600000",
    description: "Age at which the keys of `JWT_JWKS_URL` are fetched anew.",
    source: "Starling",
  },
  jwtKeySetCooldownMs: {
    name: "JWT_JWKS_COOLDOWN",
    group: "Authentication",
    type: wholeNumber(1_000, HOUR_MS),
    unit: "milliseconds",
    default: "30000",
    description:
      "After the keys were fetched, how long a token that names an unknown key does not cause " +
      "them to be fetched again.",
    source: "Starling",
  },
  jwtIssuer: {
    name: "JWT_ISSUER",
    group: "Authentication",
    type: anyText("the issuer's name, as it stands in its tokens"),
    default: undefined,
    otherwise: "tokens may have any issuer",
    description: "What the claim `iss` of a token must be.",
    source: "Starling",
  },
  jwtAudience: {
    name: "JWT_AUDIENCE",
    group: "Authentication",
    type: anyText("the gateway's name, as it stands in the tokens"),
    default: undefined,
    otherwise: "tokens may be for any audience",
    description:
      "What the claim `aud` of a token must be or contain. Set it where the issuer's tokens are " +
      "also used elsewhere.",
    source: "Starling",
  },
  jwtLeewaySeconds: {
    name: "JWT_LEEWAY",
    group: "Authentication",
    type: wholeNumber(0, 300),
    unit: "seconds",
    default: "5",
    description: "By how much the clocks of issuer and gateway may differ.",
    source: "Starling",
  },
  webhookUrl: {
    name: "AUTH_WEBHOOK_URL",
    group: "Authentication",
    type: httpAddress(),
    default: undefined,
    otherwise: "nobody is asked",
    description:
      "Address that is asked, with a POST, whether a connection may come in and what it may do: " +
      "see [the webhook](#the-webhook).",
    source: "Starling",
  },
  webhookSecret: {
    name: "AUTH_WEBHOOK_SECRET",
    group: "Authentication",
    type: secretText(MIN_WEBHOOK_SECRET_BYTES),
    default: undefined,
    otherwise: "questions are not signed",
    secret: true,
    description:
      "Secret of the header `X-Starling-Signature`: `sha256=` and the HMAC-SHA256 of the body in " +
      "hexadecimal digits.",
    source: "Starling",
  },
  webhookTimeoutMs: {
    name: "AUTH_WEBHOOK_TIMEOUT",
    group: "Authentication",
    type: wholeNumber(10, 60_000),
    unit: "milliseconds",
    default: "2000",
    description: "Time that the webhook has for one answer.",
    source: "Starling",
  },
  webhookRetries: {
    name: "AUTH_WEBHOOK_RETRIES",
    group: "Authentication",
    type: wholeNumber(0, 5),
    default: "1",
    description:
      "How often a webhook that cannot be reached, is too slow or answers 500 to 599 is asked " +
      "again, after up to 100 ms at first and up to 1 s later.",
    source: "Starling",
  },
  webhookCacheMs: {
    name: "AUTH_WEBHOOK_CACHE",
    group: "Authentication",
    type: wholeNumber(0, HOUR_MS),
    unit: "milliseconds",
    default: "0",
    description:
      "How long the answer to the very same question, the client address included, is used again. " +
      "0 asks about every connection.",
    source: "Starling",
  },
  webhookConcurrency: {
    name: "AUTH_WEBHOOK_CONCURRENCY",
    group: "Authentication",
    type: wholeNumber(1, 10_000),
    default: "100",
    description: "Questions under way at one time; connections beyond that are refused at once.",
    source: "Starling",
  },
  webhookBreakerFailures: {
    name: "AUTH_WEBHOOK_BREAKER_FAILURES",
    group: "Authentication",
    type: wholeNumber(1, 1_000),
    default: "5",
    description:
      "Failures in a row after which the webhook is not asked for a while, and connections are " +
      "refused at once.",
    source: "Starling",
  },
  webhookBreakerPauseMs: {
    name: "AUTH_WEBHOOK_BREAKER_PAUSE",
    group: "Authentication",
    type: wholeNumber(100, HOUR_MS),
    unit: "milliseconds",
    default: "5000",
    description: "How long it is then not asked, before one question tries it.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
