import type { NatsConnection, Subscription } from "@nats-io/nats-core";
import type { Clock, Log } from "../../ports.ts";
import type { MeshLink } from "./link.ts";
import type { Subjects } from "./subjects.ts";

/** Milliseconds that another node has to answer. */
const PING_MS = 2_000;

export interface NodePingsOptions {
  readonly link: Pick<MeshLink, "connection" | "use">;
  readonly subjects: Subjects;
  /** Names this start of the node. */
  readonly start: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers other nodes at once, and measures how long their answers take. */
export class NodePings {
  readonly #options: NodePingsOptions;
  #subscription: Subscription | undefined;
  #pings = 0;

  constructor(options: NodePingsOptions) {
    this.#options = options;
    options.link.use({ up: (connection) => this.#up(connection), down: () => {} });
  }

  /** Milliseconds to a start of a node and back; undefined where no answer comes within two seconds. */
  async roundTripMs(start: string): Promise<number | undefined> {
    const { link, subjects, clock } = this.#options;
    const { connection } = link;
    if (connection === undefined) return undefined;
    const askedAt = clock.now();
    // A node may publish below the prefix, and not where any client of NATS gets its answers.
    const reply = subjects.nodePong(this.#options.start, ++this.#pings);
    try {
      const options = { timeout: PING_MS, noMux: true, reply };
      await connection.request(subjects.nodePing(start), "", options);
      return Math.max(0, clock.now() - askedAt);
    } catch {
      // Nobody is there, the answer is late, or the link has broken.
      return undefined;
    }
  }

  #up(connection: NatsConnection): void {
    // A connection that was closed for good has taken its subscriptions along.
    if (this.#subscription?.isClosed() === false) return;
    const { subjects, start, log } = this.#options;
    const subject = subjects.nodePing(start);
    this.#subscription = connection.subscribe(subject, {
      callback(error, message) {
        if (error !== null) log.error({ error, subject }, "NATS refuses a subscription");
        else message.respond();
      },
    });
  }
}
