/** Ids that are remembered: some seconds' worth of deliveries with a key. */
const MAX_IDS = 65_536;

/** Tells ids that come again; the oldest are forgotten first. */
export class RecentIds {
  readonly #ids = new Set<string>();
  readonly #max: number;

  constructor(max = MAX_IDS) {
    this.#max = max;
  }

  /** Whether an id comes for the first time, as far as it is remembered. */
  isNew(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > this.#max && oldest !== undefined) this.#ids.delete(oldest);
    return true;
  }
}
