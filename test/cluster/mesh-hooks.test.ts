/** Hooks of three nodes that share a NATS system: one of them tells a back end of all, whichever it is. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { checkMeshHooks } from "../support/faults/hook-checker.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { HOOK_SECRET, HookReceiver, macOf } from "../support/hook-receiver.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { newChannel, PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { SignallingClient } from "../support/signalling-client.ts";

setDefaultTimeout(90_000);

/** Longer than any lease is waited for on a busy machine. */
const PATIENCE_MS = 40_000;
/** Long enough that a node of a busy machine is not taken for one that is gone. */
const LEASE_MS = 6_000;

const cleanups: (() => unknown)[] = [];
const clients: SignallingClient[] = [];
let receiver: HookReceiver;
/** The first is a cluster, and sends since it began first. */
let one: MeshNode;
let two: MeshNode;
let three: MeshNode;

interface MeshNode {
  readonly name: string;
  readonly process: GatewayProcess;
}

beforeAll(async () => {
  receiver = await HookReceiver.start();
  cleanups.push(() => receiver[Symbol.dispose]());
  const file = new ConfigFile({ hooks: [{ url: receiver.url, secrets: [HOOK_SECRET] }] });
  cleanups.push(() => file[Symbol.dispose]());
  const nats = await NatsServer.start();
  cleanups.push(() => nats.stop());
  const node = async (name: string, more: Readonly<Record<string, string>> = {}) => {
    const process = await startGatewayProcess({
      ...{ CONFIG_FILE: file.path, NATS_URL: nats.url, MESH_ID: name, PUBLIC_KEYS: PUBLIC_KEY },
      ...{ HOOKS_BATCH_DELAY: "20", HOOKS_VACATED_DELAY: "500", DRAIN_SECONDS: "1" },
      ...{ PRESENCE_LEASE: `${LEASE_MS}`, ...more },
    });
    cleanups.push(() => process.stop());
    return { name, process };
  };
  one = await node("one", { CLUSTER_MODE: "1", CLUSTER_INSTANCES: "1" });
  await someMetric([one], "starling_mesh_hooks_sends", 1);
  [two, three] = await Promise.all([node("two"), node("three")]);
  for (const each of [two, three]) await someMetric([each], "starling_mesh_hooks_informed", 1);
});

afterEach(() => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
});

afterAll(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Waits until a metric of one of the nodes has a value. */
async function someMetric(nodes: readonly MeshNode[], name: string, value: number): Promise<void> {
  const attempt = async () => {
    for (const { process } of nodes) {
      const { text } = await httpsCall(`${process.publisherUrl}/metrics`, process.ca);
      if (text.includes(`\n${name} ${value}\n`)) return true;
    }
    await Bun.sleep(50);
    return undefined;
  };
  await eventually(`${name} ${value}`, attempt, PATIENCE_MS);
}

async function member({ process }: MeshNode, channel: string, id: string) {
  const query = { id, publickey: PUBLIC_KEY };
  const client = await SignallingClient.open(process, { query });
  clients.push(client);
  await client.join(channel);
  return client;
}

/** What a back end knows of a channel, without repetitions. */
function told({ taken }: HookReceiver, channel: string): string[] {
  const ids = new Set<string>();
  return taken
    .filter((event) => event.channel === channel && !ids.has(event.id) && ids.add(event.id))
    .map(({ type, clientId = "" }) => `${type} ${clientId}`.trimEnd());
}

/** Ends all processes of a node at once, as a machine that loses its power. */
function kill({ process: { pid } }: MeshNode): void {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid);
  for (const each of [pid, ...children.map(Number)]) process.kill(each, "SIGKILL");
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

test("a channel of three nodes is occupied and vacated once, and who is in it is told of once", async () => {
  const channel = newChannel();
  const ada = await member(two, channel, "ada");
  await receiver.until("ada", () => told(receiver, channel).length === 2);
  const bob = await member(one, channel, "bob");
  const cleo = await member(three, channel, "cleo");
  await receiver.until("the others", () => told(receiver, channel).length === 4);
  ada.close();
  await receiver.until("ada's end", () => told(receiver, channel).length === 5);
  // Longer than a channel has to be empty: others are there.
  await Bun.sleep(1_000);
  cleo.close();
  await receiver.until("cleo's end", () => told(receiver, channel).length === 6);
  bob.close();
  await receiver.until("the end", () => told(receiver, channel).includes("vacated"));
  const events = told(receiver, channel);
  expect(events.slice(2, 4).sort()).toEqual(["join bob", "join cleo"]);
  expect([...events.slice(0, 2), ...events.slice(4)]).toEqual([
    ...["occupied", "join ada", "leave ada", "leave cleo", "leave bob", "vacated"],
  ]);
  expect(new Set(receiver.requests.map(({ node }) => node))).toEqual(new Set(["one"]));
  expect(checkMeshHooks(receiver)).toEqual([]);
});

test("when the node that sends is killed another goes on, and nothing is missing or told twice", async () => {
  const channel = newChannel();
  const ada = await member(one, channel, "ada");
  const bob = await member(two, channel, "bob");
  await receiver.until("both joins", () => told(receiver, channel).length === 3);
  // Taken, but the sender is never told so.
  receiver.answer = () => 0;
  const cleo = await member(three, channel, "cleo");
  await receiver.until("cleo", () => told(receiver, channel).includes("join cleo"));
  bob.close();
  kill(one);
  ada[Symbol.dispose]();
  receiver.answer = () => 200;
  // Comes and goes while nobody sends.
  const dora = await member(two, channel, "dora");
  dora.close();
  await someMetric([two, three], "starling_mesh_hooks_sends", 1);
  const ends = ["leave ada", "leave bob", "leave dora"];
  const haveEnded = () => ends.every((end) => told(receiver, channel).includes(end));
  await receiver.until("the ends of the others", haveEnded, PATIENCE_MS);
  cleo.close();
  await receiver.until("the end", () => told(receiver, channel).includes("vacated"), PATIENCE_MS);
  const events = told(receiver, channel);
  expect(events.slice(0, 1)).toEqual(["occupied"]);
  expect(events.slice(-2)).toEqual(["leave cleo", "vacated"]);
  expect([...events].sort()).toEqual([
    ...["join ada", "join bob", "join cleo", "join dora"],
    ...["leave ada", "leave bob", "leave cleo", "leave dora", "occupied", "vacated"],
  ]);
  expect(events.indexOf("leave dora")).toBeGreaterThan(events.indexOf("join dora"));
  await receiver.until("all connections", () => {
    return checkMeshHooks(receiver).length === 0;
  });
  // What the first one sent in vain came again with the same id.
  const ofCleo = receiver.taken.filter((event) => {
    return event.channel === channel && event.type === "join" && event.clientId === "cleo";
  });
  expect(ofCleo.length).toBeGreaterThan(1);
  expect(new Set(ofCleo.map(({ id }) => id)).size).toBe(1);
  const last = receiver.requests.at(-1);
  expect(last?.signature).toContain(`v1=${last && macOf(last)}`);
});
