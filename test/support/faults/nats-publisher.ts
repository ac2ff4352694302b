import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../deadline.ts";
import { NatsConnection } from "../nats-connection.ts";
import { contentOf, type OpenPublication, type Recorder } from "./recorder.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface NatsPublisherOptions {
  readonly name: string;
  readonly channels: readonly string[];
  /** Addresses of servers, separated by commas. */
  readonly url: string;
  /** The namespace with history that the channels are in; undefined where they keep none. */
  readonly namespace: string | undefined;
  /** Milliseconds from one answer to the next message. */
  readonly pause: readonly [number, number];
  /** Characters of each message beside who said it; default: another number each time. */
  readonly padding?: number;
}

/** How long a server may be silent before it is asked again, ms. */
const ANSWER_MS = 2_000;
const RETRY_MS = 100;
/** Room for a message that is still usual. */
const LARGE = 2_000;

/**
 * A back end that publishes straight over NATS, one message after the other. What a stream has not
 * acknowledged it publishes again under the same id; without a stream it is told only that the server has it.
 */
export class NatsPublisher {
  readonly name: string;
  readonly #options: NatsPublisherOptions;
  readonly #recorder: Recorder;
  readonly #random: SeededRandom;
  #connection: NatsConnection | undefined;

  constructor(
    options: NatsPublisherOptions,
    context: { readonly recorder: Recorder; readonly random: SeededRandom },
  ) {
    this.name = options.name;
    this.#options = options;
    this.#recorder = context.recorder;
    this.#random = context.random;
  }

  async publish(until: AbortSignal): Promise<void> {
    const { channels, pause, namespace, padding } = this.#options;
    const isKeyed = namespace !== undefined;
    while (!until.aborted) {
      await sleep(this.#random.integer(...pause));
      const connection = await this.#connected();
      if (connection === undefined) continue;
      const channel = this.#random.pick(channels);
      const publication = this.#recorder.publication(this.name, channel, isKeyed);
      const size = padding ?? this.#random.integer(0, LARGE);
      const body = JSON.stringify(contentOf(publication, size));
      let isDone = await this.#deliver(publication, body);
      while (isKeyed && !isDone && !until.aborted) {
        await sleep(RETRY_MS);
        isDone = await this.#deliver(publication, body);
      }
    }
    this.#connection?.[Symbol.dispose]();
  }

  /** One connection for as long as it lasts, to any of the servers. */
  async #connected(): Promise<NatsConnection | undefined> {
    if (this.#connection?.isClosed === false) return this.#connection;
    this.#connection = undefined;
    const url = this.#random.pick(this.#options.url.split(","));
    const opening = NatsConnection.open(url);
    try {
      this.#connection = await within(opening, "a server of NATS", ANSWER_MS);
    } catch {
      // One that is silent may answer when nobody wants it any more.
      void opening.then((late) => late[Symbol.dispose]()).catch(() => {});
      await sleep(RETRY_MS);
    }
    return this.#connection;
  }

  async #deliver(publication: OpenPublication, body: string): Promise<boolean> {
    const { namespace } = this.#options;
    const { publisher, channel, number } = publication;
    const id = `${publisher} ${channel} ${number}`;
    const headers = { Event: "n", Publisher: publisher, "Nats-Msg-Id": id };
    const connection = await this.#connected();
    if (connection === undefined) return false;
    try {
      if (namespace === undefined) {
        const sent = connection.publish(`starling.pub.default.${token(channel)}`, headers, body);
        await within(sent, "a server of NATS", ANSWER_MS);
      } else {
        const subject = `starling.kept.default.${token(namespace)}.${token(channel)}`;
        const asked = connection.request(subject, headers, body);
        if (!isKept(await within(asked, "a stream", ANSWER_MS))) return false;
      }
    } catch {
      connection[Symbol.dispose]();
      return false;
    }
    publication.answeredAt = this.#recorder.now();
    return true;
  }
}

/** Whether a stream has taken it; without one, and without a leader, nobody has. */
function isKept(answer: string): boolean {
  return answer !== "" && JSON.parse(answer).seq > 0;
}

/** A name in a subject, as the protocol's page describes it. */
function token(name: string): string {
  return [...new TextEncoder().encode(name)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[A-Za-z0-9_-]/.test(character)) return character;
      return `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}
