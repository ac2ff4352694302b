import type { Clock } from "@starling/core/ports.ts";

/**
 * A terminal signals the whole process group, and launchers pass the signal on as well: copies
 * that arrive together are one wish to stop.
 */
const COPY_WINDOW_MS = 300;

export type StopAction = "stop" | "exit" | "ignore";

/** Decides what a signal means: the first stops gracefully, a later one exits at once. */
export class StopSignals {
  readonly #clock: Pick<Clock, "now">;
  #first: number | undefined;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  received(): StopAction {
    const now = this.#clock.now();
    if (this.#first === undefined) {
      this.#first = now;
      return "stop";
    }
    return Math.abs(now - this.#first) < COPY_WINDOW_MS ? "ignore" : "exit";
  }
}
