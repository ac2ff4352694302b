import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, TimerHandle } from "../../ports.ts";

/** One message that is to be handed over. */
export interface Outgoing<Message> {
  readonly bytes: number;
  /** Its place among those that wait; the outbox's own notes, kept here so that they cost no map. */
  readonly place: Place<Message>;
  /** Called once: it was handed over, or never will be. */
  settle(error: unknown): void;
}

/** Neighbours in the order of a queue. */
export class Place<Message> {
  isTaken = false;
  /** Until when the message may wait, ms since the epoch. */
  deadline = 0;
  before: Message | undefined;
  after: Message | undefined;
}

export interface OutboxOptions {
  readonly clock: Clock;
  /** Bytes of everything that waits. */
  readonly maxBytes: number;
  /** Milliseconds for which a message may wait. */
  readonly deadlineMs: number;
}

/** Messages in their order that NATS has not confirmed yet, so that they can be sent again. */
export class Outbox<Message extends Outgoing<Message>> {
  readonly #options: OutboxOptions;
  #first: Message | undefined;
  #last: Message | undefined;
  #bytes = 0;
  #timer: TimerHandle | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The one that has waited for the longest time. */
  get first(): Message | undefined {
    return this.#first;
  }

  /** The one that came last, of those that wait. */
  get last(): Message | undefined {
    return this.#last;
  }

  /** In the order in which they came; the one that was given may be settled before the next is asked for. */
  *messages(): Iterable<Message> {
    for (let message = this.#first; message !== undefined; ) {
      const { after } = message.place;
      yield message;
      message = after;
    }
  }

  /** Whoever adds something has looked here. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#options.maxBytes;
  }

  add(message: Message): void {
    const { clock, deadlineMs } = this.#options;
    const { place } = message;
    place.isTaken = true;
    place.deadline = clock.now() + deadlineMs;
    place.before = this.#last;
    if (this.#last === undefined) this.#first = message;
    else this.#last.place.after = message;
    this.#last = message;
    this.#bytes += message.bytes;
    this.#timer ??= clock.setTimeout(() => this.#expire(), deadlineMs);
  }

  /** Answers whether it was waiting. */
  settle(message: Message, error?: unknown): boolean {
    const { place } = message;
    if (!place.isTaken) return false;
    const { before, after } = place;
    if (before === undefined) this.#first = after;
    else before.place.after = after;
    if (after === undefined) this.#last = before;
    else after.place.before = before;
    place.isTaken = false;
    place.before = undefined;
    place.after = undefined;
    this.#bytes -= message.bytes;
    message.settle(error);
    return true;
  }

  /** Nothing more will be handed over. */
  close(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    for (const message of this.messages()) {
      this.settle(message, new StarlingError("broker_unavailable"));
    }
  }

  #expire(): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#timer = undefined;
    for (const message of this.messages()) {
      const { deadline } = message.place;
      if (deadline > now) {
        this.#timer = clock.setTimeout(() => this.#expire(), deadline - now);
        return;
      }
      const error = new StarlingError("broker_unavailable", "NATS did not answer in time");
      this.settle(message, error);
    }
  }
}
