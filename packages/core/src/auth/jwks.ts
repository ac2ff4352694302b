import { StarlingError } from "@starling/protocol/errors.ts";
import {
  type CompactJWSHeaderParameters,
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
} from "jose";
import type { Clock, HttpClient, Log } from "../ports.ts";
import { within } from "./deadline.ts";
import { isRecord } from "./identity.ts";

export interface RemoteKeySetOptions {
  /** Address of a JSON Web Key Set (RFC 7517 section 5). */
  readonly url: string;
  /** Milliseconds after which the keys are fetched anew. */
  readonly maxAgeMs: number;
  /** Milliseconds from one fetch to the next one that an unknown key id may cause. */
  readonly cooldownMs: number;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly log: Log;
}

const TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 262_144;
const MAX_KEYS = 100;
/** After a fetch that failed, how long until the next one. */
const RETRY_MS = 2_000;
/** Keys that cannot be fetched anew are good for this much longer; then a revoked one must go. */
const MAX_STALE_MS = 24 * 3_600_000;

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * The public keys of an issuer, fetched when they are needed and kept.
 *
 * Tokens wait for a fetch when there are no keys, when the keys are older than `maxAgeMs`, or when
 * none of them has the token's id. Fetches never overlap, so that a flood of tokens, also of ones
 * with invented ids, causes at most one in `cooldownMs`. While they fail, the keys that there are
 * stay good for a day.
 */
export class RemoteKeySet {
  readonly #options: RemoteKeySetOptions;
  #keys: { readonly set: KeySet; readonly text: string; readonly fetchedAt: number } | undefined;
  #nextFetchAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(options: RemoteKeySetOptions) {
    this.#options = options;
  }

  /**
   * The key that a token names; in the form of jose's `getKey`.
   *
   * @throws StarlingError `jwks_unavailable` when there are no keys
   * @throws errors.JWKSNoMatchingKey
   * @throws errors.JWKSMultipleMatchingKeys which iterates over the keys that may be meant
   */
  async key(header: CompactJWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (!this.#isFresh()) await this.#fetch();
    try {
      return await this.#current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#fetch();
      return await this.#current()(header, token);
    }
  }

  #isFresh(): boolean {
    if (this.#keys === undefined) return false;
    const age = this.#options.clock.now() - this.#keys.fetchedAt;
    return age >= 0 && age < this.#options.maxAgeMs;
  }

  #current(): KeySet {
    const { clock, maxAgeMs } = this.#options;
    const keys = this.#keys;
    if (keys === undefined || clock.now() - keys.fetchedAt >= maxAgeMs + MAX_STALE_MS) {
      throw new StarlingError("jwks_unavailable");
    }
    return keys.set;
  }

  /** Fetches, or waits for the fetch under way, or does nothing when it is too early for one. */
  #fetch(): Promise<void> | undefined {
    if (this.#fetching !== undefined) return this.#fetching;
    const waitMs = this.#nextFetchAt - this.#options.clock.now();
    // It is further ahead than that only after the clock was set back.
    if (waitMs > 0 && waitMs <= Math.max(RETRY_MS, this.#options.cooldownMs)) return undefined;
    this.#fetching = this.#refresh().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #refresh(): Promise<void> {
    const { url, http, clock, log, cooldownMs } = this.#options;
    try {
      const request = http.get(url, { timeoutMs: TIMEOUT_MS, maxBodyBytes: MAX_BODY_BYTES });
      const { status, body } = await within(request, TIMEOUT_MS, clock);
      if (status !== 200) throw new RangeError(`it answered status ${status}`);
      // The same text keeps the set, and with it the keys that it has imported.
      const set = this.#keys?.text === body ? this.#keys.set : readKeySet(body);
      this.#keys = { set, text: body, fetchedAt: clock.now() };
      this.#nextFetchAt = clock.now() + cooldownMs;
    } catch (error) {
      this.#nextFetchAt = clock.now() + Math.min(RETRY_MS, cooldownMs);
      log.warn({ error }, "the keys that tokens are checked with could not be fetched");
    }
  }
}

function readKeySet(body: string): KeySet {
  const value: unknown = JSON.parse(body);
  if (!isKeySet(value)) throw new RangeError("it is no JSON Web Key Set");
  if (value.keys.length > MAX_KEYS) throw new RangeError(`it has more than ${MAX_KEYS} keys`);
  return createLocalJWKSet(value);
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  if (!isRecord(value)) return false;
  const { keys } = value;
  return Array.isArray(keys) && keys.every(isRecord);
}
