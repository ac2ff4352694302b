import { type CloseName, closeCatalogue } from "@starling/protocol/close-codes.ts";
import type { Counters } from "../../hub/counters.ts";
import { DeadlineQueue } from "../../limits/deadline-queue.ts";
import type { Clock, Fanout, Log } from "../../ports.ts";
import type { StreamSession } from "../session-stream.ts";
import type { SocketHandler } from "../socket-handler.ts";
import type { OutgoingStream, Pacer } from "../stream-outbox.ts";
import { PacketType } from "./packets.ts";
import { UPGRADE_TIMEOUT_MS } from "./session.ts";
import { FrameEncoder, FrameReader } from "./stream-frames.ts";
import { type StreamContext, StreamSocket } from "./stream-socket.ts";
import { StreamTopics } from "./stream-topics.ts";

/** The side of a stream that the client writes. */
export interface IncomingStream {
  /** Reads at least one byte into `into`, whose memory the answer lies in. Never rejects. */
  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | "finished" | "reset">;
  /** Wants no more. */
  cancel(): void;
}

/** A stream of both directions that the client opened. */
export interface TwoWayStream {
  readonly receive: IncomingStream;
  readonly send: OutgoingStream;
}

/** What happens in a session, to be set as its events. */
export interface StreamEvents {
  bidirectionalStream(stream: TwoWayStream): void;
  unidirectionalStream(stream: IncomingStream): void;
  datagram(): void;
  closed(end: { readonly closeCode: number; readonly isClean: boolean }): void;
}

export interface EngineStreamsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly pacer: Pacer;
  /** Bytes of the largest message a client may send. */
  readonly maxPayloadBytes: number;
  /** Bytes that may wait for one client before it is cut. */
  readonly slowConsumerBytes: number;
}

/** Bytes that are read at once from a client that sends small messages, and from one that does not. */
const READ_BYTES = 512;
const MAX_READ_BYTES = 16_384;

/** The WebSocket code for a link that was lost without a word (RFC 6455, section 7.1.5). */
const LOST = 1006;

/**
 * Engine.IO over WebTransport: the client opens one stream, and both sides send packets over it.
 *
 * The hub and the `EngineServer` must publish to `fanout`, too. A request for the path of the clients,
 * whose query the stock client leaves empty, is served by
 *
 *     const admission = await engine.admitStream(handshake);
 *     if ("refusal" in admission) return request.reject(admission.refusal.status);
 *     const session = request.accept();
 *     if (session !== undefined) session.events = streams.serve(session, admission.handler);
 *
 * Source: Engine.IO protocol, revision 4, "WebTransport" (github.com/socketio/engine.io-protocol).
 */
export class EngineStreams {
  readonly #options: EngineStreamsOptions;
  readonly #topics = new StreamTopics();
  readonly #context: StreamContext;
  /** Sessions whose clients have not sent the open packet. */
  readonly #silent: DeadlineQueue<EngineStream>;

  constructor(options: EngineStreamsOptions) {
    const { clock, counters, pacer, slowConsumerBytes } = options;
    this.#options = options;
    const encoder = new FrameEncoder();
    this.#context = { clock, pacer, slowConsumerBytes, encoder, topics: this.#topics };
    this.#silent = new DeadlineQueue(clock, UPGRADE_TIMEOUT_MS, (stream) => {
      counters.authenticationTimeouts++;
      stream.end("authentication_timeout");
    });
  }

  /** Reaches the sockets of the sessions that are served here. */
  get fanout(): Fanout & Pick<StreamTopics, "has" | "size"> {
    return this.#topics;
  }

  /** Sessions whose clients have not sent the open packet. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Lets the handler have the stream that the client opens in the session. */
  serve(session: StreamSession, handler: SocketHandler): StreamEvents {
    const stream = new EngineStream(session, handler, this.#options, this.#context, () =>
      this.#silent.remove(stream),
    );
    this.#silent.add(stream);
    return stream;
  }
}

/** The one stream of a session. */
class EngineStream implements StreamEvents {
  readonly #session: StreamSession;
  readonly #handler: SocketHandler;
  readonly #options: EngineStreamsOptions;
  readonly #context: StreamContext;
  /** The client has sent its first packet, or never will. */
  readonly #spoke: () => void;
  #socket: StreamSocket | undefined;
  /** Whether the client has sent the open packet. */
  #isOpen = false;
  #isOver = false;

  constructor(
    session: StreamSession,
    handler: SocketHandler,
    options: EngineStreamsOptions,
    context: StreamContext,
    spoke: () => void,
  ) {
    this.#session = session;
    this.#handler = handler;
    this.#options = options;
    this.#context = context;
    this.#spoke = spoke;
  }

  // The session

  bidirectionalStream({ receive, send }: TwoWayStream): void {
    if (this.#isOver || this.#socket !== undefined) {
      receive.cancel();
      void send.finish();
      return;
    }
    const socket = new StreamSocket(this.#context, this.#session, send, () =>
      this.#handler.drained(socket),
    );
    this.#socket = socket;
    this.#read(receive, socket).catch((error: unknown) => {
      this.#options.log.warn({ error }, "a packet could not be handled");
      this.end("internal_error");
    });
  }

  unidirectionalStream(stream: IncomingStream): void {
    stream.cancel();
  }

  /** There are none in this protocol. */
  datagram(): void {}

  closed({ closeCode, isClean }: { readonly closeCode: number; readonly isClean: boolean }): void {
    this.#socket?.ended();
    this.#leave(isClean ? closeCode : LOST);
  }

  /** Ends the session, and does not wait until the client has answered that. */
  end(reason: CloseName): void {
    const { code, reason: text } = closeCatalogue[reason];
    if (this.#socket !== undefined) this.#socket.close(code, text);
    else this.#session.close({ closeCode: code, reason: text });
    this.#leave(code);
  }

  // The stream

  async #read(receive: IncomingStream, socket: StreamSocket): Promise<void> {
    const reader = new FrameReader(this.#options.maxPayloadBytes, (message) =>
      this.#message(socket, message),
    );
    let room = new Uint8Array(READ_BYTES);
    for (;;) {
      const bytes = await receive.read(room);
      if (this.#isOver) return;
      if (typeof bytes === "string") {
        // The stock client ends its stream only with its session.
        socket.finished();
        this.#leave(LOST);
        return;
      }
      if (!reader.push(bytes)) {
        if (this.#isOver) return;
        this.#options.counters.malformedPackets++;
        this.end("malformed_packet");
        return;
      }
      const wanted = Math.min(Math.max(READ_BYTES, reader.missing), MAX_READ_BYTES);
      const { buffer } = bytes;
      room = buffer.byteLength === wanted ? new Uint8Array(buffer) : new Uint8Array(wanted);
    }
  }

  /** Answers whether the session goes on. */
  #message(socket: StreamSocket, message: string | Uint8Array): boolean {
    if (this.#isOpen) {
      this.#handler.message(socket, message);
      return !this.#isOver;
    }
    // With an id behind it, it would be a session of another transport that is to move here.
    if (message !== PacketType.open) return false;
    this.#isOpen = true;
    this.#spoke();
    this.#handler.opened(socket);
    return true;
  }

  /** Nothing more comes of the client. */
  #leave(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#spoke();
    if (this.#isOpen && this.#socket !== undefined) this.#handler.closed(this.#socket, code);
  }
}
