import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, TimerHandle } from "../../ports.ts";

/** One message that is to be handed over. */
export interface Outgoing {
  readonly bytes: number;
  /** Writes it to the link that there is. */
  send(): void;
  /** Called once: it was handed over, or never will be. */
  settle(error: unknown): void;
}

export interface OutboxOptions {
  readonly clock: Clock;
  /** Bytes of everything that waits. */
  readonly maxBytes: number;
  /** Milliseconds for which a message may wait. */
  readonly deadlineMs: number;
}

/** Messages in their order that NATS has not confirmed yet, so that they can be sent again. */
export class Outbox<Message extends Outgoing> {
  readonly #options: OutboxOptions;
  readonly #waiting = new Map<Message, number>();
  #bytes = 0;
  #timer: TimerHandle | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** In the order in which they came. */
  messages(): Iterable<Message> {
    return this.#waiting.keys();
  }

  /** Whoever adds something has looked here. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#options.maxBytes;
  }

  add(message: Message): void {
    const { clock, deadlineMs } = this.#options;
    this.#bytes += message.bytes;
    this.#waiting.set(message, clock.now() + deadlineMs);
    this.#timer ??= clock.setTimeout(() => this.#expire(), deadlineMs);
  }

  /** Answers whether it was waiting. */
  settle(message: Message, error?: unknown): boolean {
    if (!this.#waiting.delete(message)) return false;
    this.#bytes -= message.bytes;
    message.settle(error);
    return true;
  }

  /** Nothing more will be handed over. */
  close(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    for (const message of [...this.#waiting.keys()]) {
      this.settle(message, new StarlingError("broker_unavailable"));
    }
  }

  #expire(): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#timer = undefined;
    for (const [message, deadline] of this.#waiting) {
      if (deadline > now) {
        this.#timer = clock.setTimeout(() => this.#expire(), deadline - now);
        return;
      }
      const error = new StarlingError("broker_unavailable", "NATS did not answer in time");
      this.settle(message, error);
    }
  }
}
