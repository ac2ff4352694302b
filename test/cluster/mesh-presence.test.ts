/** Members of a channel on three nodes that share a NATS system: everybody sees everybody, as on one. */

import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { PresenceChild } from "../support/presence-child.ts";
import type { PresencePeer } from "../support/presence-peer.ts";
import { newChannel, PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { pack, type Signal, SignallingClient, unpack } from "../support/signalling-client.ts";

setDefaultTimeout(90_000);

const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  namespaces: {
    demo: anyone,
    // Whoever is in a channel without history is closed when NATS comes back.
    kept: { ...anyone, historySize: 10, historyTtl: 600 },
  },
});
const LEASE_MS = 8_000;
/** Longer than any lease is waited for on a busy machine. */
const PATIENCE_MS = 40_000;

let nats: NatsServer;
let shared: Record<string, string>;
let alone: GatewayProcess;
let cluster: GatewayProcess;
let third: GatewayProcess;
const children: PresenceChild[] = [];
const clients: SignallingClient[] = [];

beforeAll(async () => {
  nats = await NatsServer.start();
  shared = {
    CONFIG_FILE: config.path,
    NATS_URL: nats.url,
    DRAIN_SECONDS: "1",
    PUBLIC_KEYS: PUBLIC_KEY,
    CONNECT_RATE_PER_ADDRESS: "0",
    PRESENCE_LEASE: `${LEASE_MS}`,
  };
  [alone, cluster, third] = await Promise.all([
    startGatewayProcess({ ...shared, MESH_ID: "alone" }),
    startGatewayProcess({
      ...shared,
      MESH_ID: "cluster",
      CLUSTER_MODE: "1",
      CLUSTER_INSTANCES: "2",
    }),
    startGatewayProcess({ ...shared, MESH_ID: "third" }),
  ]);
  await meet(alone, cluster, third);
});

afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
  for (const client of clients.splice(0)) client[Symbol.dispose]();
});

afterAll(async () => {
  expect(await Promise.all([alone.stop(), cluster.stop(), third.stop()])).toEqual([0, 0, 0]);
  await nats.stop();
  config[Symbol.dispose]();
});

/** Waits until nodes know one another. */
async function meet(...nodes: readonly GatewayProcess[]): Promise<void> {
  for (const node of nodes) await knows(node, nodes.length - 1);
}

async function knows(node: GatewayProcess, others: number): Promise<void> {
  await eventually(
    `a node that knows ${others} others`,
    async () => {
      const { text } = await httpsCall(`${node.publisherUrl}/metrics`, node.ca);
      if (text.includes(`\nstarling_mesh_presence_nodes ${others}\n`)) return true;
      await Bun.sleep(50);
      return undefined;
    },
    PATIENCE_MS,
  );
}

/** A user of the published client on a node. */
async function opened(node: GatewayProcess, id: string): Promise<PresencePeer> {
  const child = new PresenceChild(node.caFile);
  children.push(child);
  await child.peer.open(node.subscriberUrl, id, PUBLIC_KEY);
  return child.peer;
}

async function member(node: GatewayProcess, channel: string, id: string) {
  const client = await SignallingClient.open(node, { query: { publickey: PUBLIC_KEY, id } });
  clients.push(client);
  await client.join(channel);
  client.send({ t: "control", op: "peer_online", c: channel, p: id });
  client.send({ t: "control", op: "peer_state", c: channel, pl: pack({ id }) });
  return client;
}

/** The client ids of the members, and how many there are, as a node tells back ends. */
async function membersAt(node: GatewayProcess, channel: string) {
  const query = `channel=${encodeURIComponent(channel)}`;
  const get = async (path: string) => {
    const url = `${node.publisherUrl}/api/${path}?${query}`;
    return JSON.parse((await httpsCall(url, node.ca)).text);
  };
  const [{ members }, stats] = await Promise.all([get("presence"), get("presence/stats")]);
  const ids = (members as { clientId: string }[]).map(({ clientId }) => clientId).sort();
  return { ids, count: stats.members };
}

async function agree(channel: string, nodes: readonly GatewayProcess[], ...ids: string[]) {
  const expected = { ids: [...ids].sort(), count: ids.length };
  for (const node of nodes) {
    await eventually(
      `${ids.join()} as the members`,
      async () => {
        if (Bun.deepEquals(await membersAt(node, channel), expected)) return true;
        await Bun.sleep(50);
        return undefined;
      },
      PATIENCE_MS,
    );
  }
}

const ops = (signals: readonly Signal[], p: string) =>
  signals.filter((signal) => signal.p === p).map(({ op }) => op);

describe("the published client on three nodes", () => {
  test("everybody sees everybody's state, and who leaves is gone for all", async () => {
    const channel = newChannel();
    const ada = await opened(alone, "ada");
    await ada.join(channel, { id: "ada", at: 1 });
    const bob = await opened(cluster, "bob");
    await bob.join(channel, { id: "bob", at: 2 });
    await Promise.all([ada.sees([{ id: "bob", at: 2 }]), bob.sees([{ id: "ada", at: 1 }])]);
    const carol = await opened(third, "carol");
    await carol.join(channel, { id: "carol", at: 3 });
    await ada.sees([
      { id: "bob", at: 2 },
      { id: "carol", at: 3 },
    ]);
    await bob.sees([
      { id: "ada", at: 1 },
      { id: "carol", at: 3 },
    ]);
    await carol.sees([
      { id: "ada", at: 1 },
      { id: "bob", at: 2 },
    ]);
    await agree(channel, [alone, cluster, third], "ada", "bob", "carol");
    await bob.leave();
    await ada.sees([{ id: "carol", at: 3 }]);
    await carol.sees([{ id: "ada", at: 1 }]);
  });

  test("who vanishes without a word from the client is gone for all, too", async () => {
    const channel = newChannel();
    const ada = await opened(alone, "ada");
    await ada.join(channel, { id: "ada" });
    const bob = await opened(cluster, "bob");
    await bob.join(channel, { id: "bob" });
    await ada.sees([{ id: "bob" }]);
    await children.at(-1)?.kill();
    await ada.sees([]);
  });
});

test("a page that comes back on another node stays there for all when its former node is given up", async () => {
  const channel = newChannel();
  const ada = await opened(alone, "ada");
  await ada.join(channel, { id: "ada" });
  const doomed = await startGatewayProcess({ ...shared, MESH_ID: "doomed" });
  await knows(alone, 3);
  const bob = await opened(doomed, "bob");
  await bob.join(channel, { id: "bob", at: 1 });
  await ada.sees([{ id: "bob", at: 1 }]);
  await children.at(-1)?.kill();
  process.kill(doomed.pid, "SIGKILL");
  const back = await opened(cluster, "bob");
  await back.join(channel, { id: "bob", at: 2 });
  // Which says at once that what the node had before is no more, without waiting for the lease.
  const again = await startGatewayProcess({ ...shared, MESH_ID: "doomed" });
  try {
    await agree(channel, [alone, cluster, third, again], "ada", "bob");
    await Promise.all([ada.sees([{ id: "bob", at: 2 }]), back.sees([{ id: "ada" }])]);
    await back.leave();
    await ada.sees([]);
  } finally {
    await again.stop();
  }
  await knows(alone, 2);
});

test("events of a member arrive in order on other nodes, each once", async () => {
  const channel = newChannel();
  const watcher = await member(alone, channel, "watcher");
  const mover = await member(cluster, channel, "mover");
  for (let at = 0; at < 200; at++) {
    mover.send({ t: "control", op: "peer_state", c: channel, pl: pack({ id: "mover", at }) });
  }
  mover.send({ t: "control", op: "peer_offline", c: channel });
  const heard: Signal[] = [];
  while (heard.at(-1)?.op !== "peer_offline") heard.push(await watcher.next());
  const states = heard.filter(({ op }) => op === "peer_state").map(({ pl }) => pl && unpack(pl));
  expect(states).toEqual([
    { id: "mover" },
    ...Array.from({ length: 200 }, (_, at) => ({ id: "mover", at })),
  ]);
  expect(ops(heard, "mover").filter((op) => op !== "peer_state")).toEqual([
    "peer_online",
    "peer_offline",
  ]);
});

test("a node that is killed: its members are offline elsewhere, once; started again, nobody is there twice", async () => {
  const channel = newChannel();
  const watcher = await member(alone, channel, "watcher");
  const doomed = await startGatewayProcess({ ...shared, MESH_ID: "doomed" });
  await knows(alone, 3);
  for (const id of ["x", "y"]) await member(doomed, channel, id);
  await agree(channel, [alone, cluster, third], "watcher", "x", "y");
  process.kill(doomed.pid, "SIGKILL");
  // The client of one comes back elsewhere before anybody has noticed.
  await member(cluster, channel, "x");
  const again = await startGatewayProcess({ ...shared, MESH_ID: "doomed" });
  try {
    await agree(channel, [alone, cluster, third, again], "watcher", "x");
    const heard = watcher.unread();
    expect(ops(heard, "y")).toEqual(["peer_online", "peer_state", "peer_offline"]);
    // Who is back elsewhere has not gone.
    expect(ops(heard, "x").filter((op) => op === "peer_offline")).toEqual([]);
  } finally {
    await again.stop();
  }
  await knows(alone, 2);
});

test("while NATS is away the own node goes on, the others' members go, and come back with it", async () => {
  const channel = `kept:${crypto.randomUUID()}`;
  const watcher = await member(alone, channel, "watcher");
  await member(cluster, channel, "far");
  await agree(channel, [alone, cluster], "watcher", "far");
  await nats.kill();
  await agree(channel, [alone], "watcher");
  await member(alone, channel, "near");
  await agree(channel, [alone], "watcher", "near");
  await nats.restart();
  await agree(channel, [alone, cluster, third], "watcher", "near", "far");
  const heard = watcher.unread();
  expect(ops(heard, "far").filter((op) => op !== "peer_state")).toEqual([
    "peer_online",
    "peer_offline",
    "peer_online",
  ]);
  expect(ops(heard, "near")).toContain("peer_online");
});
