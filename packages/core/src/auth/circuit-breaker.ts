import type { Clock } from "../ports.ts";

/**
 * `closed`: everything goes through. `open`: nothing does. `half-open`: the pause is over, and one
 * task at a time may try.
 */
export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitBreakerOptions {
  /** Failures in a row after which the circuit opens, a whole number from 1. */
  readonly failures: number;
  /** Milliseconds for which it stays open before a task may try again. */
  readonly pauseMs: number;
  readonly clock: Clock;
  /** Told whenever it opens, opens again after a failed try, or closes. */
  readonly onChange?: (state: "open" | "closed") => void;
}

/** The circuit is open: the task was not begun. */
export class CircuitOpenError extends Error {
  constructor() {
    super("the circuit is open");
    this.name = "CircuitOpenError";
  }
}

/**
 * Keeps work away from a server that fails, so that callers are answered at once and the server can
 * recover. It needs no timer: the state follows from the clock.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  #failuresInRow = 0;
  #openedAt: number | undefined;
  #isTrying = false;

  /** @throws RangeError when an option is outside its range. */
  constructor(options: CircuitBreakerOptions) {
    const { failures, pauseMs } = options;
    if (!Number.isInteger(failures) || failures < 1) {
      throw new RangeError(`failures is ${failures}; it must be a whole number >= 1`);
    }
    if (!(pauseMs >= 0)) throw new RangeError(`pauseMs is ${pauseMs}; it must be at least 0`);
    this.#options = options;
  }

  get state(): CircuitState {
    if (this.#openedAt === undefined) return "closed";
    const elapsed = this.#options.clock.now() - this.#openedAt;
    // A clock that was set back must not keep it open for longer than the pause.
    return elapsed < 0 || elapsed >= this.#options.pauseMs ? "half-open" : "open";
  }

  /**
   * Runs a task that settles; its rejection is a failure of the server.
   *
   * @throws CircuitOpenError without running it, while the circuit is open or another task tries.
   */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const { state } = this;
    if (state === "open" || (state === "half-open" && this.#isTrying)) throw new CircuitOpenError();
    const openedAt = this.#openedAt;
    if (state === "half-open") this.#isTrying = true;
    try {
      const result = await task();
      // A task from before the circuit opened says nothing of the server as it is now.
      if (openedAt === this.#openedAt) this.#close();
      return result;
    } catch (error) {
      if (openedAt === this.#openedAt) this.#fail();
      throw error;
    } finally {
      if (state === "half-open") this.#isTrying = false;
    }
  }

  #close(): void {
    this.#failuresInRow = 0;
    if (this.#openedAt === undefined) return;
    this.#openedAt = undefined;
    this.#options.onChange?.("closed");
  }

  #fail(): void {
    this.#failuresInRow++;
    if (this.#openedAt === undefined && this.#failuresInRow < this.#options.failures) return;
    this.#openedAt = this.#options.clock.now();
    this.#options.onChange?.("open");
  }
}
