import { type CapsuleHandler, encodeClose, encodeDrain } from "./capsules.ts";
import type { Counters } from "./counters.ts";
import { type DatagramOutcome, Datagrams, type SharedDatagram } from "./datagrams.ts";
import { FrameType, StreamType } from "./http3/frames.ts";
import { IncomingQueue } from "./incoming-queue.ts";
import type {
  QuicBidirectionalStream,
  QuicConnection,
  QuicReceiveStream,
  QuicSendStream,
} from "./quic.ts";
import { concatenate } from "./records.ts";
import { BidirectionalStream, OpenStreams, ReceiveStream, SendStream } from "./streams.ts";
import { encodeVarint } from "./varint.ts";

/** With what a session ends; 0 and no text where nothing else is said. */
export interface CloseInfo {
  /** 32 bits, whose meaning is the application's. */
  readonly closeCode: number;
  /** At most 1,024 bytes of UTF-8. */
  readonly reason: string;
}

/** How a session ended. */
export interface SessionEnd extends CloseInfo {
  /** Whether both sides took part in it; false where the client vanished or broke the rules. */
  readonly isClean: boolean;
}

/**
 * What happens in a session, told at once: cheaper than promises and web streams. Those that are
 * missing go to the web streams. What they throw ends the connection and is reported.
 */
export interface SessionEvents {
  /** The bytes are the listener's. */
  datagram?(datagram: Uint8Array): void;
  bidirectionalStream?(stream: BidirectionalStream): void;
  unidirectionalStream?(stream: ReceiveStream): void;
  /** The client asks to bring the session to an end. */
  draining?(): void;
  /** Once, whoever ended it, when nothing more will come. */
  closed?(end: SessionEnd): void;
}

/** What a session needs of its connection. */
export interface SessionLink {
  readonly quic: QuicConnection;
  /** The stream that carried the request. */
  readonly connect: QuicSendStream;
  readonly takesDatagrams: boolean;
  readonly maxPendingDatagrams: number;
  readonly maxWaitingStreams: number;
  readonly counters: Counters;
  /** The server has begun to end the session, and the client has to answer. */
  closing(): void;
}

/**
 * One WebTransport session, in the shape of the W3C's `WebTransport`. Unlike there nothing rejects
 * because of what the client does, so that no client can cause an unhandled rejection.
 */
export class WebTransportSession implements CapsuleHandler {
  readonly datagrams: Datagrams;
  readonly #link: SessionLink;
  readonly #streams = new OpenStreams();
  readonly #bidirectional: IncomingQueue<BidirectionalStream>;
  readonly #unidirectional: IncomingQueue<ReceiveStream>;
  #events: SessionEvents | undefined;
  #state: "open" | "closing" | "closed" = "open";
  #info: CloseInfo = { closeCode: 0, reason: "" };
  #end: SessionEnd | undefined;
  #isDraining = false;
  #closed: PromiseWithResolvers<SessionEnd> | undefined;
  #draining: PromiseWithResolvers<void> | undefined;

  /** @internal */
  constructor(link: SessionLink) {
    this.#link = link;
    const { quic, counters, takesDatagrams, maxPendingDatagrams, maxWaitingStreams } = link;
    this.datagrams = new Datagrams({
      quic,
      session: link.connect.id,
      isEnabled: takesDatagrams,
      maxPending: maxPendingDatagrams,
      counters,
    });
    this.#bidirectional = new IncomingQueue(maxWaitingStreams, "newest", (stream) => {
      counters.streamsDropped++;
      stream.receive.cancel();
      ignore(stream.send.finish());
    });
    this.#unidirectional = new IncomingQueue(maxWaitingStreams, "newest", (stream) => {
      counters.streamsDropped++;
      stream.cancel();
    });
  }

  /** The session's id: that of its CONNECT stream. */
  get id(): number {
    return this.#link.connect.id;
  }

  /** Settled from the beginning: an accepted session is ready. */
  get ready(): Promise<void> {
    return Promise.resolve();
  }

  /** Resolves when the session has ended, however that was. */
  get closed(): Promise<SessionEnd> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      if (this.#end !== undefined) this.#closed.resolve(this.#end);
    }
    return this.#closed.promise;
  }

  /** Resolves when the client asks to bring the session to an end. */
  get draining(): Promise<void> {
    if (this.#draining === undefined) {
      this.#draining = Promise.withResolvers();
      if (this.#isDraining) this.#draining.resolve();
    }
    return this.#draining.promise;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** @internal Whether the server has ended it, and the client has not answered. */
  get isClosing(): boolean {
    return this.#state === "closing";
  }

  /** Streams that have not ended, each direction for itself. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Who is told from now on; what waits is told first, before this returns. */
  set events(events: SessionEvents) {
    this.#events = events;
    this.datagrams.listener = events.datagram?.bind(events);
    this.#bidirectional.listener = events.bidirectionalStream?.bind(events);
    this.#unidirectional.listener = events.unidirectionalStream?.bind(events);
    if (this.#end !== undefined) events.closed?.(this.#end);
  }

  /** The same as `datagrams.send`. */
  sendDatagram(datagram: Uint8Array | SharedDatagram): DatagramOutcome {
    return this.datagrams.send(datagram);
  }

  /** Streams of the client; those that the listener got do not come here. */
  get incomingBidirectionalStreams(): ReadableStream<BidirectionalStream> {
    return this.#bidirectional.readable;
  }

  get incomingUnidirectionalStreams(): ReadableStream<ReceiveStream> {
    return this.#unidirectional.readable;
  }

  /** Opens a stream; undefined where the client allows no more now, or the session is over. */
  async createBidirectionalStream(): Promise<BidirectionalStream | undefined> {
    if (!this.isOpen) return undefined;
    const stream = await this.#link.quic.openBidirectional();
    if (stream === undefined) return undefined;
    this.#writeStart(stream.send, FrameType.WEBTRANSPORT_STREAM);
    const both = this.#bidirectionalStream(stream, undefined);
    if (!this.isOpen) this.#streams.abandon();
    return both;
  }

  /** Opens a stream that only the server writes; undefined as above. */
  async createUnidirectionalStream(): Promise<SendStream | undefined> {
    if (!this.isOpen) return undefined;
    const quic = await this.#link.quic.openUnidirectional();
    if (quic === undefined) return undefined;
    this.#writeStart(quic, StreamType.WEBTRANSPORT);
    const stream = new SendStream(quic, this.#streams);
    if (!this.isOpen) this.#streams.abandon();
    return stream;
  }

  /** Asks the client to bring the session to an end. */
  drain(): void {
    if (this.isOpen) ignore(this.#link.connect.write(encodeDrain()));
  }

  /**
   * Ends the session. Nothing more is sent or received; `closed` follows when the client has
   * answered, or has not done so for too long.
   *
   * @param info a reason that is too long is cut off
   * @throws RangeError when the code is no number of 32 bits
   */
  close(info: Partial<CloseInfo> = {}): void {
    const { closeCode = 0, reason = "" } = info;
    if (closeCode !== closeCode >>> 0) throw new RangeError(`${closeCode} is no number of 32 bits`);
    if (!this.isOpen) return;
    this.#state = "closing";
    this.#info = { closeCode, reason };
    ignore(this.#link.connect.write(encodeClose(closeCode, reason)));
    this.#stop();
    this.#link.closing();
  }

  /** Breaks the connection off: the client sees it lost, and learns neither code nor reason. */
  terminate(): void {
    this.#link.quic.close(0, "");
  }

  /** @internal A stream of the client that belongs to the session. */
  receiveBidirectional(stream: QuicBidirectionalStream, early: Uint8Array | undefined): void {
    this.#bidirectional.push(this.#bidirectionalStream(stream, early));
  }

  /** @internal */
  receiveUnidirectional(stream: QuicReceiveStream, early: Uint8Array | undefined): void {
    this.#unidirectional.push(new ReceiveStream(stream, early, this.#streams));
  }

  /** @internal */
  receiveDatagram(payload: Uint8Array): void {
    this.datagrams.receive(payload);
  }

  /** @internal Of a capsule. */
  receiveDrain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#draining?.resolve();
    this.#events?.draining?.();
  }

  /** @internal The client has closed the session, or at least its side of the CONNECT stream. */
  receiveClose(closeCode: number, reason: string): void {
    if (this.isOpen) this.#info = { closeCode, reason };
    this.#finish(true);
  }

  /** @internal The connection has ended, or the client has broken off the CONNECT stream. */
  lost(reason: string): void {
    if (this.isOpen) this.#info = { closeCode: 0, reason };
    this.#finish(false);
  }

  #bidirectionalStream(
    { receive, send }: QuicBidirectionalStream,
    early: Uint8Array | undefined,
  ): BidirectionalStream {
    const incoming = new ReceiveStream(receive, early, this.#streams);
    return new BidirectionalStream(incoming, new SendStream(send, this.#streams));
  }

  #writeStart(stream: QuicSendStream, type: number): void {
    ignore(stream.write(concatenate([encodeVarint(type), encodeVarint(this.id)])));
  }

  /** Nothing more goes in or out, and the client is told by the end of the CONNECT stream. */
  #stop(): void {
    ignore(this.#link.connect.finish());
    this.datagrams.end();
    this.#bidirectional.end();
    this.#unidirectional.end();
    this.#streams.abandon();
  }

  #finish(isClean: boolean): void {
    if (this.#end !== undefined) return;
    if (this.isOpen) this.#stop();
    this.#state = "closed";
    this.#end = { ...this.#info, isClean };
    this.#closed?.resolve(this.#end);
    this.#events?.closed?.(this.#end);
  }
}

/** The port's promises never reject, and what they say comes again from elsewhere. */
function ignore(outcome: Promise<unknown>): void {
  void outcome;
}
