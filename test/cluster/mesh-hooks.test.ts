/** Hooks of two nodes that share a NATS system: each tells of its own members, so that each is told of once. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { HOOK_SECRET, HookReceiver } from "../support/hook-receiver.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { newChannel, PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { SignallingClient } from "../support/signalling-client.ts";

setDefaultTimeout(90_000);

/** Longer than any lease is waited for on a busy machine. */
const PATIENCE_MS = 40_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function start() {
  const receiver = await HookReceiver.start();
  cleanups.push(() => receiver[Symbol.dispose]());
  const hook = { url: receiver.url, secrets: [HOOK_SECRET], events: ["join", "leave"] };
  const file = new ConfigFile({ hooks: [hook] });
  cleanups.push(() => file[Symbol.dispose]());
  const nats = await NatsServer.start();
  cleanups.push(() => nats.stop());
  const node = async (name: string) => {
    const started = await startGatewayProcess({
      ...{ CONFIG_FILE: file.path, NATS_URL: nats.url, MESH_ID: name, PUBLIC_KEYS: PUBLIC_KEY },
      ...{ HOOKS_BATCH_DELAY: "20", DRAIN_SECONDS: "1", PRESENCE_LEASE: "4000" },
    });
    cleanups.push(() => started.stop());
    return started;
  };
  return { receiver, nodes: await Promise.all([node("one"), node("two")]) };
}

async function member(node: GatewayProcess, channel: string, id: string) {
  const query = { id, publickey: PUBLIC_KEY };
  const client = await SignallingClient.open(node, { query });
  cleanups.push(() => client[Symbol.dispose]());
  await client.join(channel);
  return client;
}

/** Waits until a node knows of so many members. */
async function counts(node: GatewayProcess, channel: string, members: number): Promise<void> {
  const url = `${node.publisherUrl}/api/presence/stats?channel=${encodeURIComponent(channel)}`;
  const attempt = async () =>
    JSON.parse((await httpsCall(url, node.ca)).text).members === members || undefined;
  await eventually(`${members} members`, attempt, PATIENCE_MS);
}

/** What a node has told of a channel, in its order. */
function told({ requests }: HookReceiver, channel: string, mesh: string): string[] {
  return requests
    .filter(({ node }) => node === mesh)
    .flatMap(({ events }) => events)
    .filter((event) => event.channel === channel)
    .map(({ type, clientId }) => `${type} ${clientId}`);
}

test("who joins and leaves is told of by the node that the connection is on, and by no other", async () => {
  const { receiver, nodes } = await start();
  const [one, two] = nodes;
  const channel = newChannel();
  const ada = await member(one, channel, "ada");
  const bob = await member(two, channel, "bob");
  for (const node of nodes) await counts(node, channel, 2);
  bob.close();
  for (const node of nodes) await counts(node, channel, 1);
  ada.close();
  for (const node of nodes) await counts(node, channel, 0);
  // What a node has told last comes last.
  for (const [node, id] of [
    [one, "last-of-one"],
    [two, "last-of-two"],
  ] as const) {
    await member(node, channel, id);
  }
  const all = () => ["one", "two"].map((node) => told(receiver, channel, node));
  await receiver.until("the last joins", () => {
    const events = all().flat();
    return events.includes("join last-of-one") && events.includes("join last-of-two");
  });
  expect(all()).toEqual([
    ["join ada", "leave ada", "join last-of-one"],
    ["join bob", "leave bob", "join last-of-two"],
  ]);
});

test("the members of a node that is killed leave on the others, which tell nobody's back end of it", async () => {
  const { receiver, nodes } = await start();
  const [one, two] = nodes;
  const channel = newChannel();
  const ada = await member(one, channel, "ada");
  await member(two, channel, "bob");
  for (const node of nodes) await counts(node, channel, 2);
  const all = () => ["one", "two"].map((node) => told(receiver, channel, node));
  await receiver.until("both joins", () => all().every((events) => events.length > 0));
  process.kill(two.pid, "SIGKILL");
  await counts(one, channel, 1);
  ada.close();
  await receiver.until("the end", () => all().flat().includes("leave ada"));
  expect(all()).toEqual([["join ada", "leave ada"], ["join bob"]]);
});
