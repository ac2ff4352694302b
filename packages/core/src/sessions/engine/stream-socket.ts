import { TURN_BYTES } from "../../limits/connection-limits.ts";
import type { Clock, MessageSocket } from "../../ports.ts";
import { SessionStream, type StreamSession } from "../session-stream.ts";
import type { OutgoingStream, Pacer } from "../stream-outbox.ts";
import type { FrameEncoder } from "./stream-frames.ts";
import type { StreamTopics } from "./stream-topics.ts";

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

/** Messages over one stream of bytes. */
export class StreamSocket implements MessageSocket {
  readonly #context: StreamContext;
  readonly #stream: SessionStream;
  /** Whether somebody was told that messages wait. */
  #isLagging = false;

  /** @param drained is told when what waited has left */
  constructor(
    context: StreamContext,
    session: StreamSession,
    stream: OutgoingStream,
    drained: () => void,
  ) {
    this.#context = context;
    const { clock, pacer } = context;
    this.#stream = new SessionStream({
      clock,
      pacer,
      session,
      stream,
      drained: () => {
        if (!this.#isLagging) return;
        this.#isLagging = false;
        drained();
      },
    });
  }

  send(message: string | Uint8Array): number {
    if (this.#stream.isEnding) return 0;
    const { encoder, slowConsumerBytes } = this.#context;
    if (this.#stream.bytes > slowConsumerBytes + TURN_BYTES) {
      this.#isLagging = true;
      return 0;
    }
    const frame = encoder.encode(message);
    this.#stream.push(frame);
    if (this.getBufferedAmount() === 0) return frame.length;
    this.#isLagging = true;
    return -1;
  }

  getBufferedAmount(): number {
    return Math.max(0, this.#stream.bytes - TRANSPORT_BYTES);
  }

  subscribe(topic: string): void {
    if (!this.#stream.isEnding) this.#context.topics.join(topic, this);
  }

  unsubscribe(topic: string): void {
    this.#context.topics.leave(topic, this);
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.#stream.isEnding ? 0 : this.#context.topics.publish(topic, message, this);
  }

  /** A stream has no pings below those of the protocol that it carries. */
  ping(): number {
    return 0;
  }

  close(closeCode: number, reason: string): void {
    this.#stream.close(closeCode, reason);
  }

  terminate(): void {
    this.#stream.terminate();
  }

  /** The client writes no more. */
  finished(): void {
    this.#stream.finished();
  }

  /** The session is over, whoever ended it. */
  ended(): void {
    this.#stream.ended();
  }
}
