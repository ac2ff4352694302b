/** Numbered messages that are to come, each once. */
export class Once {
  readonly #seen: Uint8Array;
  readonly #all = Promise.withResolvers<void>();
  #missing: number;

  constructor(expected: number) {
    this.#seen = new Uint8Array(expected);
    this.#missing = expected;
    // Whoever does not wait is not to end by what went wrong.
    this.#all.promise.catch(() => {});
  }

  /** Resolves when all are here; rejects where one came that was not expected, or once more. */
  get all(): Promise<void> {
    return this.#all.promise;
  }

  take(number: number): void {
    if (this.#seen[number] !== 0) {
      this.#all.reject(new Error(`message ${number} came once more, or from nowhere`));
      return;
    }
    this.#seen[number] = 1;
    this.#missing--;
    if (this.#missing === 0) this.#all.resolve();
  }
}
