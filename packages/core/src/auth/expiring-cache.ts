import type { Clock } from "../ports.ts";

interface Entry<T> {
  readonly value: T;
  readonly setAt: number;
  readonly until: number;
}

/**
 * Values that are good until a moment each. When it is full, the one that was not used for the
 * longest time goes. It needs no timer: an entry that is past its moment is not found.
 */
export class ExpiringCache<T> {
  readonly #maxEntries: number;
  readonly #clock: Clock;
  /** In order of their last use. */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(options: { readonly maxEntries: number; readonly clock: Clock }) {
    this.#maxEntries = options.maxEntries;
    this.#clock = options.clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    const now = this.#clock.now();
    // A clock that was set back must not make it good for longer.
    if (now >= entry.until || now < entry.setAt) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Keeps a value until a moment, ms since the epoch; one that has passed keeps nothing. */
  set(key: string, value: T, until: number): void {
    const setAt = this.#clock.now();
    this.#entries.delete(key);
    if (until <= setAt) return;
    if (this.#entries.size >= this.#maxEntries) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(key, { value, setAt, until });
  }
}
