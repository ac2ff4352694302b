import type { Broker } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import { Counters } from "../hub/counters.ts";
import { Hub } from "../hub/hub.ts";
import type { AppConfig, NamespaceConfig } from "../hub/namespace.ts";
import type { Publication } from "../hub/publication.ts";
import type { Beginning, Begun } from "../hub/recovery.ts";
import type { Frame, WireFormat } from "../hub/subscriber.ts";
import { DelayedBroker } from "./delayed-broker.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeNetwork } from "./fake-network.ts";
import { LocalNode } from "./local-node.ts";
import { SeededRandom } from "./seeded-random.ts";
import { TestSubscriber } from "./test-subscriber.ts";

const open = { subscribe: "anyone", publish: "anyone", volatile: false } as const;

export interface RecoverySettings {
  readonly size?: number;
  readonly ttlMs?: number;
  readonly maxBytes?: number;
  readonly maxChannels?: number;
  readonly maxChannelsPerConnection?: number;
}

/** Says channel, data without its filling, and cursor. */
export const tellingFormat: WireFormat = {
  id: "telling",
  encode: ({ channel, data, cursor }) => [
    `${channel} ${data.trimEnd()} ${cursor?.split(".")[1] ?? "-"}`,
  ],
};

/** A subscriber without a socket that reads when the test lets it. */
export class ReadingSubscriber extends TestSubscriber {
  isReading = true;
  /** Places of what it was sent. */
  readonly offsets: (number | undefined)[] = [];

  constructor(id: string) {
    super(id, undefined, tellingFormat);
  }

  override deliver(frames: readonly Frame[], _id?: number, offset?: number): void {
    super.deliver(frames);
    this.offsets.push(offset);
  }

  override isReady(): boolean {
    return this.isReading;
  }

  /** What it was sent since the last time. */
  take(): string[] {
    this.offsets.length = 0;
    return this.delivered.splice(0).map(String);
  }
}

/**
 * Hubs of one node. Channels of the namespace `kept` have history for clients, those of `closed` for
 * publishers only.
 */
export class RecoveryFixture {
  readonly clock = new FakeClock();
  readonly local: LocalNode;
  readonly #settings: RecoverySettings;
  readonly #apps: ReadonlyMap<string, AppConfig>;

  constructor(settings: RecoverySettings = {}) {
    const { size = 1_000, ttlMs = 1_000_000, maxChannels = 0 } = settings;
    this.#settings = settings;
    const history = { size, ttlMs };
    const namespaces = new Map<string, NamespaceConfig>([
      ["kept", { ...open, history, recover: true }],
      ["closed", { ...open, history }],
    ]);
    this.#apps = new Map([["default", { namespaces, maxChannels }]]);
    this.local = new LocalNode({ clock: this.clock, apps: this.#apps });
  }

  /** A worker in the process of its node. */
  worker() {
    return this.#worker(this.local.join());
  }

  /** A worker in another process. */
  far() {
    return this.#worker(this.local.place(DelayedBroker.join));
  }

  #worker<B extends Broker>(place: { readonly handlers: WorkerHandlers; readonly broker: B }) {
    const { maxBytes = 1e9, maxChannelsPerConnection = 100 } = this.#settings;
    const counters = new Counters();
    const network = new FakeNetwork(maxBytes);
    const hub = new Hub({
      ...place,
      fanout: network,
      clock: this.clock,
      random: new SeededRandom(),
      counters,
      apps: this.#apps,
      slowConsumerBytes: maxBytes,
      maxChannelsPerConnection,
    });
    const join = (id: string) => {
      const subscriber = new ReadingSubscriber(id);
      hub.register(subscriber);
      return subscriber;
    };
    /** Begins, and answers how, with what became of it. */
    const begin = (
      subscriber: TestSubscriber,
      beginnings: readonly Beginning[],
      isOwn: (publication: Publication) => boolean = () => false,
    ) => {
      const outcome: { begun?: readonly Begun[]; isDone?: boolean; error?: unknown } = {};
      const run = async () => {
        try {
          await hub.begin(subscriber, beginnings, {
            isOwn,
            begun(channels) {
              outcome.begun = channels;
              subscriber.delivered.push("begun");
            },
          });
          outcome.isDone = true;
        } catch (error) {
          outcome.error = error;
        }
      };
      void run();
      return outcome;
    };
    return { ...place, hub, counters, network, join, begin };
  }
}

/** A publication of the app `default`. */
export function said(channel: string, data: string): Publication {
  return { app: "default", channel, event: "message", data };
}

/** Lets promises come to their end. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await undefined;
}

/** Lets everything arrive that is on its way to and from a far worker. */
export async function arrive({ up, down }: DelayedBroker): Promise<void> {
  await turns();
  while (!up.isEmpty || !down.isEmpty) {
    up.step();
    down.step();
    await turns();
  }
}
