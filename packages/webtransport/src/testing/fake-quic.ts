import type {
  QuicAddress,
  QuicBidirectionalStream,
  QuicClose,
  QuicConnection,
  QuicEndpoint,
  QuicIncoming,
  QuicReceiveStream,
  QuicSendStream,
  StreamEnd,
} from "../quic.ts";
import { concatenate } from "../records.ts";

/** A queue with one reader, who waits for what is not there yet. */
class Channel<T> {
  readonly #items: T[] = [];
  #waiting: ((item: T | undefined) => void) | undefined;
  #isEnded = false;

  push(item: T): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#items.push(item);
    else waiting(item);
  }

  end(): void {
    this.#isEnded = true;
    this.#waiting?.(undefined);
  }

  next(): Promise<T | undefined> {
    if (this.#items.length > 0 || this.#isEnded) return Promise.resolve(this.#items.shift());
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    this.#waiting = resolve;
    return promise;
  }
}

/** The client's end of what the server receives on a stream. */
export class FakeSource implements QuicReceiveStream {
  readonly id: number;
  readonly #chunkSize: () => number;
  #bytes = new Uint8Array(0);
  #end: StreamEnd | undefined;
  #wake: (() => void) | undefined;
  /** Whether the server wants no more. */
  isCancelled = false;

  constructor(id: number, chunkSize: () => number) {
    this.id = id;
    this.#chunkSize = chunkSize;
  }

  send(...parts: readonly Uint8Array[]): this {
    if (!this.isCancelled) this.#bytes = concatenate([this.#bytes, ...parts]);
    this.#wake?.();
    return this;
  }

  finish(): void {
    this.#end ??= "finished";
    this.#wake?.();
  }

  reset(): void {
    this.#bytes = new Uint8Array(0);
    this.#end = "reset";
    this.#wake?.();
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | StreamEnd> {
    // The buffer is taken over, as a BYOB reader does.
    const { byteOffset, length: room } = into;
    const own = new Uint8Array(into.buffer.transfer(), byteOffset, room);
    while (this.#bytes.length === 0) {
      if (this.#end !== undefined) return this.#end;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const length = Math.min(own.length, this.#bytes.length, Math.max(1, this.#chunkSize()));
    own.set(this.#bytes.subarray(0, length));
    this.#bytes = this.#bytes.subarray(length);
    return own.subarray(0, length);
  }

  cancel(): void {
    this.isCancelled = true;
    this.#bytes = new Uint8Array(0);
    this.finish();
  }
}

/** The client's end of what the server sends on a stream. */
export class FakeSink implements QuicSendStream {
  readonly id: number;
  readonly #parts: Uint8Array[] = [];
  isFinished = false;
  /** Whether the client wants no more. */
  isStopped = false;

  constructor(id: number) {
    this.id = id;
  }

  /** All that the server has sent. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return concatenate(this.#parts);
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.isFinished || this.isStopped) return false;
    this.#parts.push(bytes.slice());
    return true;
  }

  async finish(): Promise<void> {
    this.isFinished = true;
  }
}

export interface FakeStream extends QuicBidirectionalStream {
  readonly receive: FakeSource;
  readonly send: FakeSink;
}

/** A connection whose client is the test; what it sends arrives cut up as `chunkSize` says. */
export class FakeConnection implements QuicConnection {
  readonly remoteAddress: QuicAddress;
  readonly #handshake = Promise.withResolvers<void>();
  readonly handshake = this.#handshake.promise;
  readonly #closed = Promise.withResolvers<QuicClose>();
  readonly closed = this.#closed.promise;
  readonly #chunkSize: () => number;
  readonly #bidirectional = new Channel<FakeStream>();
  readonly #unidirectional = new Channel<FakeSource>();
  readonly #sources: FakeSource[] = [];
  readonly #waitingDatagrams: ((isTaken: boolean) => void)[] = [];
  #receiveDatagram: ((datagram: Uint8Array) => void) | undefined;
  #nextBidirectional = 0;
  #nextUnidirectional = 2;
  /** With what the server closed it. */
  closedWith: QuicClose | undefined;
  maxDatagramSize = 1200;
  /** Streams that the server may still open, of both kinds together. */
  allowedStreams = 10;
  /** Whether QUIC has room for datagrams; while it has none they wait. */
  hasRoom = true;
  readonly datagrams: Uint8Array[] = [];
  /** Streams that the server opened. */
  readonly openedUnidirectional: FakeSink[] = [];
  readonly openedBidirectional: FakeStream[] = [];

  constructor(chunkSize: () => number = () => 65_536, hostname = "192.0.2.1") {
    this.#chunkSize = chunkSize;
    this.remoteAddress = { hostname, port: 50_000 };
  }

  /** The handshake is over. */
  open(): this {
    this.#handshake.resolve();
    return this;
  }

  /** The client opens a stream. */
  bidirectional(): FakeStream {
    const id = this.#nextBidirectional;
    this.#nextBidirectional += 4;
    const stream = { receive: this.#source(id), send: new FakeSink(id) };
    this.#bidirectional.push(stream);
    return stream;
  }

  unidirectional(): FakeSource {
    const source = this.#source(this.#nextUnidirectional);
    this.#nextUnidirectional += 4;
    this.#unidirectional.push(source);
    return source;
  }

  /** The client sends a datagram. */
  datagram(...parts: readonly Uint8Array[]): void {
    this.#receiveDatagram?.(concatenate(parts));
  }

  /** QUIC takes what waits, or loses it. */
  release(isTaken = true): void {
    for (const done of this.#waitingDatagrams.splice(0)) done(isTaken);
  }

  /** The connection ends without the server's doing. */
  end(code = 0, reason = "lost"): void {
    this.#handshake.resolve();
    for (const source of this.#sources) source.reset();
    this.#bidirectional.end();
    this.#unidirectional.end();
    for (const { send } of this.openedBidirectional) send.isStopped = true;
    this.#receiveDatagram = undefined;
    this.release(false);
    this.#closed.resolve({ code, reason });
  }

  acceptBidirectional(): Promise<FakeStream | undefined> {
    return this.#bidirectional.next();
  }

  acceptUnidirectional(): Promise<FakeSource | undefined> {
    return this.#unidirectional.next();
  }

  async openBidirectional(): Promise<FakeStream | undefined> {
    if (this.closedWith !== undefined || this.allowedStreams-- <= 0) return undefined;
    const id = 1 + 4 * this.openedBidirectional.length;
    const stream = { receive: this.#source(id), send: new FakeSink(id) };
    this.openedBidirectional.push(stream);
    return stream;
  }

  async openUnidirectional(): Promise<FakeSink | undefined> {
    if (this.closedWith !== undefined || this.allowedStreams-- <= 0) return undefined;
    const sink = new FakeSink(3 + 4 * this.openedUnidirectional.length);
    this.openedUnidirectional.push(sink);
    return sink;
  }

  receiveDatagrams(receive: (datagram: Uint8Array) => void): void {
    this.#receiveDatagram = receive;
  }

  sendDatagram(datagram: Uint8Array, done: (isTaken: boolean) => void): void {
    this.datagrams.push(datagram.slice());
    this.#waitingDatagrams.push(done);
    if (this.hasRoom) queueMicrotask(() => this.release());
  }

  close(code: number, reason: string): void {
    if (this.closedWith !== undefined) return;
    this.closedWith = { code, reason };
    this.end(0, "");
  }

  #source(id: number): FakeSource {
    const source = new FakeSource(id, this.#chunkSize);
    this.#sources.push(source);
    return source;
  }
}

/** An endpoint to which the test connects. */
export class FakeEndpoint implements QuicEndpoint {
  readonly address: QuicAddress = { hostname: "192.0.2.2", port: 443 };
  readonly #incoming = new Channel<QuicIncoming>();
  isClosed = false;
  refused = 0;

  connect(connection: FakeConnection): void {
    this.#incoming.push({
      accept: () => connection,
      refuse: () => {
        this.refused++;
      },
    });
  }

  /** A client that is gone before it is accepted. */
  connectAndVanish(): void {
    this.#incoming.push({ accept: () => undefined, refuse: () => undefined });
  }

  incoming(): Promise<QuicIncoming | undefined> {
    return this.#incoming.next();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#incoming.end();
  }
}
