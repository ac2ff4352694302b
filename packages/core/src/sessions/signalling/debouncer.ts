import type { Clock, TimerHandle } from "../../ports.ts";

/** Announcements that may be held back at the same time; beyond, they are made at once. */
const MAX_HELD = 10_000;

interface Held {
  readonly kind: "join" | "leave";
  readonly timer: TimerHandle;
}

/**
 * Holds back news of members that come and go, so that one who leaves and comes back within the
 * window, as a page does that is reloaded, is not announced at all, and neither is one who comes
 * and leaves.
 */
export class Debouncer {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `key` names the member in its channel; `announce` tells the others. */
  join(key: string, windowMs: number, announce: () => void): void {
    this.#hold(key, windowMs, "join", announce);
  }

  leave(key: string, windowMs: number, announce: () => void): void {
    this.#hold(key, windowMs, "leave", announce);
  }

  /** Whether the others have not been told of this member yet. */
  isUnannounced(key: string): boolean {
    return this.#held.get(key)?.kind === "join";
  }

  #hold(key: string, windowMs: number, kind: Held["kind"], announce: () => void): void {
    const held = this.#held.get(key);
    if (held !== undefined) {
      // The opposite undoes what is held; the same once more changes nothing.
      if (held.kind !== kind) this.#drop(key, held);
      return;
    }
    if (windowMs === 0 || this.#held.size >= MAX_HELD) {
      announce();
      return;
    }
    const timer = this.#clock.setTimeout(() => {
      this.#held.delete(key);
      announce();
    }, windowMs);
    this.#held.set(key, { kind, timer });
  }

  #drop(key: string, held: Held): void {
    this.#clock.clearTimeout(held.timer);
    this.#held.delete(key);
  }
}
