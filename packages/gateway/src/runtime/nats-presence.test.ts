import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { PresenceEvent } from "@starling/core/broker/broker.ts";
import { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { eventually } from "../../../../test/support/deadline.ts";
import { NatsCluster } from "../../../../test/support/nats-cluster.ts";
import { afterTurn, systemClock, systemRandom } from "./system.ts";
import { ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";

setDefaultTimeout(60_000);

const APP = "default";
const LEASE_MS = 2_000;
/** Longer than anything is waited for on a busy machine. */
const PATIENCE_MS = 30_000;
const apps = new Map([[APP, { namespaces: new Map() }]]);
const off = { ratePerSecond: 0 };

const server = await NatsServer.start();
afterAll(() => server.stop());

/** A node with one worker, which watches what it is told to. */
class TestNode {
  readonly presence: NatsPresence;
  readonly broker: LocalBroker;
  readonly events: PresenceEvent[] = [];
  readonly log = new RecordingLog();
  readonly #node: Node<Publication>;
  readonly #connections: NatsConnection[] = [];
  #isCrashed = false;

  /** @param servers as `NATS_URL` names them */
  constructor(prefix: string, name: string, servers = server.url) {
    this.#node = new Node<Publication>(
      {
        clock: systemClock,
        random: systemRandom,
        apps,
        rates: { user: off, address: off, api: off },
        idempotencyWindowMs: 0,
      },
      publicationHolding,
    );
    this.presence = new NatsPresence({
      node: name,
      start: systemRandom.bytes(9).toBase64({ alphabet: "base64url" }),
      since: systemClock.now(),
      connect: async () => {
        if (this.#isCrashed) throw new Error("the node is gone");
        const connection = await connect({
          servers: servers.split(","),
          noRandomize: true,
          maxReconnectAttempts: -1,
          reconnectTimeWait: 50,
          reconnectJitter: 0,
          noEcho: true,
        });
        this.#connections.push(connection);
        return connection;
      },
      showing: this.#node.presence,
      clock: systemClock,
      random: systemRandom,
      afterTurn,
      log: this.log,
      leaseMs: LEASE_MS,
      prefix,
    });
    this.#node.presence.join(this.presence.mesh);
    const handlers = new WorkerHandlers();
    handlers.onPresence((_app, _channel, event) => this.events.push(event));
    this.broker = new LocalBroker(this.#node, 1, handlers);
    nodes.push(this);
  }

  join(channel: string, connection: string): void {
    const member = {
      connection,
      clientId: connection,
      user: undefined,
      state: undefined,
      since: 1,
    };
    this.broker.present(APP, channel, { type: "join", member });
    this.broker.present(APP, channel, { type: "online", connection });
  }

  async members(channel: string): Promise<string[]> {
    const members = await this.broker.members(APP, channel);
    return members.map(({ connection }) => connection).sort();
  }

  async sees(channel: string, ...connections: string[]): Promise<void> {
    await eventually(
      `${connections.join()} in ${channel}`,
      async () => {
        const members = await this.members(channel);
        if (members.join() === [...connections].sort().join()) return true;
        await Bun.sleep(20);
        return undefined;
      },
      PATIENCE_MS,
    );
  }

  types(connection: string): string[] {
    const of = (event: PresenceEvent) =>
      event.type === "join" ? event.member.connection : event.connection;
    return this.events.filter((event) => of(event) === connection).map(({ type }) => type);
  }

  async knows(others: number): Promise<void> {
    await eventually(
      `${others} other nodes`,
      async () => {
        if (this.presence.mesh.nodes === others) return true;
        await Bun.sleep(10);
        return undefined;
      },
      PATIENCE_MS,
    );
  }

  /** Ends without a word. */
  async crash(): Promise<void> {
    this.#isCrashed = true;
    for (const connection of this.#connections) await connection.close();
  }

  close(): Promise<void> {
    return this.presence.close();
  }
}

const nodes: TestNode[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

async function meshOf(...names: string[]): Promise<[TestNode, TestNode, TestNode]> {
  const prefix = ownPrefix();
  const made = names.map((name) => new TestNode(prefix, name));
  for (const node of made) await node.knows(names.length - 1);
  return made as [TestNode, TestNode, TestNode];
}

describe("members over NATS", () => {
  test("are those of all nodes, for whoever watches and for whoever asks", async () => {
    const [a, b, c] = await meshOf("a", "b", "c");
    a.join("room", "a1");
    b.join("room", "b1");
    await c.sees("room", "a1", "b1");
    expect(await c.broker.presenceStats(APP, "room")).toEqual({ members: 2, users: 2 });
    await b.broker.watch(APP, "room");
    await b.sees("room", "a1", "b1");
    a.join("room", "a2");
    await b.sees("room", "a1", "a2", "b1");
    a.broker.present(APP, "room", { type: "leave", connection: "a1" });
    await b.sees("room", "a2", "b1");
    expect(b.types("a2")).toEqual(["join", "online"]);
    expect(b.types("a1").at(-1)).toBe("leave");
    expect(b.types("b1")).toEqual([]);
  });

  test("of names with every kind of character are told apart", async () => {
    const [a, b] = await meshOf("a", "b");
    const names = ["a.b", "a*b", "ü > b", "x".repeat(255), "a=2Eb", "a b"];
    for (const name of names) await b.broker.watch(APP, name);
    for (const [index, name] of names.entries()) a.join(name, `m${index}`);
    for (const [index, name] of names.entries()) await b.sees(name, `m${index}`);
  });

  test("of a node that vanishes leave within the lease, each once; of one that ends at once", async () => {
    const [a, b, c] = await meshOf("a", "b", "c");
    await b.broker.watch(APP, "room");
    a.join("room", "a1");
    c.join("room", "c1");
    await b.sees("room", "a1", "c1");
    await c.close();
    await b.sees("room", "a1");
    await a.crash();
    await b.sees("room");
    expect(b.types("a1")).toEqual(["join", "online", "leave"]);
    expect(b.types("c1")).toEqual(["join", "online", "leave"]);
    expect(b.presence.mesh.counters.lost).toBe(1);
  });

  test("of a node that begins anew are replaced at once", async () => {
    const prefix = ownPrefix();
    const [first, b] = [new TestNode(prefix, "a"), new TestNode(prefix, "b")];
    await b.knows(1);
    await b.broker.watch(APP, "room");
    first.join("room", "before");
    await b.sees("room", "before");
    await first.crash();
    const second = new TestNode(prefix, "a");
    second.join("room", "after");
    await b.sees("room", "after");
    expect(b.types("before")).toEqual(["join", "online", "leave"]);
  });

  test("are right again when NATS is back, whatever happened meanwhile", async () => {
    const [a, b] = await meshOf("a", "b");
    await b.broker.watch(APP, "room");
    for (let id = 0; id < 50; id++) a.join("room", `a${id}`);
    await b.sees("room", ...Array.from({ length: 50 }, (_, id) => `a${id}`));
    b.events.length = 0;
    await server.kill();
    a.join("room", "new");
    a.broker.present(APP, "room", { type: "leave", connection: "a0" });
    b.join("room", "b1");
    expect(await b.members("room")).toContain("b1");
    await server.restart();
    await a.sees("room", "b1", "new", ...Array.from({ length: 49 }, (_, id) => `a${id + 1}`));
    await b.sees("room", "b1", "new", ...Array.from({ length: 49 }, (_, id) => `a${id + 1}`));
  });

  test("leave when NATS is away for longer, the own stay, and all come back with it", async () => {
    const [a, b] = await meshOf("a", "b");
    await b.broker.watch(APP, "room");
    a.join("room", "a1");
    b.join("room", "b1");
    await b.sees("room", "a1", "b1");
    await server.kill();
    await b.sees("room", "b1");
    expect(await a.members("room")).toEqual(["a1"]);
    expect(b.types("a1")).toEqual(["join", "online", "leave"]);
    await server.restart();
    await b.sees("room", "a1", "b1");
    await a.sees("room", "a1", "b1");
    expect(b.types("a1")).toEqual(["join", "online", "leave", "join", "online"]);
  });

  test("are those of all nodes over a cluster of servers, and go on when one of these ends", async () => {
    const servers = await NatsCluster.start(2);
    try {
      const [first = "", second = ""] = servers.url.split(",");
      const prefix = ownPrefix();
      const a = new TestNode(prefix, "a", first);
      // It moves to the other server when its own ends.
      const b = new TestNode(prefix, "b", `${second},${first}`);
      await a.knows(1);
      await b.knows(1);
      await b.broker.watch(APP, "room");
      for (let id = 0; id < 100; id++) a.join("room", `a${id}`);
      const all = Array.from({ length: 100 }, (_, id) => `a${id}`);
      await b.sees("room", ...all);
      await servers.servers[1]?.kill();
      a.join("room", "late");
      await b.sees("room", "late", ...all);
      b.join("room", "b1");
      await a.sees("room", "b1", "late", ...all);
      await Promise.all(nodes.splice(0).map((node) => node.close()));
    } finally {
      await servers.stop();
    }
  });

  test("what is no message is counted, and harms nobody", async () => {
    const prefix = ownPrefix();
    const [a, b] = [new TestNode(prefix, "a"), new TestNode(prefix, "b")];
    await b.knows(1);
    const stranger = await connect({ servers: server.url });
    for (const body of [
      new Uint8Array(0),
      new Uint8Array(100).fill(0xff),
      Uint8Array.of(1, 0xa0),
    ]) {
      stranger.publish(`${prefix}.who.all`, body);
    }
    await stranger.flush();
    await stranger.close();
    a.join("room", "a1");
    await b.sees("room", "a1");
    expect(b.presence.mesh.counters.invalid).toBe(3);
  });
});
