import { within } from "./deadline.ts";

interface Waiter<T> {
  resolve(item: T): void;
  reject(reason: Error): void;
}

/** What a connection has received and a test has not yet read, in order of arrival. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiters: Waiter<T>[] = [];
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

  next(what: string): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiters.push({ resolve, reject });
    return within(promise, what);
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
