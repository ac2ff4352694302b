/** The configurations of `deploy/nats` as they stand: one server, a cluster, two regions in both ways. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { DeployedNats } from "../support/deployed-nats.ts";
import { longMs } from "../support/faults/long-runs.ts";
import { httpsCall } from "../support/https.ts";
import { IssuedCertificate } from "../support/issued-certificate.ts";
import {
  agree,
  ban,
  bans,
  get,
  hears,
  historyAt,
  joined,
  keeps,
  publish,
  reaches,
  sees,
  TwoNodes,
} from "../support/two-nodes.ts";

setDefaultTimeout(120_000);

/** What a server logs that more than half of a cluster have chosen. */
const LEADER = "Self is new JetStream cluster metadata leader";
const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  namespaces: {
    demo: anyone,
    kept: { ...anyone, historySize: 1_000, historyTtl: 600, recover: true },
  },
});
const certificate = new IssuedCertificate();
/** Of all nodes; members of a node that is out of reach stay for as long as a publication waits for an answer. */
const shared = { CONFIG_FILE: config.path, PRESENCE_LEASE: "4000" };

afterAll(() => {
  config[Symbol.dispose]();
  certificate[Symbol.dispose]();
});

/** Both nodes have one history, one set of members, and hear each other. */
async function expectOneMesh(mesh: TwoNodes): Promise<void> {
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
  for (const [node, other] of [
    [here, there],
    [there, here],
  ] as const) {
    await bans(node, other, crypto.randomUUID());
  }
  expect(mesh.refusals).toEqual([]);
}

/** Regions that are parted go on by themselves, but for histories away from home; afterwards everybody knows what to do. */
async function expectToPartAndHeal(mesh: TwoNodes, lines: readonly CutProxy[]): Promise<void> {
  const [here, there] = mesh.nodes;
  using ada = await joined(here, "kept:b", "ada");
  using bob = await joined(there, "kept:b", "bob");
  using carol = await joined(here, "demo:b", "carol");
  using dave = await joined(there, "demo:b", "dave");
  await agree(mesh, "kept:b", "ada", "bob");
  await agree(mesh, "demo:b", "carol", "dave");
  for (const line of lines) line.part();
  const refused = publish(there, "kept:b", "refused");
  const banned = [here, there].map((node) => ban(node, crypto.randomUUID()));
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
  expect(await Promise.all(banned)).toEqual([200, 503]);
  await Promise.all([sees(here, "demo:b", "carol"), sees(there, "demo:b", "dave")]);
  expect(await get(there, "history", "kept:b")).toMatchObject({ error: { code: 901 } });
  for (const line of lines) line.heal();
  // What was kept comes by itself; what was not is lost, and whoever may have missed it is told.
  await hears(bob, "kept");
  // Version 1 of the protocol has 1013 for that.
  for (const client of [carol, dave]) expect((await client.ended).code).toBe(1013);
  await keeps(there, "kept:b", "again");
  for (const client of [ada, bob]) await hears(client, "again");
  await agree(mesh, "kept:b", "ada", "bob");
  expect(await historyAt(here, "kept:b")).toMatchObject([{ data: "kept" }, { data: "again" }]);
}

test("one server", async () => {
  await using nats = new DeployedNats(certificate);
  const url = await nats.start("one-server.conf", "one");
  await using mesh = await TwoNodes.start(nats, [url], [url], shared);
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
  await nats.says(LEADER, "n1", "n2", "n3");
  const settings = { ...shared, NATS_REPLICAS: "3" };
  await using mesh = await TwoNodes.start(nats, urls.slice(0, 1), urls.slice(1), settings);
  await expectOneMesh(mesh);
});

describe("two regions as a super-cluster", () => {
  // Whatever has been started ends, also where the rest does not start.
  const started = new AsyncDisposableStack();
  const lines: CutProxy[] = [];
  let mesh: TwoNodes;

  beforeAll(async () => {
    const nats = started.use(new DeployedNats(certificate));
    const routes = await nats.addresses(4);
    const listens = await nats.addresses(4);
    for (const listen of listens) {
      lines.push(started.use(await CutProxy.open(portOf(listen), "127.0.0.1")));
    }
    const gateways = lines.map(({ port }) => `127.0.0.1:${port}`);
    const regions = [
      `{ name: home, urls: ${listOf(gateways.slice(0, 3))} }`,
      `{ name: away, urls: ${listOf(gateways.slice(3))} }`,
    ];
    const servers = ["h1", "h2", "h3", "a1"].map((name, index) => {
      const region = index < 3 ? "home" : "away";
      return nats.start(`supercluster-${region}.conf`, name, {
        REGION: region,
        CLUSTER_LISTEN: routes[index] ?? "",
        CLUSTER_ROUTES: listOf(region === "home" ? routes.slice(0, 3) : routes.slice(3)),
        GATEWAY_LISTEN: listens[index] ?? "",
        GATEWAY_ADVERTISE: gateways[index] ?? "",
        GATEWAYS: `[${regions.join()}]`,
      });
    });
    const urls = await Promise.all(servers);
    await nats.says(LEADER, "h1", "h2", "h3");
    for (const name of ["h1", "h2", "h3"]) {
      await nats.says('Outbound gateway connection to "away"', name);
    }
    await nats.says('Outbound gateway connection to "home"', "a1");
    const settings = { ...shared, NATS_REPLICAS: "3" };
    mesh = started.use(await TwoNodes.start(nats, urls.slice(0, 3), urls.slice(3), settings));
  });

  afterAll(() => started.disposeAsync());

  test("are one mesh, whose histories are at home", () => expectOneMesh(mesh));

  // The same as with leaf nodes, and ten seconds more.
  if (longMs > 0) {
    test("go on by themselves when they are parted", () => expectToPartAndHeal(mesh, lines));
  }
});

describe("two regions as leaf nodes", () => {
  const started = new AsyncDisposableStack();
  let line: CutProxy;
  let mesh: TwoNodes;

  beforeAll(async () => {
    const nats = started.use(new DeployedNats(certificate));
    const [listen = ""] = await nats.addresses(1);
    line = started.use(await CutProxy.open(portOf(listen), "127.0.0.1"));
    const home = await nats.start("leaf-home.conf", "home", {
      LEAF_LISTEN: listen,
      LEAF_ADVERTISE: `127.0.0.1:${line.port}`,
    });
    const away = await nats.start("leaf-away.conf", "away", {
      REGION: "away",
      HOME_URLS: `["tls://leaf:of-the-leaves@127.0.0.1:${line.port}"]`,
    });
    await nats.says("Leafnode connection created", "away");
    const settings = { ...shared, NATS_JS_DOMAIN: "home" };
    mesh = started.use(await TwoNodes.start(nats, [home], [away], settings));
  });

  afterAll(() => started.disposeAsync());

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

  test("go on by themselves when they are parted, but for histories away from home", () =>
    expectToPartAndHeal(mesh, [line]));
});

/** Addresses as a list of the configuration. */
function listOf(addresses: readonly string[]): string {
  return `[${addresses.map((address) => `"nats://${address}"`).join()}]`;
}

function portOf(address: string): number {
  return Number(address.split(":")[1]);
}
