import type { Clock, TimerHandle } from "../ports.ts";

/**
 * Items that must each be gone within the same time, with a single timer for all of them.
 *
 * A timer for each connection that is about to authenticate would be most of the garbage that
 * connecting makes.
 */
export class DeadlineQueue<T extends object> {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #expire: (item: T) => void;
  /** Deadlines in the order of their coming, since all have the same delay. */
  readonly #deadlines = new Map<T, number>();
  #timer: TimerHandle | undefined;

  constructor(clock: Clock, delayMs: number, expire: (item: T) => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#expire = expire;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** An item that is there already keeps its deadline. */
  add(item: T): void {
    if (this.#deadlines.has(item)) return;
    this.#deadlines.set(item, this.#clock.now() + this.#delayMs);
    this.#schedule(this.#delayMs);
  }

  remove(item: T): void {
    this.#deadlines.delete(item);
    if (this.#deadlines.size > 0 || this.#timer === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(delayMs: number): void {
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#expireDue();
    }, delayMs);
  }

  #expireDue(): void {
    const now = this.#clock.now();
    for (const [item, deadline] of this.#deadlines) {
      if (deadline > now) {
        // A clock that was set back must not keep anybody for longer than the delay.
        this.#schedule(Math.min(deadline - now, this.#delayMs));
        return;
      }
      this.#deadlines.delete(item);
      this.#expire(item);
    }
  }
}
