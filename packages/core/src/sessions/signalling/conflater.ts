import type { Clock } from "../../ports.ts";

/**
 * Lets at most one value of each sender through in a window, the latest.
 *
 * The window opens with the first value, so a single change waits no longer than one window, and a
 * channel in which nothing changes has no timer.
 */
export class Conflater<Sender, Value> {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Map<Sender, Value>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `channel` is the scope of the window; `flush` gets each sender's latest value at its end. */
  put(
    channel: string,
    windowMs: number,
    sender: Sender,
    value: Value,
    flush: (sender: Sender, value: Value) => void,
  ): void {
    const open = this.#windows.get(channel);
    if (open !== undefined) {
      open.set(sender, value);
      return;
    }
    const latest = new Map([[sender, value]]);
    this.#windows.set(channel, latest);
    this.#clock.setTimeout(() => {
      this.#windows.delete(channel);
      for (const [each, last] of latest) flush(each, last);
    }, windowMs);
  }

  /** Forgets what a sender that is leaving has not sent yet. */
  drop(channel: string, sender: Sender): void {
    this.#windows.get(channel)?.delete(sender);
  }
}
