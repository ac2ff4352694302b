import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import { DEFAULT_APP } from "../hub/namespace.ts";
import type { Clock, HttpClient, Log, Random } from "../ports.ts";
import { fraction } from "../random-fraction.ts";
import { CircuitBreaker, CircuitOpenError } from "./circuit-breaker.ts";
import { delay, within } from "./deadline.ts";
import { ExpiringCache } from "./expiring-cache.ts";
import type { Identity } from "./identity.ts";
import type { ClientProtocol } from "./permissions.ts";
import { readVerdict, WebhookFailure } from "./webhook-answer.ts";

/** What is known of a connection before it is let in; the caller bounds the length of each text. */
export interface WebhookQuestion {
  /** The app that the connection is for, where that is known. */
  readonly app?: string | undefined;
  /** The public key. */
  readonly key?: string | undefined;
  /** The client id, or the user id, that the client gave itself. */
  readonly id?: string | undefined;
  /** The token that the client brought. */
  readonly token?: string | undefined;
  readonly origin?: string | undefined;
  readonly address: string;
  readonly transport: ClientProtocol;
}

export interface WebhookOptions {
  readonly url: string;
  /** Signs the questions; undefined leaves them unsigned. */
  readonly secret: string | undefined;
  /** Milliseconds for one answer. */
  readonly timeoutMs: number;
  /** How often an unreachable or failing webhook is asked again. */
  readonly retries: number;
  /** Milliseconds for which a verdict is remembered; 0 remembers none. */
  readonly cacheMs: number;
  /** Questions under way at one time; more are refused at once. */
  readonly concurrency: number;
  /** Failures in a row after which it is not asked for a while. */
  readonly breakerFailures: number;
  /** How long it is then not asked, in milliseconds. */
  readonly breakerPauseMs: number;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const MAX_ANSWER_BYTES = 65_536;
const MAX_REMEMBERED = 10_000;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 1_000;

/** A verdict about one question. */
type Outcome = Identity | Refusal;

class Refusal {
  readonly message: string | undefined;

  constructor(message: string | undefined) {
    this.message = message;
  }
}

/** The longest time that a question may take, with every retry, in milliseconds. */
export function longestQuestionMs({
  timeoutMs,
  retries,
}: Pick<WebhookOptions, "timeoutMs" | "retries">): number {
  let total = timeoutMs;
  for (let retry = 0; retry < retries; retry++) total += longestBackoffMs(retry) + timeoutMs;
  return total;
}

/**
 * Asks the operator's own server whom to let in.
 *
 * A question is a POST with a JSON object: the fields of `WebhookQuestion` that are known, and
 * `time`, ms since the epoch. With a secret, the header `X-Starling-Signature` is `sha256=` and the
 * HMAC-SHA256 (RFC 2104) of the body in hexadecimal digits; since `time` is part of the body, the
 * webhook can refuse what is old. `webhook-answer.ts` says what is an answer.
 *
 * Every question settles within `longestQuestionMs`. The same question is under way only once.
 * Verdicts are remembered by everything that was asked, the address included: the webhook may have
 * decided by it, and a verdict must not be had for another address by repeating the rest.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #breaker: CircuitBreaker;
  readonly #cache: ExpiringCache<Outcome>;
  readonly #underWay = new Map<string, Promise<Outcome>>();
  readonly #secret: Uint8Array | undefined;

  constructor(options: WebhookOptions) {
    const { clock, log, secret } = options;
    this.#options = options;
    this.#secret = secret === undefined ? undefined : utf8ToBytes(secret);
    this.#cache = new ExpiringCache({ maxEntries: MAX_REMEMBERED, clock });
    this.#breaker = new CircuitBreaker({
      failures: options.breakerFailures,
      pauseMs: options.breakerPauseMs,
      clock,
      onChange: (state) => {
        if (state === "closed") log.info({}, "the authentication webhook answers again");
        else log.error({}, "the authentication webhook fails and is not asked for a while");
      },
    });
  }

  /** Questions that have no verdict yet. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /**
   * The identity that the webhook gives to a connection; without an app of its own the one that was
   * asked about, else the default one.
   *
   * @throws StarlingError `webhook_refused`, `webhook_unavailable`, `webhook_circuit_open` or
   *   `webhook_busy`
   */
  async ask(question: WebhookQuestion): Promise<Identity> {
    const outcome = await this.#outcome(question);
    if (outcome instanceof Refusal) throw new StarlingError("webhook_refused", outcome.message);
    return outcome;
  }

  #outcome(question: WebhookQuestion): Outcome | Promise<Outcome> {
    const { app, key, id, token, origin, address, transport } = question;
    // What was asked may hold a token, and be long: the digest is neither.
    const asked = JSON.stringify([app, key, id, token, origin, address, transport]);
    const digest = bytesToHex(sha256(utf8ToBytes(asked)));
    const known = this.#cache.get(digest) ?? this.#underWay.get(digest);
    if (known !== undefined) return known;
    if (this.#underWay.size >= this.#options.concurrency) throw new StarlingError("webhook_busy");
    const outcome = this.#decide(question, digest).finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, outcome);
    return outcome;
  }

  async #decide(question: WebhookQuestion, digest: string): Promise<Outcome> {
    const { cacheMs, clock } = this.#options;
    const outcome = await this.#persist(question);
    const expiresAt = outcome instanceof Refusal ? undefined : outcome.expiresAt;
    const until = Math.min(clock.now() + cacheMs, expiresAt ?? Number.POSITIVE_INFINITY);
    this.#cache.set(digest, outcome, until);
    return outcome;
  }

  /** Asks until there is a verdict or no retry is left. */
  async #persist(question: WebhookQuestion): Promise<Outcome> {
    const { retries, clock, random, log } = this.#options;
    for (let retry = 0; ; retry++) {
      try {
        return await this.#breaker.run(() => this.#attempt(question));
      } catch (error) {
        if (error instanceof CircuitOpenError) throw new StarlingError("webhook_circuit_open");
        const isTransient =
          error instanceof WebhookFailure ? error.isTransient : !(error instanceof RangeError);
        if (!isTransient || retry >= retries) {
          log.warn({ error, attempts: retry + 1 }, "the authentication webhook gave no verdict");
          throw new StarlingError("webhook_unavailable", undefined, { cause: error });
        }
      }
      await delay(longestBackoffMs(retry) * fraction(random), clock);
    }
  }

  async #attempt(question: WebhookQuestion): Promise<Outcome> {
    const { url, http, clock, timeoutMs } = this.#options;
    const body = JSON.stringify({ time: clock.now(), ...question });
    const headers = { "content-type": "application/json", ...this.#signature(body) };
    const request = http.post(url, body, { timeoutMs, maxBodyBytes: MAX_ANSWER_BYTES, headers });
    // The client keeps to the time too; here it holds whatever the client does.
    const answer = await within(request, timeoutMs, clock);
    const verdict = readVerdict(answer.status, answer.body);
    if (!verdict.accepted) return new Refusal(verdict.message);
    const { app, user, permissions, ttlSeconds } = verdict;
    return {
      app: app ?? question.app ?? DEFAULT_APP,
      user,
      permissions,
      expiresAt: ttlSeconds === undefined ? undefined : clock.now() + ttlSeconds * 1000,
      source: "webhook",
    };
  }

  #signature(body: string): Readonly<Record<string, string>> {
    if (this.#secret === undefined) return {};
    const mac = bytesToHex(hmac(sha256, this.#secret, utf8ToBytes(body)));
    return { "x-starling-signature": `sha256=${mac}` };
  }
}

function longestBackoffMs(retry: number): number {
  return Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** retry);
}
