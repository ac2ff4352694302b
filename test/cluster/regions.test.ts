/** The configurations of `deploy/nats` as they stand: one server, a cluster, two regions in both ways. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { eventually } from "../support/deadline.ts";
import { DeployedNats } from "../support/deployed-nats.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { IssuedCertificate } from "../support/issued-certificate.ts";
import { eventPayload, SignallingClient } from "../support/signalling-client.ts";

setDefaultTimeout(120_000);

/** How long servers and nodes may take to agree on a busy machine, ms. */
const PATIENCE_MS = 60_000;
/** What servers log that have agreed on who leads them. */
const LEADER = "metadata leader";
const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  namespaces: {
    demo: anyone,
    kept: { ...anyone, historySize: 1_000, historyTtl: 600, recover: true },
  },
});
const certificate = new IssuedCertificate();

afterAll(() => {
  config[Symbol.dispose]();
  certificate[Symbol.dispose]();
});

/** Two nodes. */
class Mesh implements AsyncDisposable {
  readonly nodes: readonly [here: GatewayProcess, there: GatewayProcess];

  constructor(nodes: readonly [GatewayProcess, GatewayProcess]) {
    this.nodes = nodes;
  }

  /** Each node is told of servers of its own. */
  static async start(
    nats: DeployedNats,
    here: readonly string[],
    there: readonly string[],
    more: { readonly both?: Record<string, string>; readonly there?: Record<string, string> } = {},
  ): Promise<Mesh> {
    const shared = { CONFIG_FILE: config.path, DRAIN_SECONDS: "1", ...more.both };
    const [first, second] = await Promise.all([
      startGatewayProcess({ ...shared, ...nats.nodeSettings(...here), MESH_ID: "here" }),
      startGatewayProcess({
        ...shared,
        ...nats.nodeSettings(...there),
        MESH_ID: "there",
        ...more.there,
      }),
    ]);
    await Promise.all([meets(first), meets(second)]);
    return new Mesh([first, second]);
  }

  /** What servers have refused, permissions that are wanting for example. */
  get refusals(): readonly string[] {
    const lines = this.nodes.flatMap(({ logLines }) => logLines);
    return lines.map(({ msg }) => msg).filter((text) => /^NATS (refuses|reports)/.test(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

async function soon(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  await eventually(what, async () => ((await isTrue()) ? true : undefined), PATIENCE_MS);
}

/** Waits until a node is ready and knows another one. */
async function meets(node: GatewayProcess): Promise<void> {
  await soon("a node that knows another one", async () => {
    const { text } = await httpsCall(`${node.publisherUrl}/metrics`, node.ca);
    const { status } = await httpsCall(`${node.subscriberUrl}/ready`, node.ca);
    return status === 200 && text.includes("\nstarling_mesh_presence_nodes 1\n");
  });
}

async function publish(node: GatewayProcess, channel: string, data: unknown): Promise<number> {
  const body = JSON.stringify({ channel, event: "e", data });
  const call = { body, ms: PATIENCE_MS };
  return (await httpsCall(`${node.publisherUrl}/api/publish`, node.ca, call)).status;
}

/** The same until the servers keep what is published. */
async function keeps(node: GatewayProcess, channel: string, data: unknown): Promise<void> {
  await soon(
    "a publication that is kept",
    async () => (await publish(node, channel, data)) === 200,
  );
}

async function get(node: GatewayProcess, path: string, channel: string) {
  const url = `${node.publisherUrl}/api/${path}?channel=${encodeURIComponent(channel)}`;
  return JSON.parse((await httpsCall(url, node.ca, { ms: PATIENCE_MS })).text);
}

/** Data and positions of what a node says that the channel keeps. */
async function historyAt(node: GatewayProcess, channel: string): Promise<unknown> {
  const { publications } = await get(node, "history", channel);
  return (publications as { data: unknown; position: string }[]).map(({ data, position }) => ({
    data,
    position,
  }));
}

async function membersAt(node: GatewayProcess, channel: string): Promise<readonly string[]> {
  const { members } = await get(node, "presence", channel);
  return (members as { clientId: string }[]).map(({ clientId }) => clientId).sort();
}

async function joined(node: GatewayProcess, channel: string, id: string) {
  const client = await SignallingClient.open(node, { id });
  await client.join(channel);
  client.send({ t: "control", op: "peer_online", c: channel, p: id });
  return client;
}

/** Reads on until that was said. */
async function hears(client: SignallingClient, data: unknown): Promise<void> {
  const expected = eventPayload("e", JSON.stringify(data));
  for (;;) {
    const { t, pl } = await client.next(PATIENCE_MS);
    if (t === "data" && pl !== undefined && expected.equals(Buffer.from(pl))) return;
  }
}

async function agree(mesh: Mesh, channel: string, ...ids: readonly string[]): Promise<void> {
  for (const node of mesh.nodes) await sees(node, channel, ...ids);
}

async function sees(node: GatewayProcess, channel: string, ...ids: readonly string[]) {
  await soon(`${ids.join()} as the members`, async () =>
    Bun.deepEquals(await membersAt(node, channel), ids),
  );
}

/** Publishes on a node until a client of the other one hears it: it does not say when it has begun to. */
async function reaches(node: GatewayProcess, channel: string, client: SignallingClient) {
  const heard = hears(client, "to you").then(() => true);
  await soon("a publication on the other node", async () => {
    await publish(node, channel, "to you");
    return Promise.race([heard, Bun.sleep(50).then(() => false)]);
  });
}

/** Both nodes have one history, one set of members, and hear each other. */
async function expectOneMesh(mesh: Mesh): Promise<void> {
  const [here, there] = mesh.nodes;
  await keeps(here, "kept:a", "first");
  using ada = await joined(here, "kept:a", "ada");
  using bob = await joined(there, "kept:a", "bob");
  await agree(mesh, "kept:a", "ada", "bob");
  expect(await publish(there, "kept:a", "second")).toBe(200);
  expect(await publish(here, "kept:a", "third")).toBe(200);
  for (const client of [ada, bob]) {
    for (const data of ["second", "third"]) await hears(client, data);
  }
  const history = await historyAt(here, "kept:a");
  expect(history).toMatchObject([{ data: "first" }, { data: "second" }, { data: "third" }]);
  expect(await historyAt(there, "kept:a")).toEqual(history);
  using carol = await joined(here, "demo:a", "carol");
  using dave = await joined(there, "demo:a", "dave");
  await reaches(here, "demo:a", dave);
  await reaches(there, "demo:a", carol);
  expect(mesh.refusals).toEqual([]);
}

test("one server", async () => {
  await using nats = new DeployedNats(certificate);
  const url = await nats.start("one-server.conf", "one");
  await using mesh = await Mesh.start(nats, [url], [url]);
  await expectOneMesh(mesh);
});

test("a cluster of three servers that each keep what is published", async () => {
  await using nats = new DeployedNats(certificate);
  const routes = await nats.addresses(3);
  const servers = routes.map((listen, index) =>
    nats.start("cluster.conf", `n${index + 1}`, {
      CLUSTER_LISTEN: listen,
      CLUSTER_ROUTES: listOf(routes),
    }),
  );
  const urls = await Promise.all(servers);
  for (const name of ["n1", "n2", "n3"]) await nats.says(name, LEADER);
  const both = { NATS_REPLICAS: "3" };
  await using mesh = await Mesh.start(nats, urls.slice(0, 1), urls.slice(1), { both });
  await expectOneMesh(mesh);
});

test("two regions as a super-cluster: histories are at home", async () => {
  await using nats = new DeployedNats(certificate);
  const routes = await nats.addresses(4);
  const gateways = await nats.addresses(4);
  const [away = ""] = gateways.slice(3);
  const regions = [
    `{ name: home, urls: ${listOf(gateways.slice(0, 3))} }`,
    `{ name: away, urls: ${listOf([away])} }`,
  ];
  const [homes, urlAway] = await Promise.all([
    Promise.all(
      ["h1", "h2", "h3"].map((name, index) =>
        nats.start("supercluster-home.conf", name, {
          REGION: "home",
          CLUSTER_LISTEN: routes[index] ?? "",
          CLUSTER_ROUTES: listOf(routes.slice(0, 3)),
          GATEWAY_LISTEN: gateways[index] ?? "",
          GATEWAY_ADVERTISE: gateways[index] ?? "",
          GATEWAYS: `[${regions.join()}]`,
        }),
      ),
    ),
    nats.start("supercluster-away.conf", "a1", {
      REGION: "away",
      CLUSTER_LISTEN: routes[3] ?? "",
      CLUSTER_ROUTES: listOf(routes.slice(3)),
      GATEWAY_LISTEN: away,
      GATEWAY_ADVERTISE: away,
      GATEWAYS: `[${regions.join()}]`,
    }),
  ]);
  for (const name of ["h1", "h2", "h3"]) {
    await nats.says(name, LEADER);
    await nats.says(name, 'Outbound gateway connection to "away"');
  }
  await nats.says("a1", 'Outbound gateway connection to "home"');
  const both = { NATS_REPLICAS: "3" };
  await using mesh = await Mesh.start(nats, homes, [urlAway], { both });
  await expectOneMesh(mesh);
});

describe("two regions as leaf nodes", () => {
  const nats = new DeployedNats(certificate);
  let line: CutProxy;
  let mesh: Mesh;

  beforeAll(async () => {
    const [listen = ""] = await nats.addresses(1);
    line = await CutProxy.open(Number(listen.split(":")[1]), "127.0.0.1");
    const home = await nats.start("leaf-home.conf", "home", {
      LEAF_LISTEN: listen,
      LEAF_ADVERTISE: `127.0.0.1:${line.port}`,
    });
    const away = await nats.start("leaf-away.conf", "away", {
      REGION: "away",
      HOME_URLS: `["tls://leaf:of-the-leaves@127.0.0.1:${line.port}"]`,
    });
    await nats.says("away", "Leafnode connection created");
    const both = { NATS_JS_DOMAIN: "home", PRESENCE_LEASE: "2000" };
    mesh = await Mesh.start(nats, [home], [away], { both });
  });

  afterAll(async () => {
    await mesh[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
    line[Symbol.dispose]();
  });

  test("are one mesh, whose histories are at home", () => expectOneMesh(mesh));

  test("have sessions of long-polling at one node each, and another one says so", async () => {
    const [here, there] = mesh.nodes;
    const path = "/socket.io/?EIO=4&transport=polling";
    const { text } = await httpsCall(`${here.subscriberUrl}${path}`, here.ca);
    const { sid } = JSON.parse(text.slice(1));
    const { status, text: refusal } = await httpsCall(
      `${there.subscriberUrl}${path}&sid=${sid}`,
      there.ca,
    );
    expect(status).toBe(400);
    expect(JSON.parse(refusal)).toEqual({ code: 1, message: "Session ID unknown" });
  });

  test("that are parted go on by themselves, but for histories away from home", async () => {
    const [here, there] = mesh.nodes;
    using ada = await joined(here, "kept:b", "ada");
    using bob = await joined(there, "kept:b", "bob");
    using carol = await joined(here, "demo:b", "carol");
    using dave = await joined(there, "demo:b", "dave");
    await agree(mesh, "kept:b", "ada", "bob");
    await agree(mesh, "demo:b", "carol", "dave");
    line.part();
    const refused = publish(there, "kept:b", "refused");
    expect(await publish(here, "kept:b", "kept")).toBe(200);
    await hears(ada, "kept");
    for (const [node, client] of [
      [here, carol],
      [there, dave],
    ] as const) {
      expect(await publish(node, "demo:b", "in the region")).toBe(200);
      await hears(client, "in the region");
      expect((await httpsCall(`${node.subscriberUrl}/ready`, node.ca)).status).toBe(200);
    }
    expect(await refused).toBe(503);
    await Promise.all([sees(here, "demo:b", "carol"), sees(there, "demo:b", "dave")]);
    expect(await get(there, "history", "kept:b")).toMatchObject({ error: { code: 901 } });
    line.heal();
    // What was kept comes by itself; what was not is lost, and whoever may have missed it is told.
    await hears(bob, "kept");
    // Version 1 of the protocol has 1013 for that.
    for (const client of [carol, dave]) expect((await client.ended).code).toBe(1013);
    await keeps(there, "kept:b", "again");
    for (const client of [ada, bob]) await hears(client, "again");
    await agree(mesh, "kept:b", "ada", "bob");
    expect(await historyAt(here, "kept:b")).toMatchObject([{ data: "kept" }, { data: "again" }]);
  });
});

/** Addresses as a list of the configuration. */
function listOf(addresses: readonly string[]): string {
  return `[${addresses.map((address) => `"nats://${address}"`).join()}]`;
}
