/** What is being done for some objects, such as a check that waits for an answer from outside. */
export class UnderWay<T extends object> {
  readonly #counts = new Map<T, number>();
  readonly #waiting = new Map<T, (() => void)[]>();

  isBusy(object: T): boolean {
    return this.#counts.has(object);
  }

  /** The object is busy until the work has settled, one way or the other. */
  track(object: T, work: Promise<unknown>): void {
    this.#counts.set(object, (this.#counts.get(object) ?? 0) + 1);
    const end = (): void => this.#end(object);
    work.then(end, end);
  }

  /** Calls back once the object is not busy, at once where it is not. */
  whenIdle(object: T, callback: () => void): void {
    if (!this.isBusy(object)) {
      callback();
      return;
    }
    const waiting = this.#waiting.get(object);
    if (waiting === undefined) this.#waiting.set(object, [callback]);
    else waiting.push(callback);
  }

  #end(object: T): void {
    const left = (this.#counts.get(object) ?? 1) - 1;
    if (left > 0) {
      this.#counts.set(object, left);
      return;
    }
    this.#counts.delete(object);
    const waiting = this.#waiting.get(object) ?? [];
    this.#waiting.delete(object);
    for (const callback of waiting) callback();
  }
}
