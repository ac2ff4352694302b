import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { NatsReach } from "@starling/core/broker/nats/nats-reach.ts";
import { Node } from "@starling/core/broker/node.ts";
import { Counters } from "@starling/core/hub/counters.ts";
import { Hub } from "@starling/core/hub/hub.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import type { WireFormat } from "@starling/core/hub/subscriber.ts";
import { FakeNetwork } from "@starling/core/testing/fake-network.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { TestSubscriber } from "@starling/core/testing/test-subscriber.ts";
import { afterTurn, systemClock, systemRandom } from "./system.ts";
import { ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

setDefaultTimeout(60_000);

const APP = "default";
const HOUR = 3_600_000;
const LEASE_MS = 4_000;
const apps = new Map([[APP, { namespaces: new Map() }]]);
const off = { ratePerSecond: 0 };
const format: WireFormat = { id: "plain", encode: ({ data }) => [data] };

const server = await NatsServer.start();
afterAll(() => server.stop());

/** A node with as many workers, each of which has a hub. */
class TestNode {
  readonly presence: NatsPresence;
  readonly reach: NatsReach;
  readonly hubs: readonly Hub[];
  readonly #connections: NatsConnection[] = [];
  #isCrashed = false;

  constructor(prefix: string, name: string, workers: number, userRate = 0) {
    const rates = { user: { ratePerSecond: userRate }, address: off, api: off };
    const [clock, random, log] = [systemClock, systemRandom, new RecordingLog()];
    const node = new Node<Publication>(
      { clock, random, apps, rates, idempotencyWindowMs: 60_000 },
      publicationHolding,
    );
    const own = { node: name, start: systemRandom.bytes(9).toBase64({ alphabet: "base64url" }) };
    this.presence = new NatsPresence({
      ...{ ...own, clock, random, log, afterTurn, prefix, leaseMs: LEASE_MS },
      since: systemClock.now(),
      showing: node.presence,
      connect: async () => {
        if (this.#isCrashed) throw new Error("the node is gone");
        const connection = await connect({
          ...{ servers: server.url, maxReconnectAttempts: -1, noEcho: true },
          ...{ reconnectTimeWait: 50, reconnectJitter: 0 },
        });
        this.#connections.push(connection);
        return connection;
      },
      nodes: {
        came: (other) => this.reach.mesh.came(other),
        gone: (other) => this.reach.mesh.gone(other),
      },
    });
    this.reach = new NatsReach({
      ...{ own, node, clock, random, log, prefix, link: this.presence.link },
      ...{ leaseMs: LEASE_MS, idempotencyWindowMs: 60_000 },
      nodes: () => [...this.presence.mesh.others()],
    });
    node.presence.join(this.presence.mesh);
    node.joinMesh(this.reach.mesh);
    this.hubs = Array.from({ length: workers }, (_, index) => {
      const handlers = new WorkerHandlers();
      const broker = new LocalBroker(node, index, handlers);
      return new Hub({
        ...{ broker, handlers, clock, random, apps, counters: new Counters() },
        ...{ fanout: new FakeNetwork(1_024), slowConsumerBytes: 1_024 },
        maxChannelsPerConnection: 10,
      });
    });
    nodes.push(this);
  }

  get hub(): Hub {
    const [first] = this.hubs;
    if (first === undefined) throw new Error("the node has no worker");
    return first;
  }

  connected(id: string, user: string, worker = 0): TestSubscriber {
    const subscriber = new TestSubscriber(id, undefined, format, user);
    this.hubs[worker]?.register(subscriber);
    return subscriber;
  }

  admits(user: string): boolean {
    try {
      void this.hub.admit(APP, user);
      return true;
    } catch {
      return false;
    }
  }

  knows(others: number): Promise<void> {
    return until(() => this.presence.mesh.nodes === others);
  }

  /** Ends without a word. */
  async crash(): Promise<void> {
    this.#isCrashed = true;
    for (const connection of this.#connections) await connection.close();
  }

  async close(): Promise<void> {
    this.reach.close();
    await this.presence.close();
  }
}

const nodes: TestNode[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

async function twoNodes() {
  const prefix = ownPrefix();
  const a = new TestNode(prefix, "a", 2);
  const b = new TestNode(prefix, "b", 2);
  await Promise.all([a.knows(1), b.knows(1)]);
  return { prefix, a, b };
}

describe("disconnecting over NATS", () => {
  test("reaches all workers of all nodes, and answers the total", async () => {
    const { a, b } = await twoNodes();
    const own = a.connected("1", "ada");
    const others = [
      a.connected("2", "ada", 1),
      b.connected("3", "ada"),
      b.connected("4", "ada", 1),
    ];
    const bob = b.connected("5", "bob");
    expect(await a.hub.disconnect(APP, { user: "ada" })).toEqual({
      ...{ connections: 4, unanswered: [], isComplete: true },
    });
    for (const { disconnectedFor } of [own, ...others]) {
      expect(disconnectedFor).toBe("disconnected_by_publisher");
    }
    expect(bob.disconnectedFor).toBeUndefined();
    expect(await a.hub.disconnect(APP, { connection: "5" })).toMatchObject({ connections: 1 });
  });

  test("names a node that has vanished until its lease has ended", async () => {
    const { a, b } = await twoNodes();
    await b.crash();
    const own = a.connected("1", "ada");
    expect(await a.hub.disconnect(APP, { user: "ada" })).toEqual({
      ...{ connections: 1, unanswered: ["b"], isComplete: false },
    });
    expect(own.disconnectedFor).toBe("disconnected_by_publisher");
    await a.knows(0);
    expect(await a.hub.disconnect(APP, { user: "ada" })).toMatchObject({ isComplete: true });
  });

  test("does its own part where NATS is away, and says that this is not all", async () => {
    const { a, b } = await twoNodes();
    await server.kill();
    try {
      await until(() => a.presence.downSince !== undefined && b.presence.downSince !== undefined);
      const own = [a.connected("1", "ada"), a.connected("2", "ada", 1)];
      expect(await a.hub.disconnect(APP, { user: "ada" })).toMatchObject({
        ...{ connections: 2, isComplete: false },
      });
      for (const { disconnectedFor } of own) {
        expect(disconnectedFor).toBe("disconnected_by_publisher");
      }
    } finally {
      await server.restart();
    }
  });
});

describe("a ban over NATS", () => {
  test("holds on all workers of all nodes, ends connections, and can be lifted anywhere", async () => {
    const { a, b } = await twoNodes();
    const there = b.connected("1", "ada", 1);
    await a.hub.ban(APP, "ada", Date.now() + HOUR);
    await until(() => there.disconnectedFor !== undefined);
    await until(() => !b.admits("ada"));
    expect([a.admits("ada"), a.admits("bob"), b.admits("bob")]).toEqual([false, true, true]);
    expect(b.hub.bans(APP).map(({ user }) => user)).toEqual(["ada"]);
    await b.hub.ban(APP, "ada", 0);
    await until(() => a.admits("ada"));
  });

  test("holds on a node that starts later, and on one that was cut off when it is back", async () => {
    const { prefix, a, b } = await twoNodes();
    await a.hub.ban(APP, "ada", Date.now() + HOUR);
    const late = new TestNode(prefix, "late", 1);
    await until(() => !late.admits("ada"));
    const there = b.connected("1", "bob");
    await server.kill();
    try {
      await until(() => nodes.every(({ presence }) => presence.downSince !== undefined));
      await a.hub.ban(APP, "bob", Date.now() + HOUR);
      expect(b.admits("bob")).toBe(true);
    } finally {
      await server.restart();
    }
    await until(() => there.disconnectedFor !== undefined);
    await until(() => !b.admits("bob") && !late.admits("bob"));
  });
});
