import type { NatsConnection, Subscription } from "@nats-io/nats-core";
import type { Log } from "../../ports.ts";
import type { MeshLink } from "./link.ts";
import type { MeshStream } from "./mesh-stream.ts";

/** Where servers say that a stream has another leader. */
const ELECTED = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED";

export interface LeaderWatchOptions {
  readonly link: MeshLink;
  readonly log: Log;
  elected(stream: MeshStream): void;
}

/**
 * Hears of new leaders of streams that several servers keep: what the old one had kept may not have been said to
 * workers whose own link to NATS is as it was.
 */
export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  readonly #streams = new Map<MeshStream, Subscription | undefined>();

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
    options.link.use({ up: (connection) => this.#up(connection), down() {} });
  }

  watch(stream: MeshStream): void {
    if (this.#streams.has(stream)) return;
    const { subscriber } = this.#options.link;
    this.#streams.set(stream, subscriber && this.#subscribe(subscriber, stream));
  }

  #up(connection: NatsConnection): void {
    for (const [stream, subscription] of this.#streams) {
      // A connection that was closed for good has taken its subscriptions along.
      if (subscription?.isClosed() !== false) {
        this.#streams.set(stream, this.#subscribe(connection, stream));
      }
    }
  }

  #subscribe(connection: NatsConnection, stream: MeshStream): Subscription {
    const { elected, log } = this.#options;
    return connection.subscribe(`${ELECTED}.${stream.name}`, {
      callback: (error) => {
        if (error === null) return elected(stream);
        log.error({ error, stream: stream.name }, "NATS refuses a subscription");
      },
    });
  }
}
