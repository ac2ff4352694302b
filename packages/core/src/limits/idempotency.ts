import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock } from "../ports.ts";

export interface IdempotencyWindowOptions {
  /** Milliseconds for which an answer is remembered; 0 remembers nothing. */
  readonly windowMs: number;
  /** Answers remembered at the same time; default 100,000. */
  readonly maxEntries?: number;
  readonly clock: Clock;
}

interface Entry<T> {
  readonly fingerprint: string;
  readonly answer: T;
  readonly expiresAt: number;
}

/**
 * Answers to requests that carried an idempotency key, so that a repeated request gets the same
 * answer and has no second effect.
 *
 * Entries are in order of their time, so expiry takes them from the front when the window is used
 * and needs no timer. (After the clock was set back, entries stay longer: a retry must still find
 * its answer, and `maxEntries` holds.) When it is full the oldest answer is forgotten early, and counted: refusing
 * new requests would stop publishers that do nothing wrong.
 */
export class IdempotencyWindow<T> {
  readonly #windowMs: number;
  readonly #maxEntries: number;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry<T>>();
  #forgottenEarly = 0;

  /** @throws RangeError when an option is outside its range. */
  constructor(options: IdempotencyWindowOptions) {
    const { windowMs, maxEntries = 100_000 } = options;
    if (!(windowMs >= 0)) throw new RangeError(`windowMs is ${windowMs}; it must be at least 0`);
    if (!Number.isInteger(maxEntries) || maxEntries < 1) {
      throw new RangeError(`maxEntries is ${maxEntries}; it must be a whole number >= 1`);
    }
    this.#windowMs = windowMs;
    this.#maxEntries = maxEntries;
    this.#clock = options.clock;
  }

  /**
   * The answer that the key's request got within the window; undefined when there was none.
   *
   * `fingerprint` stands for the whole request: equal requests have equal ones.
   *
   * @throws StarlingError `idempotency_conflict` when the key belongs to a different request.
   */
  find(key: string, fingerprint: string): T | undefined {
    const now = this.#clock.now();
    this.#expire(now);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAt <= now) return undefined;
    if (entry.fingerprint !== fingerprint) throw new StarlingError("idempotency_conflict");
    return entry.answer;
  }

  /** Remembers the answer from now on for the length of the window. */
  remember(key: string, fingerprint: string, answer: T): void {
    if (this.#windowMs === 0) return;
    const now = this.#clock.now();
    this.#expire(now);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#maxEntries) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        this.#forgottenEarly++;
        break;
      }
    }
    this.#entries.set(key, { fingerprint, answer, expiresAt: now + this.#windowMs });
  }

  /** Answers remembered at this moment, expired ones included until the next use. */
  get size(): number {
    return this.#entries.size;
  }

  /** Answers forgotten before their time because the window was full. */
  get forgottenEarly(): number {
    return this.#forgottenEarly;
  }

  #expire(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.expiresAt > now) return;
      this.#entries.delete(key);
    }
  }
}
