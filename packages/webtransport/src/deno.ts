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
} from "./quic.ts";
import type { Timers } from "./timers.ts";

/** A certificate chain and its key as PEM text. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface DenoEndpointOptions extends Certificate {
  /** Address to bind to. */
  readonly hostname: string;
  /** UDP port; 0 for any that is free. */
  readonly port: number;
  /** Milliseconds without a packet after which a client is gone. Default 10,000. */
  readonly maxIdleTimeoutMs?: number;
  /** Milliseconds of silence after which a sign of life is sent. Default 3,000. */
  readonly keepAliveIntervalMs?: number;
  /** Streams of each kind that a client may have open. Default 100. */
  readonly maxStreams?: number;
}

/** Milliseconds that packets need to leave the socket before the process may end. */
const FLUSH_MS = 50;

export const denoTimers: Timers = {
  setTimeout(callback, delayMs) {
    return setTimeout(callback, delayMs);
  },
  clearTimeout(timer) {
    clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};

/** The QUIC port over `Deno.QuicEndpoint`, which needs `--unstable-net`. */
export class DenoEndpoint implements QuicEndpoint {
  readonly #endpoint: Deno.QuicEndpoint;
  readonly #options: DenoEndpointOptions;
  /** All that there ever were: one that is collected stops the whole endpoint. */
  readonly #listeners: Deno.QuicListener[] = [];
  readonly #first: Deno.QuicListener;

  constructor(options: DenoEndpointOptions) {
    this.#options = options;
    this.#endpoint = new Deno.QuicEndpoint({ hostname: options.hostname, port: options.port });
    this.#first = this.#listen(options);
  }

  get address(): QuicAddress {
    return this.#endpoint.addr;
  }

  /** From now on clients get this certificate; those that are connected stay. */
  renewCertificate(certificate: Certificate): void {
    this.#listen(certificate);
  }

  async incoming(): Promise<QuicIncoming | undefined> {
    try {
      return new DenoIncoming(await this.#first.incoming());
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#endpoint.close();
    await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
  }

  #listen({ cert, key }: Certificate): Deno.QuicListener {
    const {
      maxIdleTimeoutMs = 10_000,
      keepAliveIntervalMs = 3_000,
      maxStreams = 100,
    } = this.#options;
    const listener = this.#endpoint.listen({
      cert,
      key,
      alpnProtocols: ["h3"],
      maxIdleTimeout: maxIdleTimeoutMs,
      keepAliveInterval: keepAliveIntervalMs,
      maxConcurrentBidirectionalStreams: maxStreams,
      maxConcurrentUnidirectionalStreams: maxStreams,
    });
    this.#listeners.push(listener);
    return listener;
  }
}

interface Result<T> {
  readonly done: boolean;
  readonly value?: T | undefined;
}

interface Reader<T> {
  read(): Promise<Result<T>>;
}

class DenoIncoming implements QuicIncoming {
  readonly #incoming: Deno.QuicIncoming;

  constructor(incoming: Deno.QuicIncoming) {
    this.#incoming = incoming;
  }

  accept(): QuicConnection | undefined {
    try {
      // Without other options, which would pin the certificate of the first listener. The address
      // is known only then: to ask the incoming connection for it would use it up.
      return new DenoConnection(this.#incoming.accept({ zeroRtt: true }));
    } catch {
      return undefined;
    }
  }

  refuse(): void {
    try {
      this.#incoming.refuse();
    } catch {
      // It has gone already.
    }
  }
}

class DenoConnection implements QuicConnection {
  readonly remoteAddress: QuicAddress;
  readonly handshake: Promise<void>;
  readonly closed: Promise<QuicClose>;
  readonly #connection: Deno.QuicConn;
  readonly #bidirectional: Reader<Deno.QuicBidirectionalStream>;
  readonly #unidirectional: Reader<Deno.QuicReceiveStream>;

  constructor(connection: Deno.QuicConn) {
    this.#connection = connection;
    this.remoteAddress = connection.remoteAddr;
    this.closed = connection.closed.then(
      ({ closeCode, reason }) => ({ code: closeCode, reason }),
      (error: unknown) => ({ code: 0, reason: String(error) }),
    );
    this.handshake = connection.handshake.catch(() => undefined);
    this.#bidirectional = connection.incomingBidirectionalStreams.getReader();
    this.#unidirectional = connection.incomingUnidirectionalStreams.getReader();
  }

  get maxDatagramSize(): number {
    return this.#connection.maxDatagramSize;
  }

  acceptBidirectional(): Promise<QuicBidirectionalStream | undefined> {
    return this.#bidirectional.read().then(acceptedBidirectional, nothing);
  }

  acceptUnidirectional(): Promise<QuicReceiveStream | undefined> {
    return this.#unidirectional.read().then(acceptedUnidirectional, nothing);
  }

  async openBidirectional(): Promise<QuicBidirectionalStream | undefined> {
    try {
      return bidirectional(await this.#connection.createBidirectionalStream());
    } catch {
      return undefined;
    }
  }

  async openUnidirectional(): Promise<QuicSendStream | undefined> {
    try {
      return new DenoSendStream(await this.#connection.createUnidirectionalStream());
    } catch {
      return undefined;
    }
  }

  receiveDatagrams(receive: (datagram: Uint8Array) => void): void {
    // Made once, and not with each datagram.
    const take = (datagram: Uint8Array): void => {
      receive(datagram);
      read();
    };
    // It rejects when the connection has ended.
    const read = (): void => void this.#connection.readDatagram().then(take, nothing);
    read();
  }

  sendDatagram(datagram: Uint8Array, done: (isTaken: boolean) => void): void {
    this.#connection.sendDatagram(datagram).then(
      () => done(true),
      () => done(false),
    );
  }

  close(code: number, reason: string): void {
    try {
      this.#connection.close({ closeCode: code, reason });
    } catch {
      // It has ended already.
    }
  }
}

class DenoReceiveStream implements QuicReceiveStream {
  readonly id: number;
  readonly #reader: ReadableStreamBYOBReader;

  constructor(stream: Deno.QuicReceiveStream) {
    this.id = Number(stream.id);
    // The other kind of reader takes 64 KB for each read.
    this.#reader = stream.getReader({ mode: "byob" });
  }

  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | StreamEnd> {
    return this.#reader.read(into).then(bytesRead, broken);
  }

  cancel(): void {
    this.#reader.cancel().catch(() => undefined);
  }
}

class DenoSendStream implements QuicSendStream {
  readonly id: number;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: Deno.QuicSendStream) {
    this.id = Number(stream.id);
    this.#writer = stream.getWriter();
    this.#writer.closed.catch(() => undefined);
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#writer.write(bytes);
      return true;
    } catch {
      return false;
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#writer.close();
    } catch {
      // The client wants no more, or has gone.
    }
  }
}

function bidirectional({
  readable,
  writable,
}: Deno.QuicBidirectionalStream): QuicBidirectionalStream {
  return { receive: new DenoReceiveStream(readable), send: new DenoSendStream(writable) };
}

// Functions of the module, and not closures or `async`: each session always waits for four of them.

function acceptedBidirectional({
  value,
}: Result<Deno.QuicBidirectionalStream>): QuicBidirectionalStream | undefined {
  try {
    return value && bidirectional(value);
  } catch {
    // Its connection has ended meanwhile: the stream is closed, and has no id any more.
    return undefined;
  }
}

function acceptedUnidirectional({
  value,
}: Result<Deno.QuicReceiveStream>): QuicReceiveStream | undefined {
  try {
    return value && new DenoReceiveStream(value);
  } catch {
    return undefined;
  }
}

function nothing(): undefined {}

function bytesRead({
  done,
  value,
}: Result<Uint8Array<ArrayBuffer>>): Uint8Array<ArrayBuffer> | StreamEnd {
  return done || value === undefined ? "finished" : value;
}

function broken(): StreamEnd {
  return "reset";
}
