import { TURN_BYTES } from "../../limits/connection-limits.ts";
import type { Clock, MessageSocket, TimerHandle } from "../../ports.ts";
import type { FrameEncoder } from "./stream-frames.ts";
import { type OutgoingStream, StreamOutbox } from "./stream-outbox.ts";

/** Who is in which topic, where the runtime has none of its own. */
export interface Topics {
  join(topic: string, socket: MessageSocket): void;
  leave(topic: string, socket: MessageSocket): void;
  /** As `Fanout.publish`, to everybody but `except`. */
  publish(topic: string, message: string | Uint8Array, except: MessageSocket): number;
}

export interface StreamSocketOptions {
  readonly stream: OutgoingStream;
  readonly encoder: FrameEncoder;
  readonly topics: Topics;
  readonly clock: Clock;
  /** Bytes that may wait for one client before it is cut. */
  readonly slowConsumerBytes: number;
  /** Ends the session with a code and a reason; what the stream has not sent is lost. */
  end(code: number, reason: string): void;
  /** What waited has left. */
  drained(): void;
}

/**
 * Bytes under way in the transport that do not count as waiting, as those in the kernel's buffer do
 * not over TCP: each write takes a turn of the event loop, however fast the client reads.
 */
const TRANSPORT_BYTES = 16_384;

/** How long what was sent may take to leave before the session is ended all the same. */
const FLUSH_MS = 5_000;

/** Messages over one stream of bytes. */
export class StreamSocket implements MessageSocket {
  readonly #options: StreamSocketOptions;
  readonly #outbox: StreamOutbox;
  /** Whether somebody was told that messages wait. */
  #isLagging = false;
  #end: { readonly code: number; readonly reason: string } | undefined;
  #isOver = false;
  #timer: TimerHandle | undefined;

  constructor(options: StreamSocketOptions) {
    this.#options = options;
    this.#outbox = new StreamOutbox(options.stream, () => this.#emptied());
  }

  send(message: string | Uint8Array): number {
    if (this.#end !== undefined) return 0;
    const { encoder, slowConsumerBytes } = this.#options;
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
    if (this.#end === undefined) this.#options.topics.join(topic, this);
  }

  unsubscribe(topic: string): void {
    this.#options.topics.leave(topic, this);
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.#end === undefined ? this.#options.topics.publish(topic, message, this) : 0;
  }

  /** A stream has no pings below those of the protocol that it carries. */
  ping(): number {
    return 0;
  }

  /** Ends the session once everything that was sent has left. */
  close(code: number, reason: string): void {
    if (this.#end !== undefined) return;
    this.#end = { code, reason };
    if (this.#outbox.bytes === 0) this.#finish();
    else this.#timer = this.#options.clock.setTimeout(() => this.#finish(), FLUSH_MS);
  }

  terminate(): void {
    this.#end ??= { code: 0, reason: "" };
    this.#finish();
  }

  /** The session is over, whoever ended it. */
  closed(): void {
    this.#end ??= { code: 0, reason: "" };
    this.#isOver = true;
    this.#outbox.end();
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #emptied(): void {
    if (this.#end !== undefined) {
      this.#finish();
    } else if (this.#isLagging) {
      this.#isLagging = false;
      this.#options.drained();
    }
  }

  #finish(): void {
    if (this.#isOver || this.#end === undefined) return;
    const { code, reason } = this.#end;
    this.closed();
    this.#options.end(code, reason);
  }
}
