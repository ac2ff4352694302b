/** What a client says while something that it said before is not done yet. */
export class Inbox {
  readonly #maxBytes: number;
  /** In the order of their coming; undefined while nothing has to wait. */
  #waiting: Uint8Array[] | undefined;
  #bytes = 0;

  /** @param maxBytes how much may wait */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isHeld(): boolean {
    return this.#waiting !== undefined;
  }

  /** From now on messages wait. */
  hold(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }

  /** Answers false when that would be too much. */
  put(message: Uint8Array): boolean {
    this.#bytes += message.byteLength;
    if (this.#bytes > this.#maxBytes) return false;
    // The socket's memory is the socket's again after the call.
    this.#waiting?.push(message.slice());
    return true;
  }

  /** Ends the wait, and does what has waited; one of those may begin another wait. */
  release(perform: (message: Uint8Array) => void): void {
    const messages = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const message of messages) {
      if (this.isHeld) this.put(message);
      else perform(message);
    }
  }
}
