import type { Counters } from "@starling/core/hub/counters.ts";
import type { Clock, TimerHandle } from "@starling/core/ports.ts";

/** How often the number of connections is looked at. */
const INTERVAL_MS = 1_000;
/** Connections that must have come or gone since the last time to be worth a pause. */
const WORTHWHILE = 1_000;
/** The runtime lets go of what one round has freed only in the next ones. */
const ROUNDS = 3;
/** A change of less than this between two looks is quiet. */
const QUIET = 50;

/**
 * Gives memory back to the system once a wave of connections has passed: what thousands of
 * handshakes left behind would otherwise stay with the process for as long as it is idle.
 */
export class MemoryTrimmer {
  readonly #counters: Pick<Counters, "connections">;
  readonly #clock: Clock;
  readonly #trim: () => void;
  #trimmedAt = 0;
  /** Starting leaves something behind, too. */
  #remaining = ROUNDS;
  #seen = 0;
  #timer: TimerHandle | undefined;

  constructor(counters: Pick<Counters, "connections">, clock: Clock, trim: () => void) {
    this.#counters = counters;
    this.#clock = clock;
    this.#trim = trim;
  }

  start(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#look();
      this.start();
    }, INTERVAL_MS);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { connections } = this.#counters;
    const isQuiet = Math.abs(connections - this.#seen) < QUIET;
    this.#seen = connections;
    if (!isQuiet) return;
    if (Math.abs(connections - this.#trimmedAt) >= WORTHWHILE) {
      this.#trimmedAt = connections;
      this.#remaining = ROUNDS;
    }
    if (this.#remaining === 0) return;
    this.#remaining--;
    this.#trim();
  }
}
