/** What a back end says to one of two nodes that share a NATS system holds on both. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { newChannel, PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { post } from "../support/publisher-api.ts";
import { eventPayload, pack, SignallingClient, unpack } from "../support/signalling-client.ts";
import { StockClients } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  namespaces: { demo: anyone },
  limits: { connectionsPerUser: 3 },
});

let nats: NatsServer;
let shared: Record<string, string>;
let here: GatewayProcess;
let there: GatewayProcess;
const clientsHere = new StockClients(() => ({ url: here.subscriberUrl, ca: here.ca }));
const clientsThere = new StockClients(() => ({ url: there.subscriberUrl, ca: there.ca }));

beforeAll(async () => {
  nats = await NatsServer.start();
  shared = {
    ...{ CONFIG_FILE: config.path, NATS_URL: nats.url, DRAIN_SECONDS: "1" },
    ...{ PUBLIC_KEYS: PUBLIC_KEY, CONNECT_RATE_PER_USER: "0", CONNECT_RATE_PER_ADDRESS: "0" },
  };
  [here, there] = await Promise.all([
    startGatewayProcess({ ...shared, MESH_ID: "eu-1" }),
    startGatewayProcess({
      ...{ ...shared, MESH_ID: "us-1" },
      ...{ CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" },
    }),
  ]);
  await Promise.all([here, there].map((node) => shows(node, "starling_mesh_presence_nodes", 1)));
});

afterAll(async () => {
  clientsHere.disconnectAll();
  clientsThere.disconnectAll();
  expect(await Promise.all([here.stop(), there.stop()])).toEqual([0, 0]);
  await nats.stop();
  config[Symbol.dispose]();
});

async function shows(node: GatewayProcess, metric: string, value: number): Promise<void> {
  await eventually(`${metric} ${value}`, async () => {
    const { text } = await httpsCall(`${node.publisherUrl}/metrics`, node.ca);
    if (text.includes(`\n${metric} ${value}\n`)) return true;
    await Bun.sleep(50);
    return undefined;
  });
}

async function get(node: GatewayProcess, path: string) {
  return JSON.parse((await httpsCall(`${node.publisherUrl}${path}`, node.ca)).text);
}

/** Over one connection each: a session that moves between workers is on both for a moment. */
const optionsOf = (user: string) => ({
  transports: ["websocket"],
  query: { uniqueUserId: user },
});

/** A client, and how it is disconnected. */
async function connected(clients: StockClients, user: string) {
  const socket = await clients.connected(optionsOf(user));
  const left = Promise.withResolvers<string>();
  socket.once("disconnect", left.resolve);
  return { socket, left: left.promise };
}

test("what a member does carries the name of the node that it is on, and so does what is published", async () => {
  const channel = newChannel();
  using ada = await SignallingClient.open(here, { query: { publickey: PUBLIC_KEY, id: "ada" } });
  await ada.join(channel);
  using bob = await SignallingClient.open(there, { query: { publickey: PUBLIC_KEY, id: "bob" } });
  await bob.join(channel);
  bob.send({ t: "control", op: "peer_online", c: channel, p: "bob" });
  bob.send({ t: "control", op: "peer_state", c: channel, pl: pack({ id: "bob" }) });
  expect(await ada.next()).toMatchObject({ op: "peer_online", p: "bob", mesh: "us-1" });
  expect(await ada.next()).toMatchObject({ op: "peer_state", p: "bob", mesh: "us-1" });
  bob.send({ t: "data", c: channel, pl: eventPayload("e", "1") });
  expect(await ada.next()).toMatchObject({ t: "data", p: "bob", mesh: "us-1" });
  await post(here, "/api/publish", { channel, data: 2 });
  expect(await ada.next()).toMatchObject({ t: "data", mesh: "eu-1" });
  expect(await bob.next()).toMatchObject({ t: "data", mesh: "eu-1" });
  const nodes = async (node: GatewayProcess) => {
    const { members } = await get(node, `/api/presence?channel=${encodeURIComponent(channel)}`);
    const pairs = (members as { clientId: string; mesh: string }[]).map(
      ({ clientId, mesh }) => `${clientId} ${mesh}`,
    );
    return pairs.sort();
  };
  expect(await nodes(here)).toEqual(["ada eu-1", "bob us-1"]);
  expect(await nodes(there)).toEqual(["ada eu-1", "bob us-1"]);
  bob.send({ t: "control", op: "peer_offline", c: channel });
  expect(await ada.next()).toMatchObject({ op: "peer_offline", p: "bob", mesh: "us-1" });
});

describe("POST /api/disconnect", () => {
  test("ends the connections of a user on all nodes, and one wherever it is", async () => {
    const user = crypto.randomUUID();
    const clients = [
      await connected(clientsHere, user),
      await connected(clientsThere, user),
      await connected(clientsThere, user),
    ];
    expect(await post(here, "/api/disconnect", { user })).toEqual({
      ...{ status: 200, ok: true, connections: 3, complete: true, unanswered: [] },
    });
    for (const { left } of clients) expect(await left).toBe("io server disconnect");
    const { socket, left } = await connected(clientsHere, user);
    expect(await post(there, "/api/disconnect", { connection: socket.id })).toMatchObject({
      connections: 1,
    });
    expect(await left).toBe("io server disconnect");
  });

  test("with a ban keeps the user away from all nodes, until it is lifted on any", async () => {
    const user = crypto.randomUUID();
    const { left } = await connected(clientsThere, user);
    expect(await post(here, "/api/disconnect", { user, ban: 3_600 })).toMatchObject({
      ...{ status: 200, connections: 1 },
    });
    expect(await left).toBe("io server disconnect");
    expect((await clientsHere.refused(optionsOf(user))).message).toContain("banned");
    await shows(there, "starling_bans", 1);
    expect((await clientsThere.refused(optionsOf(user))).message).toContain("banned");
    expect((await get(there, "/api/bans")).bans).toEqual([{ user, until: expect.any(Number) }]);
    expect(await post(there, "/api/unban", { user })).toEqual({
      ...{ status: 200, ok: true, lifted: true },
    });
    await clientsThere.connected(optionsOf(user));
    await eventually("a client that may come again", async () => {
      const { bans } = await get(here, "/api/bans");
      return bans.length === 0 ? true : undefined;
    });
    await clientsHere.connected(optionsOf(user));
  });

  test("refuses a ban that is none", async () => {
    for (const request of [
      { user: "ada", ban: 0 },
      { user: "ada", ban: 1.5 },
      { user: "ada", ban: 3_000_000_000 },
      { connection: "1", ban: 60 },
    ]) {
      const { status, error } = await post(here, "/api/disconnect", request);
      expect([status, error?.name]).toEqual([400, "invalid_request"]);
      expect(error?.message).toContain("ban");
    }
  });
});

test("a user has no more connections on both nodes together than one may have", async () => {
  const user = crypto.randomUUID();
  const clients = [
    await connected(clientsHere, user),
    await connected(clientsThere, user),
    await connected(clientsThere, user),
  ];
  for (const nodes of [clientsHere, clientsThere]) {
    await eventually("a refusal", () =>
      nodes.connected(optionsOf(user)).then(
        // Where the node that counts takes too long, the other one lets them in.
        (socket) => void socket.disconnect(),
        (error: Error) => {
          expect(error.message).toBe("the user has as many connections as one may have");
          return true;
        },
      ),
    );
  }
  clients[0]?.socket.disconnect();
  await eventually("room for another connection", () =>
    clientsThere.connected(optionsOf(user)).then(
      () => true,
      () => undefined,
    ),
  );
});

test("a request with a key that is repeated at another node is answered alike, and delivered once", async () => {
  const channel = newChannel();
  using ada = await SignallingClient.open(there, { query: { publickey: PUBLIC_KEY, id: "ada" } });
  await ada.join(channel);
  for (let attempt = 0; attempt < 8; attempt++) {
    const request = { channel, data: attempt, idempotencyKey: crypto.randomUUID() };
    const first = await post(here, "/api/publish", request);
    expect(first).toMatchObject({ status: 200, ok: true });
    expect(await post(there, "/api/publish", request)).toEqual(first);
    expect(await post(here, "/api/publish", request)).toEqual(first);
    expect(await post(there, "/api/publish", { ...request, data: "another" })).toMatchObject({
      ...{ status: 409, error: { name: "idempotency_conflict" } },
    });
  }
  await post(here, "/api/publish", { channel, data: "last" });
  const heard: unknown[] = [];
  while (heard.at(-1) !== "last") {
    const { pl } = await ada.next();
    if (pl !== undefined) heard.push(JSON.parse((unpack(pl) as { data: string }).data));
  }
  expect(heard).toEqual([0, 1, 2, 3, 4, 5, 6, 7, "last"]);
});

test("a second node with the same MESH_ID is noticed by all, and nothing breaks", async () => {
  const double = await startGatewayProcess({ ...shared, MESH_ID: "eu-1" });
  try {
    await here.nextLine("two nodes that run have the same MESH_ID");
    await double.nextLine("two nodes that run have the same MESH_ID");
    await shows(here, "starling_mesh_presence_namesakes", 1);
    const user = crypto.randomUUID();
    const { left } = await connected(clientsHere, user);
    expect(await post(double, "/api/disconnect", { user })).toMatchObject({
      ...{ connections: 1, complete: true },
    });
    await left;
  } finally {
    expect(await double.stop()).toBe(0);
  }
  await shows(here, "starling_mesh_presence_namesakes", 0);
});
