import type { Cancellation } from "./broker.ts";

/** The side of a cancellation that says it. */
export class CancellationSource implements Cancellation {
  #isCancelled = false;
  #callbacks: (() => void)[] = [];

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  onCancel(callback: () => void): void {
    if (this.#isCancelled) callback();
    else this.#callbacks.push(callback);
  }

  /** A second time changes nothing. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}
