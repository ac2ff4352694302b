import type { Clock, TimerHandle } from "../ports.ts";

/** The longest time that timers of common runtimes can wait. */
const MAX_TIMER_MS = 2_147_483_647;

/** Tells when an identity runs out; an identity without an end costs no timer. */
export class ExpiryTimer {
  readonly #clock: Clock;
  readonly #onExpiry: () => void;
  #timer: TimerHandle | undefined;

  constructor(clock: Clock, onExpiry: () => void) {
    this.#clock = clock;
    this.#onExpiry = onExpiry;
  }

  /** Watches this moment, ms since the epoch, in place of the one before; undefined is never. */
  watch(expiresAt: number | undefined): void {
    this.stop();
    if (expiresAt === undefined) return;
    const wait = Math.min(expiresAt - this.#clock.now(), MAX_TIMER_MS);
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#clock.now() < expiresAt) this.watch(expiresAt);
      else this.#onExpiry();
    }, wait);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
