import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { StarlingError } from "@starling/protocol/errors.ts";
import { userKey } from "../hub/user-key.ts";
import type { Clock } from "../ports.ts";
import { type Ban, mergedBan } from "./ban.ts";

/** Bans that may be in force, or lifted and to be remembered, at the same time. */
export const MAX_BANS = 10_000;
/** Of several nodes that did not know of one another there may be more; what is beyond that is not taken note of. */
const MAX_MERGED = 2 * MAX_BANS;
/** Milliseconds for which it is remembered that somebody is not banned of whom no ban is known. */
const UNHEARD_MS = 60_000;
/** The longest ban: what one says is held in memory until it ends. */
export const MAX_BAN_SECONDS = 30 * 24 * 3600;

/** A list in a few bytes: lists that differ have different ones. */
export interface BanDigest {
  readonly count: number;
  readonly hash: number;
}

/** A part of a list. */
export interface BanPage {
  readonly bans: readonly Ban[];
  /** What to ask for next; empty where this is the last. */
  readonly next: string;
}

interface Entry {
  readonly ban: Ban;
  readonly hash: number;
}

/** Who is banned from which app, and until when. */
export class BanList {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  /** The hashes of all entries, each added by its bits. */
  #hash = 0;
  #refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bans in force, and those that are remembered although they are not. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bans that were not taken note of because there are too many. */
  get refused(): number {
    return this.#refused;
  }

  get digest(): BanDigest {
    this.#sweep();
    return { count: this.#entries.size, hash: this.#hash };
  }

  has(app: string, user: string): boolean {
    if (this.#entries.size === 0) return false;
    const ban = this.#entries.get(userKey(app, user))?.ban;
    return ban !== undefined && ban.until > this.#clock.now();
  }

  /**
   * What is to be said of a user next, which is newer than all that is known: until when it is banned, or 0 that it
   * is not. It holds when it is merged.
   *
   * @param by names whoever says it
   * @throws StarlingError `too_many_bans`
   */
  next(app: string, user: string, until: number, by: string): Ban {
    const known = this.#entries.get(userKey(app, user))?.ban;
    if (known === undefined && until > 0 && this.size >= MAX_BANS) {
      this.#sweep();
      if (this.size >= MAX_BANS) {
        this.#refused++;
        throw new StarlingError("too_many_bans");
      }
    }
    const now = this.#clock.now();
    const stamp = Math.max(now, (known?.stamp ?? 0) + 1);
    // A ban that is lifted here may not have been heard of yet.
    const keptUntil = Math.max(until, known?.keptUntil ?? now + UNHEARD_MS);
    return { app, user, until, keptUntil, stamp, by };
  }

  /** Takes note of what somebody said; answers whether that is news. */
  merge(ban: Ban): boolean {
    const key = userKey(ban.app, ban.user);
    const known = this.#entries.get(key);
    if (ban.keptUntil <= this.#clock.now()) return false;
    if (known === undefined && this.size >= MAX_MERGED) {
      this.#sweep();
      if (this.size >= MAX_MERGED) {
        this.#refused++;
        return false;
      }
    }
    const merged = known === undefined ? ban : mergedBan(known.ban, ban);
    if (known !== undefined && isSame(merged, known.ban)) return false;
    this.#set(key, known, merged);
    return true;
  }

  /** Everything that is known, lifted bans as well; `after` is `next` of the page before, and empty for the first. */
  page(after: string, limit: number): BanPage {
    this.#sweep();
    const keys = [...this.#entries.keys()].filter((key) => key > after).sort();
    const bans = keys.slice(0, limit).flatMap((key) => this.#entries.get(key)?.ban ?? []);
    return { bans, next: keys.length > limit ? (keys[limit - 1] ?? "") : "" };
  }

  /** Bans of an app that are in force, those that end first before the others. */
  ofApp(app: string): readonly Ban[] {
    const now = this.#clock.now();
    const bans = Array.from(this.#entries.values(), ({ ban }) => ban);
    return bans
      .filter((ban) => ban.app === app && ban.until > now)
      .sort((a, b) => a.until - b.until || (a.user < b.user ? -1 : 1));
  }

  #set(key: string, known: Entry | undefined, ban: Ban): void {
    const hash = hashOf(key, ban);
    this.#hash = (this.#hash ^ (known?.hash ?? 0) ^ hash) >>> 0;
    this.#entries.set(key, { ban, hash });
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [key, { ban, hash }] of this.#entries) {
      if (ban.keptUntil > now) continue;
      this.#entries.delete(key);
      this.#hash = (this.#hash ^ hash) >>> 0;
    }
  }
}

function isSame(a: Ban, b: Ban): boolean {
  const { until, keptUntil, stamp, by } = a;
  return until === b.until && keptUntil === b.keptUntil && stamp === b.stamp && by === b.by;
}

function hashOf(key: string, { until, keptUntil, stamp, by }: Ban): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(
    utf8ToBytes(`${key}\0${until}\0${keptUntil}\0${stamp}\0${by}`),
  );
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
