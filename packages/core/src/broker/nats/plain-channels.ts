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
import { Outbox, type Outgoing } from "./outbox.ts";
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
  readonly done: PromiseWithResolvers<void> | undefined;
}

interface PlainMessage extends Outgoing {
  readonly sequence: number;
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
   * Publishes in channels, once in each; what is sent is sent at once. Rejected with `broker_unavailable`
   * when it is not handed over in time, or there is no room, and then nothing is sent. With the same key it can
   * be published again: who has it drops it.
   */
  publish(publication: Publication, channels: readonly string[], key?: DeliveryKey): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#publish(publication, channels, done, key);
    return done.promise;
  }

  /** The same for what nobody waits for. */
  publishUnanswered(publication: Publication, channels: readonly string[]): void {
    this.#publish(publication, channels, undefined);
  }

  close(): void {
    this.#outbox.close();
  }

  #publish(
    publication: Publication,
    channels: readonly string[],
    done: PromiseWithResolvers<void> | undefined,
    key?: DeliveryKey,
  ): void {
    const { envelopes, subjects, counters } = this.#options;
    const content = envelopes.content(publication);
    const handover: Handover = { left: channels.length, done };
    const refusal = this.#refusal(channels.length * (content.length + MESSAGE_BYTES));
    if (refusal !== undefined) {
      counters.refused++;
      done?.reject(refusal);
      return;
    }
    for (const channel of channels) {
      const subject = subjects.channel(publication.app, channel);
      const id = key && deliveryId(key, channel);
      const message = this.#message(subject, content, handover, id);
      this.#outbox.add(message);
      if (this.#options.link.connection !== undefined) this.#send(message);
    }
    this.#confirm();
  }

  /** Why so many bytes more are not taken. */
  #refusal(bytes: number): StarlingError | undefined {
    const { link, clock } = this.#options;
    if (link.hasBeenDownFor(DEADLINE_MS, clock.now())) {
      return new StarlingError("broker_unavailable", "NATS is away");
    }
    if (this.#outbox.hasRoomFor(bytes)) return undefined;
    return new StarlingError("broker_unavailable", "too much waits for NATS");
  }

  #message(
    subject: string,
    content: Uint8Array,
    handover: Handover,
    id: string | undefined,
  ): PlainMessage {
    const { envelopes, nextSequence, counters, link } = this.#options;
    const sequence = nextSequence();
    const bytes = envelopes.seal(content, sequence, id);
    return {
      sequence,
      bytes: bytes.length + MESSAGE_BYTES,
      send: () => {
        counters.sent++;
        envelopes.stamp(bytes, link.number, this.#first);
        link.connection?.publish(subject, bytes);
      },
      settle(error) {
        if (error !== undefined) {
          counters.refused++;
          handover.done?.reject(error);
        }
        handover.left--;
        if (handover.left === 0) handover.done?.resolve();
      },
    };
  }

  #send(message: PlainMessage): void {
    try {
      message.send();
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
    if (this.#isConfirming || link.connection === undefined || this.#outbox.size === 0) return;
    this.#isConfirming = true;
    let upTo = 0;
    const { number } = link;
    const hasArrived = link.flushed(() => {
      for (const { sequence } of this.#outbox.messages()) upTo = sequence;
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
    const { handler, counters } = this.#options;
    for (const [app, channel] of this.#wanted.entries()) {
      const known = this.#subscriptions.get(app, channel);
      // A connection that was closed for good has taken its subscriptions along.
      if (known === undefined || known.isClosed()) this.#subscribe(connection, app, channel);
    }
    const [first] = this.#outbox.messages();
    if (first !== undefined) this.#first = first.sequence;
    for (const message of [...this.#outbox.messages()]) {
      counters.repeated++;
      this.#send(message);
    }
    this.#confirm();
    const [any] = this.#wanted.entries();
    if (any !== undefined) {
      counters.missed++;
      handler.missed((app, channel) => this.#wanted.get(app, channel) !== undefined);
    }
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
