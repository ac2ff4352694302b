import { setImmediate as turn } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Answer } from "@starling/core/answer.ts";
import type { Broker, BrokerHandler, Delivery, Published } from "@starling/core/broker/broker.ts";
import type { BrokerFixture, NodeSettings } from "@starling/core/broker/conformance/fixture.ts";
import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import type { Place } from "@starling/core/broker/nats/kept-channels.ts";
import { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { HistoryRequest } from "@starling/core/broker/stream.ts";
import { ByChannel } from "@starling/core/hub/by-channel.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import type { Clock } from "@starling/core/ports.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { SeededRandom } from "@starling/core/testing/seeded-random.ts";
import { afterTurn, systemClock, systemRandom } from "../system.ts";
import { connectTo, type NatsServer } from "./nats-server.ts";
import { until } from "./until.ts";

/** Turns of the event loop without anything new after which everything has arrived. */
const IDLE_TURNS = 6;

let meshes = 0;

/** A prefix that no other test has, so that tests may share a server. */
export function ownPrefix(): string {
  return `t${process.pid}-${++meshes}`;
}

export interface MeshNodeOptions {
  readonly server: NatsServer;
  readonly prefix: string;
  readonly settings: NodeSettings;
  /** The clock of the mesh; default: that of the machine. */
  readonly clock?: Clock;
  readonly placeOf?: (app: string, channel: string) => Place | undefined;
  /** Default: without a user. */
  readonly connect?: () => Promise<NatsConnection>;
  /** The domain of JetStream that keeps streams; default: that of the server. */
  readonly domain?: string;
  /**
   * Whether time passes on the machine as well, for what the server does, and all that it has kept is waited for;
   * default `false`.
   */
  readonly isReal?: boolean;
  /** What streams are kept in; default: `file`. A disk that others use can be slower than a subscriber waits. */
  readonly storage?: "file" | "memory";
}

/** A broker that says whether somebody waits for it. */
class WatchedMesh extends MeshBroker {
  #waiting = 0;
  readonly #wanted = new ByChannel<true>();

  get isBusy(): boolean {
    return this.#waiting > 0 || this.waitingBytes > 0;
  }

  /** Everything that is kept in its channels has been delivered. */
  async allCaughtUp(): Promise<void> {
    const channels = [...this.#wanted.entries()];
    await Promise.all(channels.map(([app, channel]) => this.caughtUp(app, channel)));
  }

  override interest(app: string, channel: string, subscribers: number): Answer<void> {
    if (subscribers > 0) this.#wanted.set(app, channel, true);
    else this.#wanted.delete(app, channel);
    return this.#watched(super.interest(app, channel, subscribers));
  }

  override publish(delivery: Delivery): Answer<Published> {
    return this.#watched(super.publish(delivery));
  }

  override history(app: string, channel: string, request: HistoryRequest) {
    return this.#watched(super.history(app, channel, request));
  }

  #watched<T>(answer: Answer<T>): Answer<T> {
    if (!(answer instanceof Promise)) return answer;
    this.#waiting++;
    const done = () => {
      this.#waiting--;
    };
    answer.then(done, done);
    return answer;
  }
}

/** One node of a mesh, whose workers are in this process. */
export class MeshNode implements BrokerFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly #options: MeshNodeOptions;
  readonly #node: Node<Publication>;
  readonly #name = systemRandom.bytes(6).toHex();
  /** As people and clients know it. */
  readonly name = `node-${this.#name}`;
  readonly #workers = new Map<Broker, { inner: LocalBroker; mesh: WatchedMesh }>();
  readonly #connections: NatsConnection[] = [];
  #last = 0;

  constructor(options: MeshNodeOptions) {
    this.#options = options;
    const { settings } = options;
    this.#node = new Node(
      { ...settings, clock: this.clock, random: new SeededRandom() },
      publicationHolding,
    );
  }

  async join(handler: BrokerHandler): Promise<MeshBroker> {
    const mesh = this.start(handler);
    await until(() => mesh.downSince === undefined);
    return mesh;
  }

  /** The same where NATS has not been reached yet. */
  start(handler: BrokerHandler): MeshBroker {
    const { server, prefix, settings, placeOf, clock = systemClock } = this.#options;
    const { connect = () => connectTo(server), domain, storage = "file" } = this.#options;
    const inner = new LocalBroker(this.#node, ++this.#last, handler);
    const mesh = new WatchedMesh({
      inner,
      handler,
      node: this.#name,
      meshId: this.name,
      connect: async () => {
        const connection = await connect();
        this.#connections.push(connection);
        return connection;
      },
      clock,
      random: systemRandom,
      afterTurn,
      log: this.log,
      apps: settings.apps,
      prefix,
      streams: { domain, replicas: 1, storage, idempotencyWindowMs: 60_000 },
      ...(placeOf === undefined ? {} : { placeOf }),
    });
    this.#workers.set(mesh, { inner, mesh });
    return mesh;
  }

  async leave(broker: Broker): Promise<void> {
    const worker = this.#workers.get(broker);
    this.#workers.delete(broker);
    worker?.inner.leave();
    await worker?.mesh.close();
    await this.settle();
  }

  /** What a server has on its way comes before its answer; what it republishes may come after that. */
  async settle(): Promise<void> {
    await this.#settle();
    if (this.#options.isReal !== true) return;
    await Promise.all([...this.#workers.values()].map(({ mesh }) => mesh.allCaughtUp()));
    await this.#settle();
  }

  async #settle(): Promise<void> {
    const messages = () => this.#connections.reduce((sum, each) => sum + each.stats().inMsgs, 0);
    for (let idle = 0, seen = -1; idle < IDLE_TURNS; idle++) {
      await this.flush();
      await turn();
      const isBusy = [...this.#workers.values()].some(({ mesh }) => mesh.isBusy);
      if (messages() !== seen || isBusy) idle = 0;
      seen = messages();
    }
  }

  /** What was sent to the server has been answered. */
  async flush(): Promise<void> {
    await Promise.all(this.#connections.map(flushed));
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    if (this.#options.isReal === true) await Bun.sleep(ms);
    await this.settle();
  }

  held(): number {
    return this.#node.held;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers.values()].map(({ mesh }) => mesh.close()));
  }
}

/** A connection that has not noticed yet that its server was started again is asked once more when it is back. */
async function flushed(connection: NatsConnection): Promise<void> {
  while (!connection.isClosed()) {
    const hasArrived = await connection.flush().then(
      () => true,
      () => turn(false),
    );
    if (hasArrived) return;
  }
}
