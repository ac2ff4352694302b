import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import { ByChannel } from "../../hub/by-channel.ts";
import type { Publication } from "../../hub/publication.ts";
import type { Clock } from "../../ports.ts";
import type { BrokerHandler, DeliveryKey } from "../broker.ts";
import type { MeshCounters } from "./counters.ts";
import { deliveryId } from "./delivery-id.ts";
import type { Envelopes } from "./envelope.ts";
import type { Inbox } from "./inbox.ts";
import type { MeshLink } from "./link.ts";
import { Outbox, type Outgoing, Place } from "./outbox.ts";
import type { Subjects } from "./subjects.ts";

/** Bytes that may wait for NATS, and for how long, ms. */
const MAX_BYTES = 16 * 1024 * 1024;
const DEADLINE_MS = 5_000;
/** What a message costs beside its bytes, about. */
const MESSAGE_BYTES = 300;

export interface PlainChannelsOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  readonly handler: Pick<BrokerHandler, "missed">;
  readonly subjects: Subjects;
  readonly envelopes: Envelopes;
  readonly inbox: Inbox;
  readonly counters: MeshCounters;
  /** Counts the messages of this worker, of all kinds. */
  readonly nextSequence: () => number;
}

/** A delivery on its way, which is handed over when each of its messages is. */
interface Handover {
  left: number;
  /** Undefined where nobody waits. */
  readonly done: (() => void) | undefined;
  readonly failed: ((error: unknown) => void) | undefined;
}

/** A class, since an object with functions of its own would cost each message as much as sending it. */
class PlainMessage implements Outgoing<PlainMessage> {
  readonly place = new Place<PlainMessage>();
  readonly bytes: number;
  readonly sequence: number;
  readonly subject: string;
  readonly content: Uint8Array;
  readonly #handover: Handover;
  readonly #counters: MeshCounters;

  constructor(
    sequence: number,
    subject: string,
    content: Uint8Array,
    handover: Handover,
    counters: MeshCounters,
  ) {
    this.bytes = content.length + MESSAGE_BYTES;
    this.sequence = sequence;
    this.subject = subject;
    this.content = content;
    this.#handover = handover;
    this.#counters = counters;
  }

  settle(error: unknown): void {
    const handover = this.#handover;
    if (error !== undefined) {
      this.#counters.refused++;
      handover.failed?.(error);
    }
    handover.left--;
    if (handover.left === 0) handover.done?.();
  }
}

/**
 * Channels without history over core NATS, which keeps nothing: what is published counts as handed over when
 * the server has answered something that was sent behind it, and is sent again over the next link until then.
 */
export class PlainChannels {
  readonly #options: PlainChannelsOptions;
  readonly #subscriptions = new ByChannel<Subscription>();
  /** Wanted before there was any connection. */
  readonly #wanted = new ByChannel<true>();
  readonly #outbox: Outbox<PlainMessage>;
  /** The first message over this link. */
  #first = 1;
  #isConfirming = false;

  constructor(options: PlainChannelsOptions) {
    const { clock, link } = options;
    this.#options = options;
    this.#outbox = new Outbox({ clock, maxBytes: MAX_BYTES, deadlineMs: DEADLINE_MS });
    link.use({ up: (connection) => this.#up(connection), down: () => {} });
  }

  /** Bytes that wait for NATS. */
  get waitingBytes(): number {
    return this.#outbox.bytes;
  }

  interest(app: string, channel: string, isWanted: boolean): Answer<void> {
    const { link } = this.#options;
    const known = this.#subscriptions.get(app, channel);
    if (!isWanted) {
      known?.unsubscribe();
      this.#subscriptions.delete(app, channel);
      this.#wanted.delete(app, channel);
      return;
    }
    if (this.#wanted.get(app, channel) === undefined) {
      this.#wanted.set(app, channel, true);
      if (link.subscriber !== undefined) this.#subscribe(link.subscriber, app, channel);
    }
    // Whoever comes second may be before the first has its answer.
    return link.flushed().then(() => {});
  }

  /**
   * Publishes in channels, once in each; what is sent is sent at once. Resolved with `answer` when it is handed
   * over; rejected with `broker_unavailable` when it is not in time, or there is no room, and then nothing is sent.
   * With the same key it can be published again: who has it drops it.
   */
  publish<T>(
    publication: Publication,
    channels: readonly string[],
    answer: T,
    key?: DeliveryKey,
  ): Promise<T> {
    return new Promise((resolve, failed) => {
      const done = () => resolve(answer);
      this.#publish(publication, { left: channels.length, done, failed }, channels, key);
    });
  }

  /** The same for what nobody waits for. */
  publishUnanswered(publication: Publication, channels: readonly string[]): void {
    const handover = { left: channels.length, done: undefined, failed: undefined };
    this.#publish(publication, handover, channels);
  }

  close(): void {
    this.#outbox.close();
  }

  #publish(
    publication: Publication,
    handover: Handover,
    channels: readonly string[],
    key?: DeliveryKey,
  ): void {
    const { counters, link } = this.#options;
    const messages = this.#messages(publication, handover, channels, key);
    const refusal = this.#refusal(messages.reduce((sum, { bytes }) => sum + bytes, 0));
    if (refusal !== undefined) {
      counters.refused++;
      handover.failed?.(refusal);
      return;
    }
    for (const message of messages) {
      this.#outbox.add(message);
      if (link.connection !== undefined) this.#send(message);
    }
    this.#confirm();
  }

  #messages(
    publication: Publication,
    handover: Handover,
    channels: readonly string[],
    key: DeliveryKey | undefined,
  ): readonly PlainMessage[] {
    const { envelopes, subjects, counters, nextSequence } = this.#options;
    const [first] = channels;
    if (first !== undefined && channels.length === 1) {
      const subject = subjects.channel(publication.app, first);
      const sequence = nextSequence();
      const bytes = envelopes.only(publication, sequence, key && deliveryId(key, first));
      return [new PlainMessage(sequence, subject, bytes, handover, counters)];
    }
    const content = envelopes.content(publication);
    return channels.map((channel) => {
      const subject = subjects.channel(publication.app, channel);
      const sequence = nextSequence();
      const bytes = envelopes.seal(content, sequence, key && deliveryId(key, channel));
      return new PlainMessage(sequence, subject, bytes, handover, counters);
    });
  }

  /** Why so many bytes more are not taken. */
  #refusal(bytes: number): StarlingError | undefined {
    const { link, clock } = this.#options;
    if (link.connection === undefined && link.hasBeenDownFor(DEADLINE_MS, clock.now())) {
      return new StarlingError("broker_unavailable", "NATS is away");
    }
    if (this.#outbox.hasRoomFor(bytes)) return undefined;
    return new StarlingError("broker_unavailable", "too much waits for NATS");
  }

  #send(message: PlainMessage): void {
    const { envelopes, counters, link } = this.#options;
    counters.sent++;
    envelopes.stamp(message.content, link.number, this.#first);
    try {
      link.connection?.publish(message.subject, message.content);
    } catch (error) {
      // More than the server lets through, and it is so again next time.
      const refusal = new StarlingError("payload_too_large", "NATS does not take it", {
        cause: error,
      });
      this.#outbox.settle(message, refusal);
    }
  }

  /** Asks the server whether everything has arrived that was sent up to now, until it has. */
  #confirm(): void {
    const { link } = this.#options;
    if (this.#isConfirming || link.connection === undefined || this.#outbox.first === undefined)
      return;
    this.#isConfirming = true;
    let upTo = 0;
    const { number } = link;
    const hasArrived = link.flushed(() => {
      upTo = this.#outbox.last?.sequence ?? 0;
    });
    void hasArrived.then((isDone) => {
      this.#isConfirming = false;
      if (isDone && number === link.number) {
        for (const message of this.#outbox.messages()) {
          if (message.sequence > upTo) break;
          this.#outbox.settle(message);
        }
      }
      this.#confirm();
    });
  }

  #up(connection: NatsConnection): void {
    const { counters, nextSequence } = this.#options;
    for (const [app, channel] of this.#wanted.entries()) {
      const known = this.#subscriptions.get(app, channel);
      // A connection that was closed for good has taken its subscriptions along.
      if (known === undefined || known.isClosed()) this.#subscribe(connection, app, channel);
    }
    // Where nothing waits, all that was sent before has been confirmed, and none of it comes again.
    this.#first = this.#outbox.first?.sequence ?? nextSequence();
    for (const message of this.#outbox.messages()) {
      counters.repeated++;
      this.#send(message);
    }
    this.#confirm();
    this.lost();
  }

  /** What was published meanwhile is nowhere, and subscribers are told. */
  lost(): void {
    const { handler, counters } = this.#options;
    const [any] = this.#wanted.entries();
    if (any === undefined) return;
    counters.missed++;
    handler.missed((app, channel) => this.#wanted.get(app, channel) !== undefined);
  }

  #subscribe(connection: NatsConnection, app: string, channel: string): void {
    const { subjects, inbox } = this.#options;
    const callback = (error: Error | null, message: Msg) => {
      if (error !== null) inbox.failed(error, app, channel);
      else inbox.take(message, app, channel);
    };
    const subject = subjects.channel(app, channel);
    this.#subscriptions.set(app, channel, connection.subscribe(subject, { callback }));
  }
}
