import type { TimerHandle } from "@starling/core/ports.ts";
import { SessionStream } from "@starling/core/sessions/session-stream.ts";
import { closeCatalogue } from "@starling/protocol/close-codes.ts";
import { MAX_DATAGRAM_BYTES, splitMessages } from "@starling/protocol/signalling/datagrams.ts";
import { EarlyDatagrams } from "@starling/webtransport/early-datagrams.ts";
import type { BidirectionalStream } from "@starling/webtransport/streams.ts";
import { MessageReader } from "./message-reader.ts";
import type { Outgoing } from "./outgoing.ts";
import { SessionSocket, type SocketContext, type SocketOptions } from "./session-socket.ts";

/** Bytes that are read at once. */
const READ_BYTES = 1_024;
/** RFC 6455 section 7.4.1, which WebSocket clients get too. */
const NORMAL_CLOSURE = 1000;
const MESSAGE_TOO_BIG = 1009;

type Stream = Pick<BidirectionalStream, "receive" | "send">;

/**
 * A session of a client of version 2: it opens one stream for messages of any size, and what may be
 * lost comes and goes as datagrams, several messages in one where there are several.
 */
export class StreamSocket extends SessionSocket {
  /** Once the client has opened it. */
  #stream: SessionStream | undefined;
  /** From before the stream, which they may overtake. */
  readonly #early = new EarlyDatagrams();
  #openTimer: TimerHandle | undefined;

  constructor(options: SocketOptions, context: SocketContext) {
    super(options, context, context.batches);
    const { session, handler } = options;
    const { code, reason } = closeCatalogue.authentication_timeout;
    this.#openTimer = context.clock.setTimeout(
      () => session.close({ closeCode: code, reason }),
      context.openTimeoutMs,
    );
    session.events = {
      datagram: (datagram) => this.#received(datagram),
      bidirectionalStream: (stream) => this.#open(stream),
      unidirectionalStream: (stream) => stream.cancel(),
      closed: ({ closeCode }) => {
        this.#stopOpenTimer();
        context.counters.datagramsEarly += this.#early.takeAll().length;
        if (this.#stream === undefined) return;
        this.#stream.ended();
        handler.closed(this, closeCode);
      },
    };
  }

  enqueue(message: Outgoing, mayBeLost: boolean): number {
    const stream = this.#stream;
    if (stream === undefined || stream.isEnding) return 0;
    if (mayBeLost && message.length <= MAX_DATAGRAM_BYTES) {
      this.putDatagram(message);
      return 1;
    }
    if (stream.bytes > this.context.slowConsumerBytes) return 0;
    stream.push(message.framed);
    return stream.isBusy ? -1 : message.length;
  }

  getBufferedAmount(): number {
    return this.#stream?.bytes ?? 0;
  }

  /** What waits is written first, and the client has a moment to read it. */
  close(closeCode: number, reason: string): void {
    if (this.#stream !== undefined) this.#stream.close(closeCode, reason);
    else this.session.close({ closeCode, reason });
  }

  #received(datagram: Uint8Array): void {
    this.datagrams.heard();
    if (this.#stream !== undefined) splitMessages(datagram, this.#message);
    else if (!this.#early.keep(datagram)) this.context.counters.datagramsEarly++;
  }

  readonly #message = (message: Uint8Array): void => {
    if (this.#stream?.isEnding === false) this.handler.message(this, message);
  };

  #open({ receive, send }: Stream): void {
    if (this.#stream !== undefined) {
      receive.cancel();
      void send.finish();
      return;
    }
    this.#stopOpenTimer();
    const stream = new SessionStream({
      clock: this.context.clock,
      pacer: this.context.pacer,
      session: this.session,
      stream: send,
      drained: () => this.handler.drained(this),
    });
    this.#stream = stream;
    this.handler.opened(this);
    for (const datagram of this.#early.takeAll()) splitMessages(datagram, this.#message);
    void this.#read(receive, stream);
  }

  async #read(receive: Stream["receive"], stream: SessionStream): Promise<void> {
    const messages = new MessageReader(this.context.maxMessageBytes, this.#message);
    let bytes = await receive.read(new Uint8Array(READ_BYTES));
    while (typeof bytes !== "string") {
      this.datagrams.heard();
      if (!stream.isEnding && !messages.push(bytes)) {
        stream.close(MESSAGE_TOO_BIG, "message too big");
      }
      bytes = await receive.read(new Uint8Array(bytes.buffer));
    }
    // The client has read everything, or wants no more of it.
    stream.close(NORMAL_CLOSURE, "");
    stream.finished();
  }

  #stopOpenTimer(): void {
    if (this.#openTimer !== undefined) this.context.clock.clearTimeout(this.#openTimer);
    this.#openTimer = undefined;
  }
}
