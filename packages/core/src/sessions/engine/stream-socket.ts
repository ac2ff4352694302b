import { TURN_BYTES } from "../../limits/connection-limits.ts";
import type { Clock, MessageSocket, TimerHandle } from "../../ports.ts";
import type { FrameEncoder } from "./stream-frames.ts";
import { type OutgoingStream, type Pacer, StreamOutbox } from "./stream-outbox.ts";
import type { StreamTopics } from "./stream-topics.ts";

/** A session that carries streams; its shape is that of @starling/webtransport. */
export interface StreamSession {
  /** Tells the client; what its streams have not sent may be lost. */
  close(info: { readonly closeCode: number; readonly reason: string }): void;
  /** Breaks the connection off. */
  terminate(): void;
}

/** What the sockets of a worker share. */
export interface StreamContext {
  readonly clock: Clock;
  readonly pacer: Pacer;
  readonly topics: StreamTopics;
  readonly encoder: FrameEncoder;
  /** Bytes that may wait for one client before it is cut. */
  readonly slowConsumerBytes: number;
}

/**
 * Bytes under way in the transport that do not count as waiting, as those in the kernel's buffer do
 * not over TCP: each write takes a turn of the event loop, however fast the client reads.
 */
const TRANSPORT_BYTES = 16_384;

/** How long what was sent may take to leave before the session is ended all the same. */
const FLUSH_MS = 5_000;
/** How long the client has to read the last of its stream, which ends with its session. */
const LINGER_MS = 500;

/** Messages over one stream of bytes. */
export class StreamSocket implements MessageSocket {
  readonly #context: StreamContext;
  readonly #session: StreamSession;
  readonly #stream: OutgoingStream;
  readonly #outbox: StreamOutbox;
  readonly #drained: () => void;
  /** Whether somebody was told that messages wait. */
  #isLagging = false;
  /** How the session ends; from then on nothing more is sent. */
  #ending: { readonly closeCode: number; readonly reason: string } | undefined;
  #timer: TimerHandle | undefined;

  /** @param drained is told when what waited has left */
  constructor(
    context: StreamContext,
    session: StreamSession,
    stream: OutgoingStream,
    drained: () => void,
  ) {
    this.#context = context;
    this.#session = session;
    this.#stream = stream;
    this.#drained = drained;
    this.#outbox = new StreamOutbox(stream, context.pacer, (isTaken) => this.#emptied(isTaken));
  }

  send(message: string | Uint8Array): number {
    if (this.#ending !== undefined) return 0;
    const { encoder, slowConsumerBytes } = this.#context;
    if (this.#outbox.bytes > slowConsumerBytes + TURN_BYTES) {
      this.#isLagging = true;
      return 0;
    }
    const frame = encoder.encode(message);
    this.#outbox.push(frame);
    if (this.getBufferedAmount() === 0) return frame.length;
    this.#isLagging = true;
    return -1;
  }

  getBufferedAmount(): number {
    return Math.max(0, this.#outbox.bytes - TRANSPORT_BYTES);
  }

  subscribe(topic: string): void {
    if (this.#ending === undefined) this.#context.topics.join(topic, this);
  }

  unsubscribe(topic: string): void {
    this.#context.topics.leave(topic, this);
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.#ending === undefined ? this.#context.topics.publish(topic, message, this) : 0;
  }

  /** A stream has no pings below those of the protocol that it carries. */
  ping(): number {
    return 0;
  }

  /** Ends the session once everything that was sent has left and the client had time to read it. */
  close(closeCode: number, reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = { closeCode, reason };
    if (this.#outbox.bytes > 0) this.#endAfter(FLUSH_MS);
    else this.#linger();
  }

  terminate(): void {
    this.ended();
    this.#session.terminate();
  }

  /** The client writes no more: it has read everything, or has gone without a word. */
  finished(): void {
    if (this.#ending === undefined) this.terminate();
    else this.#endNow();
  }

  /** The session is over, whoever ended it. */
  ended(): void {
    this.#ending ??= { closeCode: 0, reason: "" };
    this.#outbox.end();
    this.#stopTimer();
  }

  #emptied(isTaken: boolean): void {
    if (!isTaken) {
      this.terminate();
    } else if (this.#ending !== undefined) {
      this.#linger();
    } else if (this.#isLagging) {
      this.#isLagging = false;
      this.#drained();
    }
  }

  #linger(): void {
    void this.#stream.finish();
    this.#endAfter(LINGER_MS);
  }

  #endAfter(delayMs: number): void {
    this.#stopTimer();
    this.#timer = this.#context.clock.setTimeout(() => this.#endNow(), delayMs);
  }

  #endNow(): void {
    this.ended();
    if (this.#ending !== undefined) this.#session.close(this.#ending);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#context.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
