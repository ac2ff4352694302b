import type { QuicReceiveStream, QuicSendStream, StreamEnd } from "./quic.ts";

/** Bytes that the web stream of a receiving side reads at once. */
const CHUNK_BYTES = 4096;

/**
 * The streams of a session that have not ended. They are referred to from here, because a runtime
 * may end the streams that nobody refers to.
 */
export class OpenStreams {
  readonly #streams = new Set<ReceiveStream | SendStream>();

  get size(): number {
    return this.#streams.size;
  }

  add(stream: ReceiveStream | SendStream): void {
    this.#streams.add(stream);
  }

  delete(stream: ReceiveStream | SendStream): void {
    this.#streams.delete(stream);
  }

  /** The session is over. */
  abandon(): void {
    for (const stream of this.#streams) stream.abandon();
  }
}

/** The side of a stream that the client writes. */
export class ReceiveStream {
  readonly #quic: QuicReceiveStream;
  readonly #open: OpenStreams;
  /** What came together with the beginning of the stream. */
  #early: Uint8Array | undefined;
  #end: StreamEnd | undefined;
  #readable: ReadableStream<Uint8Array> | undefined;

  constructor(quic: QuicReceiveStream, early: Uint8Array | undefined, open: OpenStreams) {
    this.#quic = quic;
    this.#early = early === undefined || early.length === 0 ? undefined : early;
    this.#open = open;
    open.add(this);
  }

  /** The id of the QUIC stream. */
  get id(): number {
    return this.#quic.id;
  }

  /**
   * Reads at least one byte into `into`, whose buffer it takes over: the answer lies in the same
   * memory. One read at a time; never rejects.
   */
  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | StreamEnd> {
    if (this.#end !== undefined) return this.#end;
    if (this.#early !== undefined) return this.#readEarly(this.#early, into);
    const result = await this.#quic.read(into);
    if (this.#end !== undefined) return this.#end;
    if (typeof result === "string") this.#finish(result);
    return result;
  }

  /** Wants no more; the client is told. */
  cancel(): void {
    if (this.#end !== undefined) return;
    this.#finish("reset");
    this.#quic.cancel();
  }

  /** The same as a web stream of bytes, made when it is first asked for; a reset is an error. */
  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= new ReadableStream(
      {
        type: "bytes",
        pull: (controller) => this.#pull(controller),
        cancel: () => this.cancel(),
      },
      { highWaterMark: 0 },
    );
    return this.#readable;
  }

  /** @internal */
  abandon(): void {
    this.cancel();
  }

  #finish(end: StreamEnd): void {
    this.#end = end;
    this.#early = undefined;
    this.#open.delete(this);
  }

  #readEarly(early: Uint8Array, into: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const length = Math.min(early.length, into.length);
    into.set(early.subarray(0, length));
    this.#early = length < early.length ? early.subarray(length) : undefined;
    return into.subarray(0, length);
  }

  async #pull(controller: ReadableByteStreamController): Promise<void> {
    const request = controller.byobRequest;
    const result = await this.read(new Uint8Array(request?.view?.byteLength ?? CHUNK_BYTES));
    if (result === "reset") {
      controller.error(new Error("the stream was broken off"));
    } else if (result === "finished") {
      controller.close();
      request?.respond(0);
    } else if (request?.view) {
      new Uint8Array(request.view.buffer, request.view.byteOffset).set(result);
      request.respond(result.length);
    } else {
      controller.enqueue(result);
    }
  }
}

/** The side of a stream that the server writes. */
export class SendStream {
  readonly #quic: QuicSendStream;
  readonly #open: OpenStreams;
  #isEnded = false;
  #writable: WritableStream<Uint8Array> | undefined;

  constructor(quic: QuicSendStream, open: OpenStreams) {
    this.#quic = quic;
    this.#open = open;
    open.add(this);
  }

  get id(): number {
    return this.#quic.id;
  }

  /**
   * Writes after all that was written before. Answers, once QUIC has taken the bytes, whether it
   * did: not if the client wants no more, or the session is over. Never rejects.
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isEnded) return false;
    const isTaken = await this.#quic.write(bytes);
    if (!isTaken) this.abandon();
    return isTaken;
  }

  /** Ends the stream after what was written. */
  async finish(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#quic.finish();
    this.#open.delete(this);
  }

  /**
   * The same as a web stream, made when it is first asked for. To abort it ends it like `close`: the
   * client cannot tell one from the other.
   */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream<Uint8Array>({
      write: async (bytes) => {
        if (!(await this.write(bytes))) throw new Error("the stream takes no more");
      },
      close: () => this.finish(),
      abort: () => this.finish(),
    });
    return this.#writable;
  }

  /** @internal */
  abandon(): void {
    this.#isEnded = true;
    this.#open.delete(this);
  }
}

/** A stream of both directions. */
export class BidirectionalStream {
  readonly receive: ReceiveStream;
  readonly send: SendStream;

  constructor(receive: ReceiveStream, send: SendStream) {
    this.receive = receive;
    this.send = send;
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.receive.readable;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.send.writable;
  }
}
