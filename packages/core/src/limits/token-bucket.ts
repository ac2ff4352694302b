export interface TokenBucketOptions {
  /** Takes a second for ever; 0 turns the limit off. */
  readonly ratePerSecond: number;
  /** Takes at once after a rest. */
  readonly burst: number;
}

/** What a bucket has at a moment. */
export interface TokenBucketState {
  readonly tokens: number;
  /** When it was last filled, in milliseconds since the Unix epoch. */
  readonly filledAt: number;
}

/** A token bucket for one connection: two numbers and no timer. */
export class TokenBucket {
  #tokens: number;
  #filledAt: number;

  constructor(options: TokenBucketOptions, now: number) {
    this.#tokens = options.burst;
    this.#filledAt = now;
  }

  /** A bucket that goes on with what another had. */
  static from({ tokens, filledAt }: TokenBucketState): TokenBucket {
    return new TokenBucket({ ratePerSecond: 0, burst: tokens }, filledAt);
  }

  get state(): TokenBucketState {
    return { tokens: this.#tokens, filledAt: this.#filledAt };
  }

  /** Answers whether one more is allowed at this moment; a clock set back gives nothing. */
  take({ ratePerSecond, burst }: TokenBucketOptions, now: number): boolean {
    if (ratePerSecond === 0) return true;
    const earned = (Math.max(0, now - this.#filledAt) * ratePerSecond) / 1000;
    this.#tokens = Math.min(burst, this.#tokens + earned);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
