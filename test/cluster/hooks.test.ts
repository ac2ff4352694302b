/** Hooks of a node of several workers: one voice, whatever becomes of the workers. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { HOOK_SECRET, HookReceiver, macOf } from "../support/hook-receiver.ts";
import { httpsCall } from "../support/https.ts";
import { SignallingClient } from "../support/signalling-client.ts";
import { StockClients, upgraded } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

/** Clients that are opened at a time, and in all at most, until every worker has some. */
const CLIENTS = 6;
const MAX_CLIENTS = 120;
/** Where a worker hangs; elsewhere a busy machine must not look like that. */
const SHORT_LEASE = { PRESENCE_LEASE: "2000" };
const GONE_MS = 15_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function start(hook: object = {}, environment: Readonly<Record<string, string>> = {}) {
  const receiver = await HookReceiver.start();
  cleanups.push(() => receiver[Symbol.dispose]());
  const content = {
    hooks: [{ url: receiver.url, ...hook }],
    keys: ["k"],
    signalling: "open",
  };
  const file = new ConfigFile(content);
  cleanups.push(() => file[Symbol.dispose]());
  const node = await NodeUnderTest.start(2, {
    CONFIG_FILE: file.path,
    HOOKS_SECRETS: HOOK_SECRET,
    HOOKS_BATCH_DELAY: "20",
    HOOKS_VACATED_DELAY: "500",
    DRAIN_SECONDS: "1",
    ...environment,
  });
  let stopped: Promise<number> | undefined;
  const stop = () => {
    stopped ??= node.stop();
    return stopped;
  };
  cleanups.push(stop);
  return { receiver, node, stop, content, file };
}

interface Client {
  readonly own: string;
  readonly link: SignallingClient;
  hasEnded: boolean;
}

/** A member of the channel `room`, and of one of its own. */
async function member(node: NodeUnderTest, name: string): Promise<Client> {
  const query = { id: name, publickey: "k", v: "2" };
  const link = await SignallingClient.open(node.process, { query });
  await link.join("room", undefined, 2);
  const own = `own-${name}`;
  link.send({ t: "control", op: "channel_join", c: own });
  await link.nextOf("snapshot");
  const client: Client = { own, link, hasEnded: false };
  void link.ended.then(() => {
    client.hasEnded = true;
  });
  return client;
}

/** Members until there are some on every worker. */
async function membersEverywhere(node: NodeUnderTest): Promise<Client[]> {
  const members: Client[] = [];
  while (members.length < MAX_CLIENTS) {
    for (let left = CLIENTS; left > 0; left--) {
      members.push(await member(node, `member-${members.length}`));
    }
    const known = await eventually("a report of all connections", async () => {
      const { out } = await node.starling("status", "--json");
      const rows: { kind: string; connections: number }[] = JSON.parse(out).workers;
      const counts = rows.map(({ connections }) => connections);
      const sum = counts.reduce((all, count) => all + count, 0);
      return sum === members.length ? counts : undefined;
    });
    if (known.every((count) => count > 0)) return members;
  }
  throw new Error("all connections are on one worker");
}

const OPPOSITES = { connect: "disconnect", join: "leave", occupied: "vacated" } as const;

/** What came and has not gone, or has gone without having come. */
function unbalanced(receiver: HookReceiver): string[] {
  const counts = new Map<string, number>();
  const add = (key: string, change: number) => counts.set(key, (counts.get(key) ?? 0) + change);
  for (const { type, channel, connection } of receiver.taken) {
    for (const [come, gone] of Object.entries(OPPOSITES)) {
      const key = `${come} ${channel} ${connection}`;
      if (type === come) add(key, 1);
      if (type === gone) add(key, -1);
    }
  }
  return [...counts].filter(([, count]) => count !== 0).map(([key]) => key);
}

test("a channel of several workers is occupied once and vacated once, and a stop leaves nothing behind", async () => {
  const { receiver, node, stop } = await start();
  const members = await membersEverywhere(node);
  const [stays, ...others] = members;
  for (const { link } of others) link.close();
  await receiver.until("the end of all channels but two", () => {
    return others.every(({ own }) => receiver.ofChannel(own).includes("vacated"));
  });
  const ofRoom = receiver.ofChannel("room").filter((type) => type in { occupied: 1, vacated: 1 });
  expect(ofRoom).toEqual(["occupied"]);
  stays?.link.close();
  await receiver.until("the end", () => receiver.ofChannel("room").includes("vacated"));
  for (const { own } of members) {
    expect(receiver.ofChannel(own)).toEqual(["occupied", "join", "leave", "vacated"]);
  }
  await member(node, "last");
  expect(await stop()).toBe(0);
  expect(receiver.ofChannel("own-last")).toEqual(["occupied", "join", "leave", "vacated"]);
  expect(unbalanced(receiver)).toEqual([]);
  expect(new Set(receiver.taken.map(({ id }) => id)).size).toBe(receiver.taken.length);
  expect(receiver.mostAtOnce).toBe(1);
});

test.each([
  ["SIGKILL", {}],
  ["SIGSTOP", SHORT_LEASE],
] as const)(
  "what a worker had that got %s leaves, disconnects and is vacated, and nothing else does",
  async (signal, environment) => {
    const { receiver, node, stop } = await start({}, environment);
    const members = await membersEverywhere(node);
    await receiver.until("all joins", () => {
      return members.every(({ own }) => receiver.ofChannel(own).includes("join"));
    });
    const [worker = 0] = node.workers();
    process.kill(worker, signal);
    await node.replaced(2, [worker], GONE_MS);
    const gone = () => members.filter(({ hasEnded }) => hasEnded);
    const isTold = () =>
      gone().length > 0 &&
      gone().every(({ own }) => receiver.ofChannel(own).includes("vacated")) &&
      receiver.taken.filter(({ type }) => type === "disconnect").length === gone().length;
    await receiver.until("news of those who are gone", isTold, GONE_MS);
    const stayed = members.filter(({ hasEnded }) => !hasEnded);
    expect(stayed.length).toBeGreaterThan(0);
    for (const { own } of gone()) {
      expect(receiver.ofChannel(own)).toEqual(["occupied", "join", "leave", "vacated"]);
    }
    for (const { own } of stayed) expect(receiver.ofChannel(own)).toEqual(["occupied", "join"]);
    expect(receiver.ofChannel("room").filter((type) => type === "leave")).toHaveLength(
      gone().length,
    );
    expect(receiver.ofChannel("room")).not.toContain("vacated");
    expect(await stop()).toBe(0);
    expect(unbalanced(receiver)).toEqual([]);
  },
);

/** Sessions that have come to another worker than they began on. */
async function moves({ process: { publisherUrl, ca } }: NodeUnderTest): Promise<number> {
  const { text } = await httpsCall(`${publisherUrl}/api/stats`, ca);
  return JSON.parse(text).hub.sessionsMoved;
}

test("a session that moves to another worker is one connection", async () => {
  const { receiver, node, stop } = await start({ events: ["connect", "disconnect"] });
  const { subscriberUrl: url, ca } = node.process;
  const clients = new StockClients(() => ({ url, ca }));
  cleanups.push(() => clients.disconnectAll());
  const ids: string[] = [];
  // Which worker the WebSocket of a client comes to is chance.
  while (ids.length < 4 || ((await moves(node)) < 2 && ids.length < MAX_CLIENTS)) {
    const socket = await clients.connected({ query: { uniqueUserId: crypto.randomUUID() } });
    await upgraded(socket);
    ids.push(socket.id ?? "");
  }
  await receiver.until("all connects", () => receiver.taken.length >= ids.length);
  clients.disconnectAll();
  expect(await stop()).toBe(0);
  for (const id of ids) {
    const own = receiver.taken.filter(({ connection }) => connection === id);
    expect(own.map(({ type }) => type)).toEqual(["connect", "disconnect"]);
  }
  expect(receiver.taken).toHaveLength(2 * ids.length);
});

test("starling restart exchanges secrets without a request that a receiver would refuse", async () => {
  const { receiver, node, content, file } = await start({ events: ["occupied"] });
  const fresh = "a new secret of the hooks under test";
  const configure = async (secrets: readonly string[]) => {
    const hooks = content.hooks.map((hook) => ({ ...hook, secrets }));
    writeFileSync(file.path, JSON.stringify({ ...content, hooks }));
    const { code, err } = await node.starling("restart");
    expect([code, err]).toEqual([0, ""]);
  };
  const occupy = async (name: string) => {
    const { own } = await member(node, name);
    await receiver.until(own, () => receiver.ofChannel(own).length > 0);
    const last = receiver.requests.at(-1);
    if (last === undefined) throw new Error("no request");
    const macs = [fresh, HOOK_SECRET].map((secret) => macOf(last, secret));
    return macs.map((mac) => last.signature.includes(`v1=${mac}`));
  };
  expect(await occupy("first")).toEqual([false, true]);
  await configure([fresh, HOOK_SECRET]);
  expect(await occupy("second")).toEqual([true, true]);
  await configure([fresh]);
  expect(await occupy("third")).toEqual([true, false]);
});
