/** Which item goes when one comes and there is no room. */
export type Overflow = "oldest" | "newest";

/**
 * What a peer sends and the application has not yet taken: it goes to the listener at once where
 * there is one, and else waits, up to a limit, for the web stream to be read.
 */
export class IncomingQueue<T extends object> {
  readonly #limit: number;
  readonly #overflow: Overflow;
  readonly #drop: (item: T) => void;
  readonly #items: T[] = [];
  #listener: ((item: T) => void) | undefined;
  #controller: ReadableStreamDefaultController<T> | undefined;
  #readable: ReadableStream<T> | undefined;
  #isWanted = false;
  #isEnded = false;

  /** @param drop is told each item that nobody will get */
  constructor(limit: number, overflow: Overflow, drop: (item: T) => void) {
    this.#limit = limit;
    this.#overflow = overflow;
    this.#drop = drop;
  }

  /** Takes all items from now on, those that wait first. */
  set listener(listener: ((item: T) => void) | undefined) {
    this.#listener = listener;
    if (listener === undefined) return;
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
      listener(item);
    }
  }

  push(item: T): void {
    if (this.#isEnded) {
      this.#drop(item);
    } else if (this.#listener !== undefined) {
      this.#listener(item);
    } else if (this.#isWanted) {
      this.#isWanted = false;
      this.#controller?.enqueue(item);
    } else {
      this.#keep(item);
    }
  }

  /** No more will come; what waits is dropped. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#listener = undefined;
    for (const item of this.#items.splice(0)) this.#drop(item);
    this.#close();
  }

  /** The items as a web stream, made when it is first asked for. */
  get readable(): ReadableStream<T> {
    this.#readable ??= new ReadableStream<T>(
      {
        start: (controller) => {
          this.#controller = controller;
          if (this.#isEnded) this.#close();
        },
        pull: (controller) => {
          const item = this.#items.shift();
          if (item === undefined) this.#isWanted = true;
          else controller.enqueue(item);
        },
        cancel: () => {
          this.#controller = undefined;
          this.end();
        },
      },
      { highWaterMark: 0 },
    );
    return this.#readable;
  }

  #keep(item: T): void {
    if (this.#items.length < this.#limit) {
      this.#items.push(item);
    } else if (this.#overflow === "newest") {
      this.#drop(item);
    } else {
      const oldest = this.#items.shift();
      if (oldest !== undefined) this.#drop(oldest);
      this.#items.push(item);
    }
  }

  #close(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }
}
