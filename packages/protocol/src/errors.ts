/**
 * The catalogue of request errors: every refusal that Starling answers with, on any transport.
 *
 * Codes are stable for ever. Their ranges: 100–199 the request itself, 200–299 who asks,
 * 300–399 connecting, 900–999 faults of the server.
 */
export interface ErrorDefinition {
  /** Stable number, unique in the catalogue. */
  readonly code: number;
  /** HTTP status that carries the error where there is one. */
  readonly status: number;
  /** The sentence a person reads; a thrower may put a more exact one in its place. */
  readonly message: string;
}

export const errorCatalogue = {
  malformed_json: { code: 100, status: 400, message: "the body is not valid JSON" },
  invalid_request: { code: 101, status: 400, message: "the request does not match its schema" },
  invalid_encoding: { code: 102, status: 400, message: "the body is not valid UTF-8" },
  body_too_large: { code: 103, status: 413, message: "the body is larger than MAX_BODY_BYTES" },
  not_found: { code: 104, status: 404, message: "there is nothing at this address" },
  method_not_allowed: { code: 105, status: 405, message: "this address does not take this method" },
  unknown_app: { code: 106, status: 404, message: "no such app is configured" },
  idempotency_conflict: {
    code: 107,
    status: 409,
    message: "this idempotency key was used for a different request",
  },
  rate_limited: { code: 108, status: 429, message: "too many requests; retry later" },
  batch_too_large: { code: 109, status: 400, message: "the batch holds too many entries" },
  unknown_event: {
    code: 111,
    status: 400,
    message: "clients may emit subscribe, unsubscribe, publish and authenticate",
  },
  malformed_signal: {
    code: 120,
    status: 400,
    message: "the message is not one well-formed MessagePack map",
  },
  signal_too_large: { code: 121, status: 413, message: "the message is too large" },
  signal_too_deep: {
    code: 122,
    status: 400,
    message: "the message nests too many maps and arrays",
  },
  invalid_signal: {
    code: 123,
    status: 400,
    message: "a member of the message is missing, has the wrong type or appears twice",
  },
  unknown_signal: { code: 124, status: 400, message: "the protocol knows no such t or op" },
  field_too_long: { code: 125, status: 400, message: "a text in the message is too long" },
  payload_too_large: { code: 126, status: 413, message: "the payload is too large" },
  state_too_large: { code: 127, status: 413, message: "the state is too large" },
  invalid_state: {
    code: 128,
    status: 400,
    message: "the state is not one well-formed MessagePack map with an id",
  },
  not_joined: { code: 129, status: 409, message: "this connection is not in that channel" },
  address_forbidden: {
    code: 200,
    status: 403,
    message: "the client address is not in ALLOWED_IPS",
  },
  proxy_forbidden: { code: 201, status: 403, message: "the peer is not a trusted proxy" },
  unauthorized: { code: 202, status: 401, message: "the API key is missing or wrong" },
  permission_denied: {
    code: 203,
    status: 403,
    message: "this connection may not do that in this channel",
  },
  too_many_channels: {
    code: 204,
    status: 400,
    message: "this connection is subscribed to as many channels as one may be",
  },
  minting_off: {
    code: 112,
    status: 501,
    message: "tokens cannot be made here: JWT_SECRET is not set",
  },
  too_many_connections: {
    code: 205,
    status: 503,
    message: "the app has as many connections as it may have",
  },
  app_channels_full: {
    code: 206,
    status: 503,
    message: "the app has as many channels as it may have",
  },
  too_many_bans: {
    code: 207,
    status: 503,
    message: "as many bans are in force as there may be",
  },
  reserved_event: {
    code: 110,
    status: 400,
    message: "this event name is reserved by the Socket.IO protocol",
  },
  origin_forbidden: { code: 300, status: 403, message: "the origin is not in ALLOWED_ORIGINS" },
  invalid_token: { code: 301, status: 401, message: "invalid token" },
  rate_limit_block: { code: 302, status: 429, message: "rate limit block" },
  invalid_user_id: {
    code: 303,
    status: 400,
    message: "uniqueUserId does not match EVENT_ID_REGEX_VALIDATION_PATTERN",
  },
  too_many_handshakes: {
    code: 304,
    status: 503,
    message: "too many connections are still authenticating; retry later",
  },
  token_expired: { code: 305, status: 401, message: "the token has expired; get a new one" },
  invalid_jwt: { code: 306, status: 401, message: "the token is not a valid JWT of this server" },
  missing_public_key: { code: 307, status: 401, message: "publickey must not be empty" },
  illegal_public_key: { code: 308, status: 403, message: "illegal public key" },
  wrong_app: { code: 309, status: 403, message: "the credentials belong to another app" },
  wrong_user: { code: 310, status: 403, message: "the new token belongs to another user" },
  webhook_refused: {
    code: 311,
    status: 403,
    message: "the authentication webhook refused the connection",
  },
  webhook_unavailable: {
    code: 312,
    status: 503,
    message: "the authentication webhook gave no usable answer; retry later",
  },
  webhook_circuit_open: {
    code: 313,
    status: 503,
    message: "the authentication webhook is not asked for a while because it failed; retry later",
  },
  webhook_busy: {
    code: 314,
    status: 503,
    message: "too many questions wait for the authentication webhook; retry later",
  },
  jwks_unavailable: {
    code: 315,
    status: 503,
    message: "the keys that tokens are checked with cannot be fetched; retry later",
  },
  missing_client_id: { code: 316, status: 401, message: "id must not be empty" },
  shutting_down: {
    code: 317,
    status: 503,
    message: "the server is shutting down; connect again",
  },
  banned: { code: 318, status: 403, message: "this user is banned for a while" },
  too_many_user_connections: {
    code: 319,
    status: 503,
    message: "the user has as many connections as one may have",
  },
  internal: { code: 900, status: 500, message: "internal error" },
  broker_unavailable: {
    code: 901,
    status: 503,
    message: "the other workers cannot be reached; retry later",
  },
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorName = keyof typeof errorCatalogue;

/** A refusal from the catalogue; `message` may be more exact than the catalogue's own. */
export class StarlingError extends Error {
  readonly code: number;
  readonly status: number;
  readonly errorName: ErrorName;

  constructor(name: ErrorName, message?: string, options?: ErrorOptions) {
    super(message ?? errorCatalogue[name].message, options);
    this.name = "StarlingError";
    this.errorName = name;
    this.code = errorCatalogue[name].code;
    this.status = errorCatalogue[name].status;
  }
}

/** The JSON form of an error, the same on every transport that speaks JSON. */
export interface ErrorBody {
  readonly error: { readonly code: number; readonly name: ErrorName; readonly message: string };
}

export function errorBody(error: StarlingError): ErrorBody {
  return { error: { code: error.code, name: error.errorName, message: error.message } };
}
