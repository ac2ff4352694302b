import type { Msg } from "@nats-io/nats-core";
import type { Publication } from "../../hub/publication.ts";
import type { Log } from "../../ports.ts";
import type { BrokerHandler } from "../broker.ts";
import { WireError } from "../ipc/wire-error.ts";
import { PublicationIds } from "../publication-ids.ts";
import type { MeshCounters } from "./counters.ts";
import { Envelopes } from "./envelope.ts";
import { foreignPublication } from "./foreign.ts";
import { isOfNode, meshIdOf } from "./origin.ts";
import { Origins } from "./origins.ts";
import { RecentIds } from "./recent-ids.ts";
import type { StoredContent } from "./stored-message.ts";

export interface InboxOptions {
  readonly handler: Pick<BrokerHandler, "delivered">;
  readonly envelopes: Envelopes;
  readonly counters: MeshCounters;
  readonly log: Log;
  /** The node that this worker belongs to; what its workers publish has arrived already. */
  readonly node: string;
}

/** What arrives from NATS for channels without history. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #origins = new Origins();
  readonly #ids = new RecentIds();

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  take(message: Msg, app: string, channel: string): void {
    const { handler, counters } = this.#options;
    if (this.#isKnown(message, channel)) return;
    const publication = this.read(message, app, channel);
    if (publication === undefined) return;
    counters.received++;
    handler.delivered(publication);
  }

  /** What a message says; undefined where it is no publication. */
  read(message: StoredContent, app: string, channel: string): Publication | undefined {
    const { counters, envelopes, log } = this.#options;
    try {
      // The library makes a new view of its bytes each time.
      const { data } = message;
      if (!Envelopes.isSealed(data)) return foreignPublication(message, app, channel);
      const publication = envelopes.open(data, app, channel);
      const { origin, sequence } = Envelopes.stampOf(data);
      // A node that is one worker needs no ids, and others may.
      const { id = sequence } = publication;
      if (!isOfNode(origin, this.#options.node)) {
        publication.id = PublicationIds.of(origin, id);
        publication.mesh = meshIdOf(origin);
      }
      return publication;
    } catch (error) {
      if (!(error instanceof WireError || error instanceof RangeError)) throw error;
      counters.invalid++;
      const { subject } = message;
      log.warn({ error, app, channel, subject }, "a message of NATS is no publication");
      return undefined;
    }
  }

  /** A subscription has failed, for want of a permission as a rule. */
  failed(error: Error, app: string, channel: string): void {
    this.#options.log.error({ error, app, channel }, "NATS refuses a subscription");
  }

  /** Whether it was seen before, or is of this node. */
  #isKnown({ data, headers }: Msg, channel: string): boolean {
    const { counters } = this.#options;
    if (!Envelopes.isSealed(data)) {
      const id = headers?.get("Nats-Msg-Id");
      if (!id || this.#ids.isNew(`${channel} ${id}`)) return false;
      counters.duplicates++;
      return true;
    }
    try {
      const stamp = Envelopes.stampOf(data);
      if (isOfNode(stamp.origin, this.#options.node)) return true;
      const id = Envelopes.idOf(data);
      if (this.#origins.isNew(stamp) && (id === "" || this.#ids.isNew(id))) return false;
      counters.duplicates++;
      return true;
    } catch (error) {
      if (error instanceof WireError) return false;
      throw error;
    }
  }
}
