import type { WorkerId } from "./broker.ts";

/** Publications of one worker until their ids begin again. */
const IDS_OF_A_WORKER = 2 ** 40;
/** Workers whose ids an exact number can tell apart. */
const WORKERS = 2 ** 13;

/**
 * Ids of the publications of one worker.
 *
 * Both parts begin again at some time, but long after what had the same id has arrived: a number
 * costs nothing to send and compare, and only what is on its way must differ.
 */
export class PublicationIds {
  readonly #base: number;
  #last = 0;

  constructor(worker: WorkerId) {
    this.#base = (worker % WORKERS) * IDS_OF_A_WORKER;
  }

  /** What stands in this node for an id of another node: the same on all workers. */
  static of(origin: string, id: number): number {
    let hash = 0;
    for (let index = 0; index < origin.length; index++) {
      hash = (Math.imul(hash, 31) + origin.charCodeAt(index)) >>> 0;
    }
    return (hash % WORKERS) * IDS_OF_A_WORKER + (id % IDS_OF_A_WORKER);
  }

  next(): number {
    this.#last = (this.#last + 1) % IDS_OF_A_WORKER;
    return this.#base + this.#last;
  }
}
