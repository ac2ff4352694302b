import type { TimerHandle, Timers } from "../timers.ts";

/** Timers of a clock that stands still until a test moves it. */
export class FakeTimers implements Timers {
  readonly #pending = new Map<object, { due: number; callback: () => void }>();
  #now = 0;

  get pending(): number {
    return this.#pending.size;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    const handle = {};
    this.#pending.set(handle, { due: this.#now + delayMs, callback });
    return handle;
  }

  clearTimeout(timer: TimerHandle): void {
    this.#pending.delete(Object(timer));
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const [handle, { due, callback }] of this.#pending) {
      if (due > this.#now) continue;
      this.#pending.delete(handle);
      callback();
    }
  }
}
