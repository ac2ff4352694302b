import type { TimerHandle } from "@starling/core/ports.ts";
import { closeCatalogue } from "@starling/protocol/close-codes.ts";
import type { BidirectionalStream } from "@starling/webtransport/streams.ts";
import { MAX_DATAGRAM_BYTES } from "./datagram-queue.ts";
import { MessageReader } from "./message-reader.ts";
import { LENGTH_BYTES, type Outgoing } from "./outgoing.ts";
import { SessionSocket, type SocketContext, type SocketOptions } from "./session-socket.ts";

/** Bytes that are read at once. */
const READ_BYTES = 1_024;
/** Messages that are written together, in bytes. */
const WRITE_BYTES = 65_536;
/** Milliseconds that a client has, when its session is closed, to read the last of its stream. */
const LINGER_MS = 500;
/** RFC 6455 section 7.4.1, which WebSocket clients get too. */
const NORMAL_CLOSURE = 1000;
const MESSAGE_TOO_BIG = 1009;

type Stream = Pick<BidirectionalStream, "receive" | "send">;

/**
 * A session of a client of version 2: it opens one stream for messages of any size, and what may be
 * lost comes and goes as datagrams.
 */
export class StreamSocket extends SessionSocket {
  #stream: Stream | undefined;
  /** Messages for the stream, and their bytes there. */
  #waiting: Outgoing[] = [];
  #waitingBytes = 0;
  /** Bytes that QUIC has been given and not yet taken; one write at a time. */
  #writingBytes = 0;
  /** How the session ends; from then on nothing more is sent or received. */
  #ending: { readonly closeCode: number; readonly reason: string } | undefined;
  #timer: TimerHandle | undefined;

  constructor(options: SocketOptions, context: SocketContext) {
    super(options, context);
    const { session, handler } = options;
    const { code, reason } = closeCatalogue.authentication_timeout;
    this.#timer = context.clock.setTimeout(
      () => session.close({ closeCode: code, reason }),
      context.openTimeoutMs,
    );
    session.events = {
      datagram: (datagram) => this.#received(datagram),
      bidirectionalStream: (stream) => this.#open(stream),
      unidirectionalStream: (stream) => stream.cancel(),
      closed: ({ closeCode }) => {
        this.#stopTimer();
        this.#forget();
        if (this.#stream !== undefined) handler.closed(this, closeCode);
      },
    };
  }

  enqueue(message: Outgoing, mayBeLost: boolean): number {
    if (this.#ending !== undefined) return 0;
    if (mayBeLost && message.length <= MAX_DATAGRAM_BYTES) {
      this.datagrams.put(message);
      this.schedule();
      return 1;
    }
    const buffered = this.getBufferedAmount();
    if (buffered > this.context.slowConsumerBytes) return 0;
    this.#waiting.push(message);
    this.#waitingBytes += LENGTH_BYTES + message.length;
    if (this.hasMore) this.schedule();
    return this.#writingBytes > 0 ? -1 : message.length;
  }

  getBufferedAmount(): number {
    return this.#waitingBytes + this.#writingBytes;
  }

  get hasMore(): boolean {
    return !this.datagrams.isEmpty || (this.#waiting.length > 0 && this.#writingBytes === 0);
  }

  /** What waits is written first, and the client has a moment to read it. */
  close(closeCode: number, reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = { closeCode, reason };
    this.#stopTimer();
    if (this.#stream === undefined) {
      this.#endSession();
      return;
    }
    this.#timer = this.context.clock.setTimeout(() => this.#endSession(), LINGER_MS);
    while (this.#waiting.length > 0) this.#write();
    void this.#stream.send.finish();
  }

  protected sendWaiting(): number {
    const datagrams = this.datagrams.flush();
    if (this.#waiting.length === 0 || this.#writingBytes > 0) return datagrams;
    return datagrams + this.#write();
  }

  #received(message: Uint8Array): void {
    this.datagrams.heard();
    if (this.#stream === undefined) this.context.counters.datagramsEarly++;
    else if (this.#ending === undefined) this.handler.message(this, message);
  }

  #open(stream: Stream): void {
    if (this.#stream !== undefined) {
      stream.receive.cancel();
      void stream.send.finish();
      return;
    }
    this.#stopTimer();
    this.#stream = stream;
    this.handler.opened(this);
    void this.#read(stream);
  }

  async #read({ receive }: Stream): Promise<void> {
    const { maxMessageBytes } = this.context;
    const messages = new MessageReader(maxMessageBytes, (message) => {
      if (this.#ending === undefined) this.handler.message(this, message);
    });
    let bytes = await receive.read(new Uint8Array(READ_BYTES));
    while (typeof bytes !== "string") {
      this.datagrams.heard();
      if (this.#ending === undefined && !messages.push(bytes)) {
        this.close(MESSAGE_TOO_BIG, "message too big");
      }
      bytes = await receive.read(new Uint8Array(bytes.buffer));
    }
    // The client has read everything, or wants no more of it.
    if (this.#ending === undefined) this.close(NORMAL_CLOSURE, "");
    this.#endSession();
  }

  /** Writes what waits, as far as it goes together; answers how many packets that will be. */
  #write(): number {
    const { send } = this.#stream ?? {};
    if (send === undefined) return 0;
    let [count, length] = [0, 0];
    for (const { framed } of this.#waiting) {
      if (count > 0 && length + framed.length > WRITE_BYTES) break;
      length += framed.length;
      count++;
    }
    const bytes = together(this.#waiting, count, length);
    this.#waiting = this.#waiting.slice(count);
    this.#waitingBytes -= bytes.length;
    this.#writingBytes += bytes.length;
    void send.write(bytes).then((isTaken) => this.#written(bytes.length, isTaken));
    return Math.ceil(bytes.length / MAX_DATAGRAM_BYTES);
  }

  #written(length: number, isTaken: boolean): void {
    this.#writingBytes -= length;
    if (!isTaken) this.#endSession();
    if (this.hasMore) this.schedule();
    if (this.getBufferedAmount() === 0) this.handler.drained(this);
  }

  #endSession(): void {
    this.#stopTimer();
    this.#forget();
    this.session.close(this.#ending ?? {});
  }

  #forget(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.context.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** The first of them in one piece; one alone is not copied. */
function together(messages: readonly Outgoing[], count: number, length: number): Uint8Array {
  const [first] = messages;
  if (count === 1 && first !== undefined) return first.framed;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { framed } of messages.slice(0, count)) {
    bytes.set(framed, at);
    at += framed.length;
  }
  return bytes;
}
