import type { Clock, TimerHandle } from "../ports.ts";

interface PendingTimer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;
  /** What somebody has set the clock by, which timers do not feel. */
  #offset = 0;
  #order = 0;
  readonly #pending = new Set<PendingTimer>();

  /** Starts at `now`, milliseconds since the Unix epoch. */
  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now + this.#offset;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    const timer = { due: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(timer);
    return timer;
  }

  clearTimeout(timer: TimerHandle): void {
    this.#pending.delete(timer as PendingTimer);
  }

  /** How many timers are set. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves time on, running what falls due in order of its due time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#nextDue(end); next !== undefined; next = this.#nextDue(end)) {
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.callback();
    }
    this.#now = end;
  }

  /** Jumps to a moment without running timers, as a suspended machine does. */
  jumpTo(now: number): void {
    this.#now = now - this.#offset;
  }

  /** Sets the clock to another moment; timers run as if nothing had happened. */
  set(now: number): void {
    this.#offset = now - this.#now;
  }

  #nextDue(end: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#pending) {
      if (timer.due > end) continue;
      if (
        next === undefined ||
        timer.due < next.due ||
        (timer.due === next.due && timer.order < next.order)
      ) {
        next = timer;
      }
    }
    return next;
  }
}
