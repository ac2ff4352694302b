import type { AfterTurn, ByteStream, ByteStreamHandler, OpenStream } from "../ports.ts";

/** Bytes that a stream takes before its peer has read them. */
const CAPACITY = 65_536;

/** Promises that may wait for one another without a turn between them. */
const PROMISES = 20;

export interface FakeStreamsOptions {
  /** Bytes that a stream takes before its peer has read them; default 65,536. */
  readonly capacity?: number;
  /** How many bytes the next chunk may have; default: as many as there are. */
  readonly chunk?: () => number;
}

/** One end of a stream in memory. */
class FakeStream implements ByteStream {
  readonly #network: FakeStreams;
  handler: ByteStreamHandler | undefined;
  peer: FakeStream | undefined;
  /** What the peer has yet to read. */
  queue: Uint8Array[] = [];
  queued = 0;
  isFull = false;
  isOpen = true;

  constructor(network: FakeStreams) {
    this.#network = network;
  }

  write(bytes: Uint8Array): number {
    if (!this.isOpen) return 0;
    const taken = Math.min(bytes.length, this.#network.capacity - this.queued);
    if (taken > 0) this.queue.push(bytes.slice(0, taken));
    this.queued += taken;
    this.isFull = taken < bytes.length;
    return taken;
  }

  /** What was written before still arrives, as with a socket that is closed. */
  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.handler?.closed();
  }
}

/** A socket that streams in memory connect to, and the turns of an event loop for both ends. */
export class FakeStreams {
  readonly capacity: number;
  readonly #chunk: () => number;
  readonly #streams = new Set<FakeStream>();
  readonly #held = new Set<ByteStream>();
  #turn: (() => void)[] = [];
  #accept: ((stream: ByteStream) => ByteStreamHandler) | undefined;

  constructor(options: FakeStreamsOptions = {}) {
    this.capacity = options.capacity ?? CAPACITY;
    this.#chunk = options.chunk ?? (() => Number.POSITIVE_INFINITY);
  }

  readonly afterTurn: AfterTurn = (callback) => {
    this.#turn.push(callback);
  };

  listen(accept: (stream: ByteStream) => ByteStreamHandler): void {
    this.#accept = accept;
  }

  /** Refuses, as a socket does that nobody listens on, while nobody listens. */
  readonly open: OpenStream = async (handler) => {
    const accept = this.#accept;
    if (accept === undefined) throw new Error("nobody listens");
    const [near, far] = this.pair();
    near.handler = handler;
    far.handler = accept(far);
    return near;
  };

  /** Two ends of a stream, whose handlers are to be set. */
  pair(): readonly [FakeStream, FakeStream] {
    const [near, far] = [new FakeStream(this), new FakeStream(this)];
    near.peer = far;
    far.peer = near;
    this.#streams.add(near).add(far);
    return [near, far];
  }

  /** Ends a stream at both ends; what is on its way is lost. */
  cut(stream: ByteStream): void {
    for (const end of [...this.#streams]) {
      if (end !== stream && end.peer !== stream) continue;
      end.queue = [];
      end.queued = 0;
      end.end();
      this.#streams.delete(end);
    }
  }

  /** Nothing passes in either direction until `release`, as when the process at one end stands still. */
  hold(stream: ByteStream): void {
    this.#held.add(stream);
  }

  release(stream: ByteStream): void {
    this.#held.delete(stream);
  }

  /**
   * Ends the turn before, whose promises have settled, and lets a chunk of each stream arrive; false
   * when nothing was under way.
   */
  step(): boolean {
    const callbacks = this.#turn;
    this.#turn = [];
    for (const callback of callbacks) callback();
    let hasMoved = false;
    for (const stream of [...this.#streams]) if (this.#move(stream)) hasMoved = true;
    return hasMoved || callbacks.length > 0;
  }

  /** Lets everything arrive; answers of promises, too. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 2; idle++) {
      if (this.step()) idle = -1;
      for (let left = PROMISES; left > 0; left--) await Promise.resolve();
    }
  }

  #move(stream: FakeStream): boolean {
    const { peer } = stream;
    if (this.#held.has(stream) || (peer !== undefined && this.#held.has(peer))) return false;
    const next = stream.queue.shift();
    if (next === undefined || peer === undefined) {
      if (stream.isOpen || peer === undefined || !peer.isOpen) return false;
      peer.end();
      return true;
    }
    const length = Math.max(1, Math.min(next.length, this.#chunk()));
    if (length < next.length) stream.queue.unshift(next.subarray(length));
    stream.queued -= length;
    // The handler may keep nothing of what it is shown, so it is shown what is gone afterwards.
    const shown = next.slice(0, length);
    if (peer.isOpen) peer.handler?.data(shown);
    shown.fill(0xff);
    if (stream.isFull && stream.isOpen) {
      stream.isFull = false;
      stream.handler?.drained();
    }
    return true;
  }
}
