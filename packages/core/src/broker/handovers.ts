import { DeadlineQueue } from "../limits/deadline-queue.ts";
import type { Clock } from "../ports.ts";

/** Milliseconds for which a delivery waits for a worker to take it over. */
const HANDOVER_MS = 200;

/** Workers that one delivery waits for. */
export class Receipt {
  #open = 0;
  #done: (() => void) | undefined;

  get isDone(): boolean {
    return this.#open === 0;
  }

  /** Calls back once it waits for nobody any more; it has to wait for somebody now. */
  onDone(callback: () => void): void {
    this.#done = callback;
  }

  expect(): void {
    this.#open++;
  }

  settle(): void {
    this.#open--;
    if (this.#open === 0) this.#done?.();
  }
}

interface Handover<Worker> {
  readonly worker: Worker;
  readonly receipt: Receipt;
}

/**
 * Deliveries that workers have been handed and have not taken over yet.
 *
 * A worker that lets the time pass lags: nobody waits for it from then on, until it takes something
 * over again.
 */
export class Handovers<Worker> {
  readonly #open = new Map<Worker, Set<Handover<Worker>>>();
  readonly #lagging = new Set<Worker>();
  readonly #deadlines: DeadlineQueue<Handover<Worker>>;
  #timedOut = 0;

  constructor(clock: Clock) {
    this.#deadlines = new DeadlineQueue(clock, HANDOVER_MS, ({ worker }) => this.#lag(worker));
  }

  /** Deliveries times workers that are waited for, and workers that lag. */
  get size(): number {
    return this.#deadlines.size + this.#open.size + this.#lagging.size;
  }

  /** Workers that lag. */
  get lagging(): number {
    return this.#lagging.size;
  }

  /** How often a worker began to lag. */
  get timedOut(): number {
    return this.#timedOut;
  }

  /**
   * The receipt waits for the worker, unless that lags, until the answer is called with whether it
   * has taken over; where it never will, it goes on lagging.
   */
  add(worker: Worker, receipt: Receipt): (hasTaken: boolean) => void {
    const handover = { worker, receipt };
    if (!this.#lagging.has(worker)) {
      let open = this.#open.get(worker);
      if (open === undefined) {
        open = new Set();
        this.#open.set(worker, open);
      }
      open.add(handover);
      receipt.expect();
      this.#deadlines.add(handover);
    }
    return (hasTaken) => {
      if (hasTaken) this.#lagging.delete(worker);
      this.#settle(handover);
    };
  }

  /** The worker is gone, and nobody waits for it. */
  forget(worker: Worker): void {
    this.#settleAll(worker);
    this.#lagging.delete(worker);
  }

  #lag(worker: Worker): void {
    this.#timedOut++;
    this.#lagging.add(worker);
    this.#settleAll(worker);
  }

  #settleAll(worker: Worker): void {
    for (const handover of [...(this.#open.get(worker) ?? [])]) this.#settle(handover);
  }

  /** A second time changes nothing. */
  #settle(handover: Handover<Worker>): void {
    const open = this.#open.get(handover.worker);
    if (open === undefined || !open.delete(handover)) return;
    if (open.size === 0) this.#open.delete(handover.worker);
    this.#deadlines.remove(handover);
    handover.receipt.settle();
  }
}
