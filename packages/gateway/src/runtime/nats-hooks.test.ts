/** Hooks of nodes that share a real NATS server, of which one sends to a real receiver. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { NatsHooks } from "@starling/core/broker/nats/nats-hooks.ts";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { Member } from "@starling/core/hub/member.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import { hookConfig, hookSettings } from "@starling/core/testing/hook-receiver.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { eventually } from "../../../../test/support/deadline.ts";
import { HookReceiver } from "../../../../test/support/hook-receiver.ts";
import { bunHttpClient } from "./http-client.ts";
import { afterTurn, systemClock, systemRandom } from "./system.ts";
import { ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";

setDefaultTimeout(60_000);

const APP = "default";
const LEASE_MS = 2_500;
/** Longer than anything is waited for on a busy machine. */
const PATIENCE_MS = 30_000;
const off = { ratePerSecond: 0 };

let server: NatsServer;
let receiver: HookReceiver;
const nodes: TestNode[] = [];
beforeAll(async () => {
  server = await NatsServer.start();
});
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.crash();
  receiver[Symbol.dispose]();
});
afterAll(() => server.stop());

/** What hooks and presence of a node need of it. */
class TestNode {
  readonly prefix: string;
  readonly name: string;
  readonly hooks: NatsHooks;
  readonly #presence: NatsPresence;
  readonly #connections: NatsConnection[] = [];
  #isCrashed = false;

  constructor(prefix: string, name: string) {
    this.prefix = prefix;
    this.name = name;
    const node = new Node<Publication>(
      {
        ...{ clock: systemClock, random: systemRandom, apps: new Map(), idempotencyWindowMs: 0 },
        rates: { user: off, address: off, api: off },
      },
      publicationHolding,
    );
    const shared = {
      ...{ start: systemRandom.bytes(9).toBase64(), since: systemClock.now(), prefix, afterTurn },
      ...{ clock: systemClock, random: systemRandom, log: new RecordingLog(), leaseMs: LEASE_MS },
    };
    this.hooks = new NatsHooks({
      ...shared,
      hooks: new Map([[APP, [hookConfig({ url: receiver.url })]]]),
      settings: {
        ...hookSettings,
        batchMs: 10,
        vacatedMs: 300,
        batchEvents: 1_000,
        queueEvents: 100_000,
        queueBytes: 32 * 1024 * 1024,
      },
      http: bunHttpClient,
      node: name,
    });
    this.#presence = new NatsPresence({
      ...{ ...shared, node: name, showing: node.presence },
      connect: async () => {
        if (this.#isCrashed) throw new Error("the node is gone");
        const connection = await connect({
          ...{ servers: server.url, noRandomize: true, maxReconnectAttempts: -1 },
          ...{ reconnectTimeWait: 50, reconnectJitter: 0, noEcho: true },
        });
        this.#connections.push(connection);
        return connection;
      },
    });
    this.hooks.join(this.#presence);
    nodes.push(this);
  }

  get counts() {
    return this.hooks.mesh.meshCounts;
  }

  join(channel: string, connection: string): void {
    const { observer } = this.hooks.mesh;
    observer.connected(APP, connection, undefined);
    observer.joined(APP, channel, memberOf(connection));
  }

  leave(channel: string, connection: string): void {
    const { observer } = this.hooks.mesh;
    observer.left(APP, channel, memberOf(connection));
    observer.disconnected(APP, connection, undefined);
  }

  /** Ends in order. */
  async stop(): Promise<void> {
    await this.hooks.mesh.drain();
    await this.#presence.close();
  }

  /** Ends without a word. */
  async crash(): Promise<void> {
    this.#isCrashed = true;
    for (const connection of this.#connections) await connection.close();
  }
}

function memberOf(connection: string): Member {
  return { ...{ connection, clientId: connection, user: undefined }, state: undefined, since: 0 };
}

/** Waits until that holds. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const attempt = async () => {
    if (holds()) return true;
    await Bun.sleep(10);
    return undefined;
  };
  await eventually(what, attempt, PATIENCE_MS);
}

async function informed(node: TestNode): Promise<void> {
  await until(`${node.name} informed`, () => node.counts.informed === 1);
}

/** Nodes of which the first sends. */
async function meshOf(...names: string[]): Promise<[TestNode, TestNode, TestNode]> {
  receiver = await HookReceiver.start();
  const prefix = ownPrefix();
  const made: TestNode[] = [];
  for (const name of names) {
    const node = new TestNode(prefix, name);
    made.push(node);
    if (made.length === 1) await until("a sender", () => node.counts.sends === 1);
  }
  for (const node of made) await informed(node);
  return made as [TestNode, TestNode, TestNode];
}

/** What the receiver was told, without what it was told before. */
function story(): string[] {
  const ids = new Set<string>();
  return receiver.taken
    .filter(({ id }) => !ids.has(id) && ids.add(id))
    .map(({ type, connection = "" }) => `${type} ${connection}`);
}

async function told(...events: string[]): Promise<void> {
  await until(events.join(), () => events.every((event) => story().includes(event)));
}

test("a sender that crashes is followed by another, which repeats with the same ids", async () => {
  const [a, b, c] = await meshOf("a", "b", "c");
  a.join("room", "on-a");
  b.join("room", "on-b");
  await told("join on-a", "join on-b");
  receiver.answer = () => 0;
  c.join("room", "on-c");
  await told("join on-c");
  await a.crash();
  receiver.answer = () => 200;
  b.leave("room", "on-b");
  await told("leave on-b", "leave on-a", "disconnect on-a");
  expect(b.counts.sends + c.counts.sends).toBe(1);
  expect(story().toSorted()).toEqual([
    ...["connect on-a", "connect on-b", "connect on-c", "disconnect on-a", "disconnect on-b"],
    ...["join on-a", "join on-b", "join on-c", "leave on-a", "leave on-b"],
  ]);
  await until("nothing that is kept", () => b.counts.kept + c.counts.kept === 0);
});

test("a sender that stops hands over at once, and nothing is told of its going", async () => {
  const [a, b, c] = await meshOf("a", "b", "c");
  b.join("room", "on-b");
  await told("join on-b");
  await a.stop();
  c.join("room", "on-c");
  await told("join on-c");
  expect(receiver.requests.at(-1)?.node).not.toBe("a");
  expect(story()).toEqual(["connect on-b", "join on-b", "connect on-c", "join on-c"]);
});

test("NATS that is away for longer than a lease makes nobody leave, and what happens is told later", async () => {
  const [a, b] = await meshOf("a", "b", "c");
  a.join("room", "on-a");
  b.join("room", "on-b");
  await told("join on-a", "join on-b");
  await server.kill();
  await Bun.sleep(1.3 * LEASE_MS);
  a.leave("room", "on-a");
  b.join("room", "late");
  await server.restart();
  await told("leave on-a", "join late");
  // Longer than those who are absent are waited for.
  await Bun.sleep(1.3 * LEASE_MS);
  expect(story().toSorted()).toEqual([
    ...["connect late", "connect on-a", "connect on-b", "disconnect on-a"],
    ...["join late", "join on-a", "join on-b", "leave on-a"],
  ]);
  expect(nodes.filter(({ counts }) => counts.sends === 1)).toHaveLength(1);
});

test("a node that comes later learns of thousands of members, and could send", async () => {
  const [a] = await meshOf("a");
  const count = 2_000;
  for (let n = 0; n < count; n++) a.join("room", `${n}`);
  await until("all joins", () => a.counts.kept === 0);
  const b = new TestNode(a.prefix, "b");
  await informed(b);
  expect(b.counts.facts).toBe(2 * count);
  await a.crash();
  await until("all leaves", () => story().length === 4 * count);
});
