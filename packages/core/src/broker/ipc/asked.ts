import { StarlingError } from "@starling/protocol/errors.ts";
import type { Cancellation } from "../broker.ts";

interface Open {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Questions to the peer of a link that wait for their answers, without any deadline. */
export class Asked {
  readonly #open = new Map<number, Open>();
  #last = 0;

  /**
   * Asks: `send` is given the number of the question, and `cancel` is called with it when nobody
   * waits any more.
   */
  ask(
    send: (id: number) => boolean,
    cancel: (id: number) => void,
    cancellation: Cancellation | undefined,
  ): Promise<unknown> {
    if (cancellation?.isCancelled === true) return Promise.reject(givenUp());
    this.#last++;
    const id = this.#last;
    if (!send(id)) return Promise.reject(new StarlingError("broker_unavailable"));
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      cancellation?.onCancel(() => {
        if (this.#settle(id, ({ reject }) => reject(givenUp()))) cancel(id);
      });
    });
  }

  /** An answer; one that nobody waits for is ignored. */
  answered(id: number, value: unknown): void {
    this.#settle(id, ({ resolve }) => resolve(value));
  }

  failed(id: number, error: unknown): void {
    this.#settle(id, ({ reject }) => reject(error));
  }

  /** No answer will come. */
  failAll(error: unknown): void {
    for (const id of [...this.#open.keys()]) this.failed(id, error);
  }

  #settle(id: number, how: (open: Open) => void): boolean {
    const open = this.#open.get(id);
    if (open === undefined) return false;
    this.#open.delete(id);
    how(open);
    return true;
  }
}

function givenUp(): StarlingError {
  return new StarlingError("broker_unavailable", "the question was given up");
}
