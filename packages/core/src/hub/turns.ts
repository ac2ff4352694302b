import type { Answer } from "../answer.ts";

/** Lets so many questions be under way at a time; the others wait for their turn. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** The answer of `ask`, which is called at once or when it has its turn. */
  take<T>(ask: () => Answer<T>): Answer<T> {
    if (this.#free > 0) {
      this.#free--;
      return this.#ask(ask);
    }
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#ask(ask));
  }

  #ask<T>(ask: () => Answer<T>): Answer<T> {
    let answer: Answer<T>;
    try {
      answer = ask();
    } catch (error) {
      this.#next();
      throw error;
    }
    if (answer instanceof Promise) return answer.finally(() => this.#next());
    this.#next();
    return answer;
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
