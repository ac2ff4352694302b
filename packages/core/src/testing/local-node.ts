import type { Broker, BrokerHandler, WorkerId } from "../broker/broker.ts";
import { WorkerHandlers } from "../broker/handlers.ts";
import { publicationHolding } from "../broker/holdings.ts";
import { LocalBroker } from "../broker/local.ts";
import { Node, type NodeOptions } from "../broker/node.ts";
import type { AppConfig } from "../hub/namespace.ts";
import type { Publication } from "../hub/publication.ts";
import type { Clock } from "../ports.ts";
import { SeededRandom } from "./seeded-random.ts";

export interface LocalNodeOptions {
  readonly clock: Clock;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Takes a second of each rate; default: none is limited. */
  readonly rates?: Partial<Readonly<Record<keyof NodeOptions["rates"], number>>>;
  readonly idempotencyWindowMs?: number;
  /** Default: that of a node. */
  readonly historyBytes?: number;
}

/** A node whose workers are in the process of the test. */
export class LocalNode {
  readonly node: Node<Publication>;
  #workers = 0;

  constructor(options: LocalNodeOptions) {
    const { clock, apps, rates = {}, idempotencyWindowMs = 60_000, historyBytes } = options;
    const { user = 0, address = 0, api = 0 } = rates;
    this.node = new Node<Publication>(
      {
        clock,
        random: new SeededRandom(),
        apps,
        rates: {
          user: { ratePerSecond: user },
          address: { ratePerSecond: address },
          api: { ratePerSecond: api },
        },
        idempotencyWindowMs,
        ...(historyBytes === undefined ? {} : { historyBytes }),
      },
      publicationHolding,
    );
  }

  /** One worker more. */
  join() {
    return this.place((node, worker, handler) => new LocalBroker(node, worker, handler));
  }

  /** One worker more, whose broker the test makes. */
  place<B extends Broker>(
    create: (node: Node<Publication>, worker: WorkerId, handler: BrokerHandler) => B,
  ): { readonly handlers: WorkerHandlers; readonly broker: B } {
    const handlers = new WorkerHandlers();
    this.#workers++;
    return { handlers, broker: create(this.node, this.#workers, handlers) };
  }

  /** A worker that is its whole node. */
  static alone(options: LocalNodeOptions) {
    const { node } = new LocalNode(options);
    const handlers = new WorkerHandlers();
    return { node, handlers, broker: new LocalBroker(node, 0, handlers, { isAlone: true }) };
  }
}
