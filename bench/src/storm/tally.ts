/** What one client got of messages that are numbered from 1. */
export class Tally {
  readonly #expected: number;
  readonly #complete = Promise.withResolvers<void>();
  #last = 0;
  #lost = 0;
  #doubled = 0;

  constructor(expected: number) {
    this.#expected = expected;
    if (expected === 0) this.#complete.resolve();
  }

  /** Resolves with the last message. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  /** Those that a later one overtook, and those that never came. */
  get lost(): number {
    return this.#lost + this.#expected - this.#last;
  }

  /** Those that came again, or too late. */
  get doubled(): number {
    return this.#doubled;
  }

  /** Takes down every message in a text, by the member `"n"` of its data. */
  read(text: string): void {
    for (const [, digits] of text.matchAll(/"n":(\d+)/g)) this.#take(Number(digits));
  }

  #take(number: number): void {
    if (number <= this.#last) {
      this.#doubled++;
      return;
    }
    this.#lost += number - this.#last - 1;
    this.#last = number;
    if (number >= this.#expected) this.#complete.resolve();
  }
}
