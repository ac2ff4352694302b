import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { httpsCall } from "../https.ts";
import { contentOf, type OpenPublication, type Recorder } from "./recorder.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface PublisherOptions {
  readonly name: string;
  readonly channels: readonly string[];
  /** Whether it keeps its connection; otherwise each request has one of its own. */
  readonly isKept: boolean;
  /** Whether its messages have idempotency keys, and are sent again until they are answered. */
  readonly isKeyed: boolean;
  /** Milliseconds from one answer to the next message. */
  readonly pause: readonly [number, number];
  /** Characters of each message beside who said it; by default few messages have many. */
  readonly padding?: number;
}

/** How often a message with a key is sent before its publisher gives up. */
const MAX_ATTEMPTS = 40;
const RETRY_MS = 100;
/** Longer than a gateway may take to refuse what it cannot hand on. */
const ANSWER_MS = 10_000;
/** Room for the largest message that is still usual. */
const LARGE = 16_000;

/** A backend that publishes one message after the other, and waits for each answer. */
export class HttpPublisher {
  readonly name: string;
  readonly #options: PublisherOptions;
  readonly #server: { readonly publisherUrl: string; readonly ca: string };
  readonly #node: number | undefined;
  readonly #recorder: Recorder;
  readonly #random: SeededRandom;
  readonly #agent: Agent | undefined;

  constructor(
    options: PublisherOptions,
    context: {
      readonly server: { readonly publisherUrl: string; readonly ca: string };
      readonly recorder: Recorder;
      readonly random: SeededRandom;
      /** Which of the nodes the server is. */
      readonly node?: number;
    },
  ) {
    this.name = options.name;
    this.#options = options;
    this.#server = context.server;
    this.#node = context.node;
    this.#recorder = context.recorder;
    this.#random = context.random;
    this.#agent = options.isKept ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
  }

  async publish(until: AbortSignal): Promise<void> {
    const { channels, pause, isKeyed } = this.#options;
    while (!until.aborted) {
      const publication = this.#recorder.publication(
        this.name,
        this.#random.pick(channels),
        isKeyed,
        this.#node,
      );
      const body = this.#body(publication);
      const attempts = isKeyed ? MAX_ATTEMPTS : 1;
      for (let attempt = 1; attempt <= attempts; attempt++) {
        if (await this.#deliver(publication, body)) break;
        if (until.aborted) break;
        await sleep(RETRY_MS);
      }
      await sleep(this.#random.integer(...pause));
    }
    this.#agent?.destroy();
  }

  #body(publication: OpenPublication): string {
    const { channel, publisher, number } = publication;
    const usual = () => this.#random.integer(0, this.#random.integer(0, 9) === 0 ? LARGE : 200);
    const { padding = usual() } = this.#options;
    const data = contentOf(publication, padding);
    const key = this.#options.isKeyed
      ? { idempotencyKey: `${publisher} ${channel} ${number}` }
      : {};
    return JSON.stringify({ channel, event: "n", data, publisher, ...key });
  }

  async #deliver(publication: OpenPublication, body: string): Promise<boolean> {
    const { publisherUrl, ca } = this.#server;
    const call = { body, agent: this.#agent, ms: ANSWER_MS };
    const outcome = await httpsCall(`${publisherUrl}/api/publish`, ca, call).then(
      ({ status, text }) => {
        if (status !== 200) return `${status} ${text}`;
        publication.position = JSON.parse(text).position;
        return undefined;
      },
      (error: unknown) => String(error),
    );
    const at = this.#recorder.now();
    publication.endedAt = at;
    if (outcome === undefined) publication.answeredAt = at;
    else this.#recorder.failures.push({ publisher: this.name, at, reason: outcome });
    return outcome === undefined;
  }
}
