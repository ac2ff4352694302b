import { closeCatalogue } from "@starling/protocol/close-codes.ts";
import type { Counters } from "../../hub/counters.ts";
import { DeadlineQueue } from "../../limits/deadline-queue.ts";
import type { Clock } from "../../ports.ts";
import type { SocketHandler } from "../socket-handler.ts";
import { PacketType } from "./packets.ts";
import { UPGRADE_TIMEOUT_MS } from "./session.ts";
import { FrameEncoder, FrameReader } from "./stream-frames.ts";
import type { OutgoingStream } from "./stream-outbox.ts";
import { StreamSocket, type Topics } from "./stream-socket.ts";

/** A session that carries streams; its shape is that of @starling/webtransport. */
export interface StreamSession {
  close(info: { readonly closeCode: number; readonly reason: string }): void;
}

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
  readonly send: OutgoingStream & { finish(): Promise<void> };
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
  readonly counters: Counters;
  /** The same that `EngineServerOptions.fanout` publishes to. */
  readonly topics: Topics;
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
 * To be used for a request whose query says `transport=webtransport`:
 *
 *     const admission = await engine.admitSocket(handshake, "webtransport");
 *     if ("refusal" in admission) return request.reject(admission.refusal.status);
 *     const session = request.accept();
 *     if (session !== undefined) session.events = streams.serve(session, admission.handler);
 *
 * Source: Engine.IO protocol, revision 4, "WebTransport" (github.com/socketio/engine.io-protocol).
 */
export class EngineStreams {
  readonly #options: EngineStreamsOptions;
  readonly #encoder = new FrameEncoder();
  /** Sessions whose clients have not sent the open packet. */
  readonly #silent: DeadlineQueue<EngineStream>;

  constructor(options: EngineStreamsOptions) {
    this.#options = options;
    this.#silent = new DeadlineQueue(options.clock, UPGRADE_TIMEOUT_MS, (stream) => {
      options.counters.authenticationTimeouts++;
      stream.end("authentication_timeout");
    });
  }

  /** Sessions whose clients have not sent the open packet. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Lets the handler have the stream that the client opens in the session. */
  serve(session: StreamSession, handler: SocketHandler): StreamEvents {
    const stream = new EngineStream({
      ...this.#options,
      session,
      handler,
      encoder: this.#encoder,
      spoke: () => this.#silent.remove(stream),
    });
    this.#silent.add(stream);
    return stream;
  }
}

interface EngineStreamOptions extends EngineStreamsOptions {
  readonly session: StreamSession;
  readonly handler: SocketHandler;
  readonly encoder: FrameEncoder;
  /** The client has sent its first packet, or never will. */
  spoke(): void;
}

/** The one stream of a session. */
class EngineStream implements StreamEvents {
  readonly #options: EngineStreamOptions;
  #socket: StreamSocket | undefined;
  /** Whether the client has sent the open packet. */
  #isOpen = false;
  #isOver = false;

  constructor(options: EngineStreamOptions) {
    this.#options = options;
  }

  // The session

  bidirectionalStream({ receive, send }: TwoWayStream): void {
    if (this.#isOver || this.#socket !== undefined) {
      receive.cancel();
      void send.finish();
      return;
    }
    const { session, handler } = this.#options;
    const socket = new StreamSocket({
      ...this.#options,
      stream: send,
      end: (closeCode, reason) => session.close({ closeCode, reason }),
      drained: () => handler.drained(socket),
    });
    this.#socket = socket;
    void this.#read(receive, socket);
  }

  unidirectionalStream(stream: IncomingStream): void {
    stream.cancel();
  }

  /** There are none in this protocol. */
  datagram(): void {}

  closed({ closeCode, isClean }: { readonly closeCode: number; readonly isClean: boolean }): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.spoke();
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.closed();
    if (this.#isOpen) this.#options.handler.closed(socket, isClean ? closeCode : LOST);
  }

  /** Ends the session by a close of the catalogue, although the client has not opened it. */
  end(reason: "authentication_timeout" | "malformed_packet"): void {
    const { code, reason: text } = closeCatalogue[reason];
    this.#options.spoke();
    if (this.#socket !== undefined) this.#socket.close(code, text);
    else this.#options.session.close({ closeCode: code, reason: text });
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
        socket.close(0, "");
        return;
      }
      if (!reader.push(bytes)) {
        if (!this.#isOver) this.#malformed();
        return;
      }
      const wanted = Math.min(Math.max(READ_BYTES, reader.missing), MAX_READ_BYTES);
      room = new Uint8Array(wanted === bytes.buffer.byteLength ? bytes.buffer : wanted);
    }
  }

  /** Answers whether the session goes on. */
  #message(socket: StreamSocket, message: string | Uint8Array): boolean {
    const { handler, spoke } = this.#options;
    if (this.#isOpen) {
      handler.message(socket, message);
      return !this.#isOver;
    }
    // With an id behind it, it would be a session of another transport that is to move here.
    if (message !== PacketType.open) return false;
    this.#isOpen = true;
    spoke();
    handler.opened(socket);
    return true;
  }

  #malformed(): void {
    this.#options.counters.malformedPackets++;
    this.end("malformed_packet");
  }
}
