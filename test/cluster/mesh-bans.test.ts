/** Bans that two nodes keep in NATS, which outlive both. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { post } from "../support/publisher-api.ts";
import { StockClients } from "../support/stock-client.ts";

setDefaultTimeout(120_000);

const config = new ConfigFile({ namespaces: {} });
let nats: NatsServer;
let here: GatewayProcess;
let there: GatewayProcess;
const clientsHere = new StockClients(() => ({ url: here.subscriberUrl, ca: here.ca }));
const clientsThere = new StockClients(() => ({ url: there.subscriberUrl, ca: there.ca }));

beforeAll(async () => {
  nats = await NatsServer.start();
  await start();
});

afterAll(async () => {
  await stop();
  await nats.stop();
  config[Symbol.dispose]();
});

async function start(): Promise<void> {
  const shared = {
    ...{ CONFIG_FILE: config.path, NATS_URL: nats.url, DRAIN_SECONDS: "0" },
    ...{ CONNECT_RATE_PER_USER: "0", CONNECT_RATE_PER_ADDRESS: "0" },
  };
  [here, there] = await Promise.all([
    startGatewayProcess({ ...shared, MESH_ID: "eu-1" }),
    startGatewayProcess({
      ...{ ...shared, MESH_ID: "us-1", CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" },
    }),
  ]);
}

async function stop(): Promise<void> {
  clientsHere.disconnectAll();
  clientsThere.disconnectAll();
  expect(await Promise.all([here.stop(), there.stop()])).toEqual([0, 0]);
}

/** Bans that a node tells of. */
async function bansOf(node: GatewayProcess): Promise<readonly { readonly user: string }[]> {
  return JSON.parse((await httpsCall(`${node.publisherUrl}/api/bans`, node.ca)).text).bans;
}

/** What a node answers that may not have reached NATS yet. */
function answered(node: GatewayProcess, path: string, request: object) {
  return eventually(`an answer of ${path}`, async () => {
    const answer = await post(node, path, request);
    return answer.status === 503 ? undefined : answer;
  });
}

async function banOf(node: GatewayProcess, user: string) {
  return (await bansOf(node)).find((ban) => ban.user === user);
}

const optionsOf = (user: string) => ({
  transports: ["websocket"],
  query: { uniqueUserId: user },
});

/** What the handshake of a user is answered with on both nodes. */
async function refusals(user: string): Promise<string[]> {
  const refused = [clientsHere, clientsThere].map((nodes) => nodes.refused(optionsOf(user)));
  return (await Promise.all(refused)).map(({ message }) => message);
}

test("a ban outlives both nodes, and is lifted for good on the other one", async () => {
  const user = crypto.randomUUID();
  await answered(here, "/api/disconnect", { user, ban: 3_600 });
  const ban = await eventually("the ban", () => banOf(here, user));
  await stop();
  await start();
  for (const node of [here, there]) {
    expect(await eventually("the ban", () => banOf(node, user))).toEqual(ban);
  }
  for (const message of await refusals(user)) expect(message).toContain("banned");
  expect(await answered(there, "/api/unban", { user })).toMatchObject({ lifted: true });
  await stop();
  await start();
  expect([await bansOf(here), await bansOf(there)]).toEqual([[], []]);
  await Promise.all([clientsHere, clientsThere].map((nodes) => nodes.connected(optionsOf(user))));
});

test("a ban while NATS is away is refused with a number, and those that there are hold", async () => {
  const [banned, other] = [crypto.randomUUID(), crypto.randomUUID()];
  await answered(there, "/api/disconnect", { user: banned, ban: 3_600 });
  await eventually("the ban on the other node", () => banOf(here, banned));
  await nats.kill();
  try {
    for (const node of [here, there]) {
      // The link may not have noticed yet, and then it takes the time of an answer.
      expect(await post(node, "/api/disconnect", { user: other, ban: 60 })).toMatchObject({
        ...{ status: 503, error: { code: 901, name: "broker_unavailable" } },
      });
      expect(await post(node, "/api/unban", { user: banned })).toMatchObject({ status: 503 });
      // Without a ban it is answered as ever, and says that other nodes may have more.
      expect(await post(node, "/api/disconnect", { user: other })).toMatchObject({
        ...{ status: 200, complete: false },
      });
    }
    for (const message of await refusals(banned)) expect(message).toContain("banned");
    await Promise.all(
      [clientsHere, clientsThere].map((nodes) => nodes.connected(optionsOf(other))),
    );
  } finally {
    await nats.restart();
  }
  await answered(here, "/api/disconnect", { user: other, ban: 3_600 });
  await eventually("it on the other node", () => banOf(there, other));
});
