import type { Msg } from "@nats-io/nats-core";
import type { Clock, Log } from "../../ports.ts";
import type { MeshLink } from "./link.ts";
import type { Subjects } from "./subjects.ts";
import { Inboxes } from "./subscribe.ts";

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
  #pings = 0;

  constructor(options: NodePingsOptions) {
    this.#options = options;
    const { link, subjects, start, log } = options;
    const heard = (message: Msg) => void message.respond();
    const inboxes = new Inboxes([subjects.nodePing(start)], { log, heard });
    link.use({ up: (connection) => inboxes.up(connection), down: () => {} });
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
}
