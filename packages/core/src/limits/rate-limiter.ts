import type { Clock } from "../ports.ts";

export interface RateLimiterOptions {
  /** Takes a second that a key may make for ever; 0 turns the limiter off. */
  readonly ratePerSecond: number;
  /** Takes that a rested key may make at once; default: the rate, but at least 1. */
  readonly burst?: number;
  /** Keys remembered at the same time; default 100,000. */
  readonly maxKeys?: number;
  readonly clock: Clock;
}

/**
 * A rate limit for each key, by the generic cell rate algorithm (ITU-T I.371, annex A): a key costs
 * one number, and refused takes cost the caller nothing.
 *
 * Memory: a key that has rested for the time of a whole burst is as good as unknown. Two generations
 * of keys swap places once in that time, and the older one is emptied, so nothing needs a timer.
 *
 * When `maxKeys` keys are live, takes of further keys are ALLOWED, not remembered, and counted in
 * `untracked`. Refusing them would let a flood of invented keys lock out everybody else; evicting
 * others would let it reset their limits. A flood gains nothing by this, since each invented key
 * is allowed its burst anyway; what bounds it is the limit by address and the handshake budget.
 *
 * A clock that is set back never locks a key out for longer than the time of a burst.
 */
export class RateLimiter {
  readonly #intervalMs: number;
  readonly #horizonMs: number;
  readonly #maxKeys: number;
  readonly #clock: Clock;
  /** For each key the moment at which it is rested again. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #swappedAt: number;
  #refused = 0;
  #untracked = 0;

  /** @throws RangeError when an option is outside its range. */
  constructor(options: RateLimiterOptions) {
    const { ratePerSecond, maxKeys = 100_000 } = options;
    const burst = options.burst ?? Math.max(1, ratePerSecond);
    if (!(ratePerSecond >= 0) || ratePerSecond === Number.POSITIVE_INFINITY) {
      throw new RangeError(`ratePerSecond is ${ratePerSecond}; it must be a finite number >= 0`);
    }
    if (!(burst >= 1) || burst === Number.POSITIVE_INFINITY) {
      throw new RangeError(`burst is ${burst}; it must be a finite number >= 1`);
    }
    if (!Number.isInteger(maxKeys) || maxKeys < 1) {
      throw new RangeError(`maxKeys is ${maxKeys}; it must be a whole number >= 1`);
    }
    this.#intervalMs = ratePerSecond === 0 ? 0 : 1000 / ratePerSecond;
    this.#horizonMs = burst * this.#intervalMs;
    this.#maxKeys = maxKeys;
    this.#clock = options.clock;
    this.#swappedAt = options.clock.now();
  }

  /** Whether there is any limit. */
  get isLimited(): boolean {
    return this.#intervalMs > 0;
  }

  /**
   * Takes one from the key's allowance: 0 when allowed, else the whole milliseconds after which it
   * will be. The caller bounds the length of a key.
   */
  take(key: string): number {
    if (this.#intervalMs === 0) return 0;
    const now = this.#clock.now();
    this.#forgetRested(now);
    const restedAt = this.#young.get(key) ?? this.#old.get(key);
    if (restedAt === undefined) {
      if (this.trackedKeys >= this.#maxKeys) this.#untracked++;
      else this.#young.set(key, now + this.#intervalMs);
      return 0;
    }
    // Further ahead than a whole burst is possible only after the clock was set back.
    const setBack = restedAt > now + this.#horizonMs + 1;
    const next = (setBack ? now : Math.max(restedAt, now)) + this.#intervalMs;
    const waitMs = next - this.#horizonMs - now;
    // Half a millisecond is below the clock's resolution and above what rounding adds up to.
    if (waitMs >= 0.5) {
      this.#refused++;
      return Math.ceil(waitMs);
    }
    this.#old.delete(key);
    this.#young.set(key, next);
    return 0;
  }

  /** Keys remembered at this moment. */
  get trackedKeys(): number {
    return this.#young.size + this.#old.size;
  }

  /** Takes refused since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** Takes allowed without being remembered, because `maxKeys` keys were live. */
  get untracked(): number {
    return this.#untracked;
  }

  #forgetRested(now: number): void {
    const elapsed = now - this.#swappedAt;
    if (elapsed < 0) {
      this.#swappedAt = now;
      return;
    }
    if (elapsed < this.#horizonMs) return;
    this.#old.clear();
    if (elapsed >= 2 * this.#horizonMs) {
      this.#young.clear();
    } else {
      const emptied = this.#old;
      this.#old = this.#young;
      this.#young = emptied;
    }
    this.#swappedAt = now;
  }
}
