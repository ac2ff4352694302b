import { patience, within } from "./deadline.ts";

interface Waiter<T> {
  resolve(item: T): void;
  reject(reason: Error): void;
}

/** What a connection has received and a test has not yet read, in order of arrival. */
export class Inbox<T> {
  readonly #items: T[] = [];
  #waiters: Waiter<T>[] = [];
  #ended: Error | undefined;
  #reader: ((item: T) => void) | undefined;

  push(item: T): void {
    if (this.#reader !== undefined) {
      this.#reader(item);
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter.resolve(item);
  }

  /** From now on `next` fails once everything that had arrived is read. */
  end(reason: string): void {
    this.#ended = new Error(reason);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#ended);
  }

  async next(what: string, ms = patience): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return item;
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter = { resolve, reject };
    this.#waiters.push(waiter);
    try {
      return await within(promise, what, ms);
    } catch (error) {
      // Who has given up must not take what others wait for.
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      throw error;
    }
  }

  /** Calls back with everything that is not yet read, and from now on with each item at once. */
  readWith(reader: (item: T) => void): void {
    this.#reader = reader;
    for (const item of this.takeAll()) reader(item);
  }

  /** Everything that has arrived and is not yet read, without waiting. */
  takeAll(): T[] {
    return this.#items.splice(0);
  }
}
