/** Ids that are remembered; between two workers of a node lie fewer publications. */
const MAX_IDS = 256;

/** The ids of the last publications that a session has had. */
export class LastIds {
  readonly #ids: number[] = [];
  #next = 0;

  remember(id: number): void {
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % MAX_IDS;
  }

  /** In no order. */
  [Symbol.iterator](): Iterator<number> {
    return this.#ids.values();
  }
}
