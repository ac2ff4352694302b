import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Position } from "../../hub/position.ts";
import type { Clock, Log, TimerHandle } from "../../ports.ts";
import { type Acknowledgement, acknowledgement } from "./acknowledgement.ts";
import type { MeshCounters } from "./counters.ts";
import type { MeshLink } from "./link.ts";
import type { MeshStream } from "./mesh-stream.ts";
import { MessageIdHeader } from "./message-id.ts";
import { Outbox, type Outgoing, Place } from "./outbox.ts";
import type { StreamSettings } from "./stream-config.ts";

const MAX_BYTES = 16 * 1024 * 1024;
const DEADLINE_MS = 5_000;
const MESSAGE_BYTES = 300;
/** Milliseconds without an answer after which a message is sent again. */
const REPEAT_MS = 700;
/** What a server answers that cannot keep anything at this moment, but later. */
const TEMPORARY = new Set([408, 503]);

export interface KeptPublisherOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: MeshCounters;
  readonly settings: Pick<StreamSettings, "domain">;
}

/** What is to be kept, and by which stream. */
export interface ToKeep {
  readonly stream: MeshStream;
  readonly subject: string;
  readonly content: Uint8Array;
  /** By which the stream tells what it has already: printable ASCII. */
  readonly id: string;
}

/** A class, as `PlainMessage` is: functions of its own would cost each message as much as sending it. */
class KeptMessage implements Outgoing<KeptMessage> {
  readonly place = new Place<KeptMessage>();
  readonly bytes: number;
  readonly token: string;
  readonly what: ToKeep;
  readonly kept = Promise.withResolvers<Position>();
  readonly #settled: (message: KeptMessage, error: unknown) => void;

  /** `settled` is called once, before whoever waits for it is told of an error. */
  constructor(
    token: string,
    what: ToKeep,
    settled: (message: KeptMessage, error: unknown) => void,
  ) {
    this.token = token;
    this.what = what;
    this.bytes = what.content.length + MESSAGE_BYTES;
    this.#settled = settled;
  }

  settle(error: unknown): void {
    this.#settled(this, error);
    if (error !== undefined) this.kept.reject(error);
  }
}

/**
 * Publishes in streams: what a stream has not acknowledged is sent again, and the stream tells by the id of
 * the message whether it has it already.
 */
export class KeptPublisher {
  readonly #options: KeptPublisherOptions;
  readonly #outbox: Outbox<KeptMessage>;
  readonly #byToken = new Map<string, KeptMessage>();
  readonly #replies = createInbox();
  readonly #header = new MessageIdHeader();
  readonly #settled = (message: KeptMessage, error: unknown) => {
    this.#byToken.delete(message.token);
    if (error !== undefined) this.#options.counters.refused++;
  };
  #repeat: TimerHandle | undefined;
  #last = 0;
  #connection: NatsConnection | undefined;
  /** The domain that the streams are in: the one that is configured, or else the first that has answered. */
  #domain: string | undefined;
  #hasComplained = false;

  constructor(options: KeptPublisherOptions) {
    const { clock, link } = options;
    this.#options = options;
    this.#outbox = new Outbox({ clock, maxBytes: MAX_BYTES, deadlineMs: DEADLINE_MS });
    link.use({ up: (connection) => this.#up(connection), down() {} });
  }

  get waitingBytes(): number {
    return this.#outbox.bytes;
  }

  /** Rejected with `broker_unavailable` where it was not acknowledged in time, and may be kept or not. */
  publish(what: ToKeep): Promise<Position> {
    const { link, counters, clock } = this.#options;
    const message = new KeptMessage(`${++this.#last}`, what, this.#settled);
    const isAway = link.connection === undefined && link.hasBeenDownFor(DEADLINE_MS, clock.now());
    if (isAway || !this.#outbox.hasRoomFor(message.bytes)) {
      counters.refused++;
      const reason = isAway ? "NATS is away" : "too much waits for NATS";
      return Promise.reject(new StarlingError("broker_unavailable", reason));
    }
    this.#outbox.add(message);
    this.#byToken.set(message.token, message);
    // Before the stream was found nobody would keep it.
    if (what.stream.isReady) this.#send(message);
    else
      what.stream.ready().then(
        () => this.#send(message),
        () => {},
      );
    this.#watch();
    return message.kept.promise;
  }

  close(): void {
    if (this.#repeat !== undefined) this.#options.clock.clearTimeout(this.#repeat);
    this.#outbox.close();
  }

  #send(message: KeptMessage): void {
    const { link, counters } = this.#options;
    const { connection } = link;
    if (connection === undefined) return;
    const { subject, content, id } = message.what;
    this.#header.id = id;
    const reply = `${this.#replies}.${message.token}`;
    counters.sent++;
    try {
      connection.publish(subject, content, { headers: this.#header, reply });
    } catch (cause) {
      const error = new StarlingError("payload_too_large", "NATS does not take it", { cause });
      this.#outbox.settle(message, error);
    }
  }

  #up(connection: NatsConnection): void {
    this.#domain = this.#options.settings.domain;
    if (this.#connection !== connection) {
      this.#connection = connection;
      const callback = (error: Error | null, message: Msg) => this.#answered(error, message);
      connection.subscribe(`${this.#replies}.*`, { callback });
    }
    this.#sendAgain();
  }

  /** In their order, and each stream when it has been found. */
  #sendAgain(): void {
    const streams = new Map<MeshStream, KeptMessage[]>();
    for (const message of this.#outbox.messages()) {
      const { stream } = message.what;
      const messages = streams.get(stream);
      if (messages === undefined) streams.set(stream, [message]);
      else messages.push(message);
    }
    for (const [stream, messages] of streams) {
      const send = () => {
        for (const message of messages) {
          if (!this.#byToken.has(message.token)) continue;
          this.#options.counters.repeated++;
          this.#send(message);
        }
      };
      stream.ready().then(send, () => {});
    }
  }

  /** Sends again what has had no answer for long; under load there is always something that was just sent. */
  #watch(delayMs = REPEAT_MS): void {
    const { clock } = this.#options;
    this.#repeat ??= clock.setTimeout(() => {
      this.#repeat = undefined;
      const { first } = this.#outbox;
      if (first === undefined) return;
      const waited = clock.now() - (first.place.deadline - DEADLINE_MS);
      if (waited < REPEAT_MS) {
        this.#watch(REPEAT_MS - waited);
        return;
      }
      for (const stream of new Set([...this.#outbox.messages()].map(({ what }) => what.stream))) {
        stream.reset();
      }
      this.#sendAgain();
      this.#watch();
    }, delayMs);
  }

  #answered(error: Error | null, reply: Msg): void {
    const { log } = this.#options;
    if (error !== null) {
      log.error({ error }, "NATS refuses the answers of streams");
      return;
    }
    // Nobody is there who would keep it: it is sent again when the stream was found or made.
    if ((reply.headers?.code ?? 0) > 0) return;
    const answer = acknowledgement(reply.data);
    const isOurs = this.#isOurs(answer);
    const message = this.#byToken.get(reply.subject.slice(this.#replies.length + 1));
    if (message === undefined || !isOurs) return;
    const { stream } = message.what;
    // A refusal has a number, too: 0.
    if (answer.error !== undefined || !answer.seq || stream.epoch === undefined) {
      if (TEMPORARY.has(answer.error?.code ?? 0)) return;
      log.error({ stream: stream.name, ...answer.error }, "a stream refuses a publication");
      const refusal = answer.error?.description ?? "the stream gave no number";
      this.#outbox.settle(message, new StarlingError("broker_unavailable", refusal));
      return;
    }
    if (answer.duplicate !== true) stream.keptAt(answer.seq);
    message.kept.resolve({ epoch: stream.epoch, offset: answer.seq });
    this.#outbox.settle(message);
  }

  /** Positions of another domain would be those of another history. */
  #isOurs({ domain }: Acknowledgement): boolean {
    if (domain === undefined) return true;
    this.#domain ??= domain;
    if (domain === this.#domain) return true;
    if (!this.#hasComplained) {
      this.#hasComplained = true;
      const { log } = this.#options;
      const facts = { domain, ours: this.#domain };
      log.error(facts, "another domain of JetStream keeps the same channels: see NATS_JS_DOMAIN");
    }
    return false;
  }
}
