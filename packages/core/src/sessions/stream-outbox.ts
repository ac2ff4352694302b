/** The side of a stream that this end writes. Neither promise rejects. */
export interface OutgoingStream {
  /** Answers, once the transport has taken the bytes, whether it did. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Ends the stream after what was written. */
  finish(): Promise<void>;
}

/** Something with packets to send. */
export interface PacedWriter {
  /** Sends some of what waits; answers about how many packets that will be. */
  flush(): number;
  /** Whether more could be sent now. */
  readonly hasMore: boolean;
}

/**
 * Has writers flush soon, at the end of this turn of the event loop or in slices after it: a burst
 * of packets to many clients would drown what comes in meanwhile.
 */
export interface Pacer {
  /** To be called once until the writer has flushed and has no more. */
  add(writer: PacedWriter): void;
}

/** Bytes of frames that are put together for one write. */
const WRITE_BYTES = 65_536;
/** Bytes of a packet, about. */
const PACKET_BYTES = 1_150;

/**
 * What waits to be written to a stream. What is sent within a turn leaves as one write, and while
 * that is under way no other is: under load there are fewer promises than messages.
 */
export class StreamOutbox implements PacedWriter {
  readonly #stream: OutgoingStream;
  readonly #pacer: Pacer;
  /** Told when nothing waits any more, and whether all of it was taken; if not, the stream is dead. */
  readonly #emptied: (isTaken: boolean) => void;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** Of these, what is being written. */
  #underWay = 0;
  #isPaced = false;
  #isEnded = false;

  constructor(stream: OutgoingStream, pacer: Pacer, emptied: (isTaken: boolean) => void) {
    this.#stream = stream;
    this.#pacer = pacer;
    this.#emptied = emptied;
  }

  /** Bytes that the transport has not taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a write is under way, which others wait for. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  get hasMore(): boolean {
    return this.#waiting.length > 0 && !this.isBusy;
  }

  /** The bytes are not to be changed afterwards. */
  push(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#bytes += bytes.length;
    this.#waiting.push(bytes);
    this.#schedule();
  }

  flush(): number {
    this.#isPaced = false;
    if (!this.hasMore) return 0;
    const bytes = this.#next();
    this.#underWay = bytes.length;
    void this.#stream.write(bytes).then((isTaken) => this.#written(isTaken));
    return Math.ceil(bytes.length / PACKET_BYTES);
  }

  /** Drops what waits, and takes no more. */
  end(): void {
    this.#isEnded = true;
    this.#waiting = [];
    this.#bytes = 0;
  }

  #schedule(): void {
    if (this.#isPaced || !this.hasMore) return;
    this.#isPaced = true;
    this.#pacer.add(this);
  }

  #written(isTaken: boolean): void {
    if (this.#isEnded) return;
    this.#bytes -= this.#underWay;
    this.#underWay = 0;
    if (!isTaken) this.end();
    if (this.hasMore) this.#schedule();
    else this.#emptied(isTaken);
  }

  /** As much of what waits as one write should hold. */
  #next(): Uint8Array {
    let [count, length] = [0, 0];
    for (const frame of this.#waiting) {
      if (count > 0 && length + frame.length > WRITE_BYTES) break;
      length += frame.length;
      count++;
    }
    const frames = this.#waiting.splice(0, count);
    const [first] = frames;
    return count === 1 && first !== undefined ? first : concatenated(frames, length);
  }
}

function concatenated(frames: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}
