/** The side of a stream that this end writes. */
export interface OutgoingStream {
  /** Answers, once the transport has taken the bytes, whether it did. Never rejects. */
  write(bytes: Uint8Array): Promise<boolean>;
}

/** Bytes of small frames that are put together for one write. */
const WRITE_BYTES = 65_536;

/**
 * What waits to be written to a stream. One write is under way at a time, and what comes meanwhile
 * leaves with the next: under load there are fewer writes, and a promise for each of those alone.
 */
export class StreamOutbox {
  readonly #stream: OutgoingStream;
  /** Everything was taken, or the stream takes nothing any more. */
  readonly #emptied: () => void;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** Of these, what is being written. */
  #underWay = 0;
  #isEnded = false;

  constructor(stream: OutgoingStream, emptied: () => void) {
    this.#stream = stream;
    this.#emptied = emptied;
  }

  /** Bytes that the transport has not taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The bytes are not to be changed afterwards. */
  push(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#bytes += bytes.length;
    if (this.#underWay > 0) this.#waiting.push(bytes);
    else this.#write(bytes);
  }

  /** Drops what waits, and takes no more. */
  end(): void {
    this.#isEnded = true;
    this.#waiting = [];
    this.#bytes = 0;
  }

  #write(bytes: Uint8Array): void {
    this.#underWay = bytes.length;
    void this.#stream.write(bytes).then((isTaken) => this.#written(isTaken));
  }

  #written(isTaken: boolean): void {
    if (this.#isEnded) return;
    this.#bytes -= this.#underWay;
    this.#underWay = 0;
    if (!isTaken) this.end();
    const next = this.#next();
    if (next === undefined) this.#emptied();
    else this.#write(next);
  }

  /** As much of what waits as one write should hold. */
  #next(): Uint8Array | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    let [count, length] = [1, first.length];
    for (let more = this.#waiting[1]; more !== undefined; more = this.#waiting[++count]) {
      if (length + more.length > WRITE_BYTES) break;
      length += more.length;
    }
    const parts = this.#waiting.splice(0, count);
    return count === 1 ? first : concatenated(parts, length);
  }
}

function concatenated(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
