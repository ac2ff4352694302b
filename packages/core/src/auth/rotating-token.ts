import { sha512 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Clock } from "../ports.ts";
import { equalInConstantTime } from "./constant-time.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Hexadecimal digits of a SHA-512 digest. */
const TOKEN_LENGTH = 128;
/** A check needs at most three days' tokens; a few more survive a clock that is set back. */
const MEMOISED_DAYS = 8;

export interface RotatingTokenOptions {
  /** Shared with the backends that hand the token to their pages; never empty. */
  readonly secret: string;
  /** Hour of the day, UTC, 0–23, of the day's first renewal. */
  readonly renewStartHour: number;
  /** Milliseconds between renewals, a whole number from 1. */
  readonly renewIntervalMs: number;
  /**
   * Milliseconds around a change of token in which the old and the new one are both accepted, from
   * 0 to less than a day.
   */
  readonly graceMs: number;
  readonly clock: Clock;
}

/**
 * The token that a whole installation shares: `hex(SHA-512(secret + "Y-M-D"))`, lower case, with
 * the UTC date of the latest renewal and no leading zeros in month and day (`2026-11-5`).
 *
 * Renewal moments: on every UTC day at `renewStartHour`, and from there every `renewIntervalMs`
 * until the next day's start hour, where the count begins anew. Anchoring the count to each day
 * makes the moments a function of the clock alone: a process that has just started, one that has
 * run for a year and a backend in another language agree. (Counting on for ever would agree only
 * with those who know when the count began, as soon as the interval does not divide a day.)
 *
 * It follows that the token changes once a day, at the first renewal at or after midnight UTC:
 *
 * - start hour 0, any interval: at 00:00.
 * - start hour 6, interval 24 h or longer: at 06:00; until then it carries yesterday's date.
 * - start hour 6, interval 1 h: at 00:00, since that is 18 hours after the start.
 * - start hour 6, interval 7 h: renewals at 06, 13, 20 and 03; it changes at 03:00.
 *
 * No timer and no time zone is involved. Within `graceMs` after a change the previous token is
 * accepted too, and within `graceMs` before it the next one, for backends whose clock runs ahead.
 */
export class RotatingToken {
  readonly #secret: string;
  readonly #changeOffsetMs: number;
  readonly #graceMs: number;
  readonly #clock: Clock;
  readonly #tokenOfDay = new Map<number, string>();

  /** @throws RangeError when an option is outside its range. */
  constructor(options: RotatingTokenOptions) {
    const { secret, renewStartHour, renewIntervalMs, graceMs } = options;
    if (secret === "") throw new RangeError("the secret of the rotating token is empty");
    if (!Number.isInteger(renewStartHour) || renewStartHour < 0 || renewStartHour > 23) {
      throw new RangeError(`renewStartHour is ${renewStartHour}; it must be a whole number 0–23`);
    }
    if (!Number.isInteger(renewIntervalMs) || renewIntervalMs < 1) {
      throw new RangeError(`renewIntervalMs is ${renewIntervalMs}; it must be a whole number >= 1`);
    }
    if (!(graceMs >= 0 && graceMs < DAY_MS)) {
      throw new RangeError(`graceMs is ${graceMs}; it must be at least 0 and less than a day`);
    }
    this.#secret = secret;
    this.#changeOffsetMs = changeOffset(renewStartHour, renewIntervalMs);
    this.#graceMs = graceMs;
    this.#clock = options.clock;
  }

  /** The token that backends hand out at this moment. */
  current(): string {
    return this.#ofDay(this.#tokenDay(this.#clock.now()));
  }

  /** Whether `token` is valid at this moment; anything but a string is not. Constant time. */
  accepts(token: unknown): boolean {
    if (typeof token !== "string" || token.length !== TOKEN_LENGTH) return false;
    const now = this.#clock.now();
    const day = this.#tokenDay(now);
    const earliest = this.#tokenDay(now - this.#graceMs);
    const latest = this.#tokenDay(now + this.#graceMs);
    let accepted = equalInConstantTime(token, this.#ofDay(day));
    if (earliest !== day) accepted = equalInConstantTime(token, this.#ofDay(earliest)) || accepted;
    if (latest !== day) accepted = equalInConstantTime(token, this.#ofDay(latest)) || accepted;
    return accepted;
  }

  /** Days since the Unix epoch of the date in the token that is current at `now`. */
  #tokenDay(now: number): number {
    return Math.floor((now - this.#changeOffsetMs) / DAY_MS);
  }

  #ofDay(day: number): string {
    const memoised = this.#tokenOfDay.get(day);
    if (memoised !== undefined) return memoised;
    if (this.#tokenOfDay.size >= MEMOISED_DAYS) this.#tokenOfDay.clear();
    const token = bytesToHex(sha512(utf8ToBytes(this.#secret + utcDate(day))));
    this.#tokenOfDay.set(day, token);
    return token;
  }
}

/** Milliseconds after midnight UTC of the day's first renewal, counted from yesterday's start. */
function changeOffset(startHour: number, intervalMs: number): number {
  const start = startHour * HOUR_MS;
  const renewals = Math.ceil((DAY_MS - start) / intervalMs);
  return Math.min(start + renewals * intervalMs - DAY_MS, start);
}

function utcDate(day: number): string {
  const date = new Date(day * DAY_MS);
  return `${date.getUTCFullYear()}-${date.getUTCMonth() + 1}-${date.getUTCDate()}`;
}
