/** The place of a part among those that make a whole. */
interface Part {
  readonly index: number;
  readonly isLast: boolean;
}

/** Parts of one whole that come one after the other; where one is missing all of them are of no use. */
export class Parts<T> {
  #of: string | undefined;
  #next = 0;
  #items: T[] = [];

  /**
   * Answers the whole once its last part is there.
   *
   * @param of names the whole
   */
  add(of: string, { index, isLast }: Part, items: readonly T[]): readonly T[] | undefined {
    if (index === 0) {
      this.#of = of;
      this.#next = 0;
      this.#items = [];
    }
    if (this.#of !== of || index !== this.#next) {
      this.#of = undefined;
      this.#items = [];
      return undefined;
    }
    this.#next++;
    for (const item of items) this.#items.push(item);
    if (!isLast) return undefined;
    const whole = this.#items;
    this.#of = undefined;
    this.#items = [];
    return whole;
  }
}
