import type { Answer } from "../../../answer.ts";
import type {
  AfterTurn,
  ByteStream,
  ByteStreamHandler,
  Clock,
  OpenStream,
} from "../../../ports.ts";
import { FakeClock } from "../../../testing/fake-clock.ts";
import { RecordingLog } from "../../../testing/recording-log.ts";
import { SeededRandom } from "../../../testing/seeded-random.ts";
import type { Broker, BrokerHandler, WorkerId } from "../../broker.ts";
import type { BrokerFixture, NodeSettings } from "../../conformance/fixture.ts";
import { bytesHolding } from "../../holdings.ts";
import { Node } from "../../node.ts";
import { IpcBroker } from "../client.ts";
import type { IpcBrokerOptions } from "../client-options.ts";
import { IpcServer } from "../server.ts";
import type { IpcServerOptions } from "../server-options.ts";

/** What carries the streams of a fixture. */
export interface Transport {
  listen(accept: (stream: ByteStream) => ByteStreamHandler): Answer<void>;
  readonly open: OpenStream;
  readonly afterTurn: AfterTurn;
  /** Lets everything arrive that is under way. */
  settle(): Promise<void>;
  /** Ends a stream at both ends. */
  cut(stream: ByteStream): void;
}

const STEP_MS = 1_000;

/** A worker's way to the node, which a test closes. */
class Way {
  readonly #transport: Transport;
  isClosed = false;
  stream: ByteStream | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  readonly open: OpenStream = async (handler) => {
    if (this.isClosed) throw new Error("the way is closed");
    this.stream = await this.#transport.open(handler);
    return this.stream;
  };
}

/** A node that the fixture has not made itself. */
type OtherNode = IpcServerOptions["node"] & { held(): number };

/** A node whose workers reach it over streams. */
export class IpcFixture implements BrokerFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly transport: Transport;
  readonly node: Node<Uint8Array>;
  readonly server: IpcServer;
  readonly #random = new SeededRandom(7);
  readonly #settings: NodeSettings;
  readonly #ways = new Map<Broker, Way>();
  #workers = 0;

  readonly #other: OtherNode | undefined;

  /** @param makeNode another node in the place of the one that holds bytes */
  constructor(
    settings: NodeSettings,
    transport: Transport,
    more: Partial<IpcServerOptions> = {},
    makeNode?: (clock: Clock) => OtherNode,
  ) {
    this.#settings = settings;
    this.transport = transport;
    this.node = new Node<Uint8Array>(
      { ...settings, clock: this.clock, random: this.#random },
      bytesHolding,
    );
    this.#other = makeNode?.(this.clock);
    this.server = new IpcServer({
      node: this.#other ?? this.node,
      clock: this.clock,
      random: this.#random,
      log: this.log,
      afterTurn: transport.afterTurn,
      answer: () => null,
      ...more,
    });
  }

  listen(): Answer<void> {
    return this.transport.listen(this.server.accept);
  }

  join(handler: BrokerHandler): Promise<IpcBroker> {
    this.#workers++;
    return this.joinAs(this.#workers, handler);
  }

  async joinAs(
    worker: WorkerId,
    handler: BrokerHandler,
    more: Partial<IpcBrokerOptions> = {},
  ): Promise<IpcBroker> {
    const way = new Way(this.transport);
    const joining = IpcBroker.connect({
      worker,
      open: way.open,
      handler,
      clock: this.clock,
      random: this.#random,
      log: this.log,
      afterTurn: this.transport.afterTurn,
      apps: this.#settings.apps,
      rates: this.#settings.rates,
      ...more,
    });
    await this.settle();
    const broker = await joining;
    this.#ways.set(broker, way);
    return broker;
  }

  async leave(broker: Broker): Promise<void> {
    await this.links.cut(broker);
    this.server.forget(broker.worker);
    await this.settle();
  }

  settle(): Promise<void> {
    return this.transport.settle();
  }

  /** In steps, since nothing arrives within one: a long one would be silence. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.clock.advance(Math.min(STEP_MS, left));
      await this.settle();
    }
  }

  held(): number {
    return this.#other?.held() ?? this.node.held;
  }

  /** The stream that connects a worker. */
  streamOf(broker: Broker): ByteStream | undefined {
    return this.#ways.get(broker)?.stream;
  }

  readonly links = {
    cut: async (broker: Broker): Promise<void> => {
      const way = this.#ways.get(broker);
      if (way === undefined) return;
      way.isClosed = true;
      if (way.stream !== undefined) this.transport.cut(way.stream);
      await this.settle();
    },
    mend: async (broker: Broker): Promise<void> => {
      const way = this.#ways.get(broker);
      if (way === undefined || !(broker instanceof IpcBroker)) return;
      way.isClosed = false;
      // A second is the longest that a worker waits before it tries again.
      for (let waited = 0; waited < 1_000 && !broker.isConnected; waited += 10) {
        await this.advance(10);
      }
    },
  };
}
