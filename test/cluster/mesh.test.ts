/** Two nodes on one NATS system: every channel is the same on both, over every transport. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { EventStream } from "../support/event-stream.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { eventPayload, SignallingClient } from "../support/signalling-client.ts";
import { ask, StockClients } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

/** Of the node that is a cluster. */
const WORKERS = 2;
const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  namespaces: {
    demo: anyone,
    kept: { ...anyone, historySize: 1_000, historyTtl: 600, recover: true },
  },
});

let nats: NatsServer;
let here: GatewayProcess;
let there: GatewayProcess;

async function publish(node: GatewayProcess, channel: string, data: unknown, key?: string) {
  const body = JSON.stringify({ channel, event: "e", data, idempotencyKey: key });
  const { status, text } = await httpsCall(`${node.publisherUrl}/api/publish`, node.ca, { body });
  return { status, body: JSON.parse(text) };
}

function readiness(node: GatewayProcess) {
  return httpsCall(`${node.subscriberUrl}/ready`, node.ca);
}

async function isReady(node: GatewayProcess): Promise<void> {
  await eventually("a node that is ready", async () => {
    if ((await readiness(node)).status === 200) return true;
    await Bun.sleep(50);
    return undefined;
  });
}

/** Resolves once each worker is back at NATS; until then it closes those who come to it. */
async function isLinked(node: GatewayProcess, workers: number): Promise<void> {
  await eventually("the links of all workers", async () => {
    const { text } = await httpsCall(`${node.publisherUrl}/metrics`, node.ca);
    if (Number(/^starling_nats_links (\d+)$/m.exec(text)?.[1]) === workers) return true;
    await Bun.sleep(50);
    return undefined;
  });
}

function stream(node: GatewayProcess, channel: string, lastId?: string): Promise<EventStream> {
  const headers: Record<string, string> = lastId === undefined ? {} : { "Last-Event-ID": lastId };
  const url = `${node.subscriberUrl}/events?channel=${encodeURIComponent(channel)}`;
  return EventStream.open(url, node.ca, headers);
}

/** A stream that has begun to hear the other node, which the head of its answer does not say. */
async function hearing(node: GatewayProcess, channel: string): Promise<EventStream> {
  const events = await stream(node, channel);
  const isOver = Promise.withResolvers<void>();
  const probing = (async () => {
    for (let isDone = false; !isDone; ) {
      const body = JSON.stringify({ channel, event: "probe", data: null });
      await httpsCall(`${here.publisherUrl}/api/publish`, here.ca, { body });
      isDone = await Promise.race([
        isOver.promise.then(() => true),
        Bun.sleep(20).then(() => false),
      ]);
    }
  })();
  while (!(await events.next()).includes("event: probe")) {}
  isOver.resolve();
  await probing;
  return events;
}

/** The data and the id of the next event that is one of ours. */
async function nextEvent(events: EventStream): Promise<{ data: unknown; id: string }> {
  for (;;) {
    const lines = (await events.next()).split("\n");
    const fieldOf = (name: string) =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    if (fieldOf("event") !== "e") continue;
    return { data: JSON.parse(fieldOf("data") ?? ""), id: fieldOf("id") ?? "" };
  }
}

async function nextEvents(events: EventStream, count: number): Promise<unknown[]> {
  const all: unknown[] = [];
  while (all.length < count) all.push((await nextEvent(events)).data);
  return all;
}

async function nextData(member: SignallingClient): Promise<Uint8Array | undefined> {
  for (;;) {
    const { t, pl } = await member.next();
    if (t === "data") return pl;
  }
}

beforeAll(async () => {
  nats = await NatsServer.start();
  const shared = { CONFIG_FILE: config.path, NATS_URL: nats.url, DRAIN_SECONDS: "1" };
  [here, there] = await Promise.all([
    startGatewayProcess({ ...shared, MESH_ID: "here" }),
    startGatewayProcess({
      ...shared,
      MESH_ID: "there",
      CLUSTER_MODE: "1",
      CLUSTER_INSTANCES: String(WORKERS),
    }),
  ]);
  await Promise.all([isReady(here), isReady(there)]);
});

afterAll(async () => {
  expect(await Promise.all([here.stop(), there.stop()])).toEqual([0, 0]);
  await nats.stop();
  config[Symbol.dispose]();
});

describe.each(["demo:a", "kept:a"])("in %s", (channel) => {
  test("what is published on one node reaches subscribers of the other once, over every transport", async () => {
    const clients = new StockClients(() => ({ url: there.subscriberUrl, ca: there.ca }));
    try {
      const socket = await clients.connected({ transports: ["websocket"] });
      const heard: unknown[] = [];
      socket.on("e", (data: unknown) => heard.push(data));
      expect(await ask(socket, "subscribe", { channel })).toMatchObject({ ok: true });
      using events = await hearing(there, channel);
      using own = await hearing(here, channel);
      using member = await SignallingClient.open(there);
      await member.join(channel);
      for (const n of [1, 2, 3]) expect((await publish(here, channel, n)).status).toBe(200);
      expect(await nextEvents(events, 3)).toEqual([1, 2, 3]);
      expect(await nextEvents(own, 3)).toEqual([1, 2, 3]);
      for (const n of [1, 2, 3]) {
        expect(await nextData(member)).toEqual(eventPayload("e", `${n}`));
      }
      await publish(there, channel, "last");
      expect(await nextEvents(own, 1)).toEqual(["last"]);
      expect(await nextEvents(events, 1)).toEqual(["last"]);
      expect(heard).toEqual([1, 2, 3, "last"]);
    } finally {
      clients.disconnectAll();
    }
  });
});

test("who was away gets on one node what was published on the other", async () => {
  const first = await hearing(there, "kept:b");
  await publish(here, "kept:b", "before");
  const { id } = await nextEvent(first);
  first[Symbol.dispose]();
  for (const n of [1, 2, 3]) await publish(n === 2 ? there : here, "kept:b", n);
  for (const node of [here, there]) {
    using again = await stream(node, "kept:b", id);
    expect(await nextEvents(again, 3)).toEqual([1, 2, 3]);
  }
});

test("while NATS restarts nothing that is answered is lost where history is kept, and nothing comes twice", async () => {
  using events = await hearing(there, "kept:c");
  await publish(here, "kept:c", "begin");
  expect(await nextEvents(events, 1)).toEqual(["begin"]);
  const answered: number[] = [];
  const publishing = (async () => {
    for (let n = 0; n < 60; n++) {
      if ((await publish(here, "kept:c", n)).status === 200) answered.push(n);
    }
  })();
  await Bun.sleep(50);
  await nats.kill();
  await Bun.sleep(1_000);
  await nats.restart();
  await publishing;
  await publish(here, "kept:c", "end");
  const all: unknown[] = [];
  while (all.at(-1) !== "end") all.push((await nextEvent(events)).data);
  expect(all.slice(0, -1)).toEqual(answered);
  expect(answered).toHaveLength(60);
});

test("while NATS is away local subscribers are served, publishers are told, and readiness says so", async () => {
  await nats.kill();
  try {
    await eventually(
      "a node that is not ready",
      async () => {
        // The node's own link may have been away for longer: what workers are asked goes by theirs.
        const { status, text } = await readiness(here);
        if (status === 503 && text.includes("NATS is away")) return true;
        await Bun.sleep(100);
        return undefined;
      },
      20_000,
    );
    using events = await stream(here, "demo:d");
    const published = publish(here, "demo:d", 1, "key");
    expect(await nextEvents(events, 1)).toEqual([1]);
    expect(await published).toMatchObject({ status: 503, body: { error: { code: 901 } } });
    expect(await publish(here, "kept:d", 1)).toMatchObject({
      status: 503,
      body: { error: { code: 901 } },
    });
    // What a browser does that comes back: it keeps its place for the next time.
    using returning = await stream(here, "kept:d", "epoch.1");
    const block = await returning.next();
    expect(block).toContain('event: starling:close\ndata: {"code":901,');
    expect(block).not.toMatch(/^id:/m);
  } finally {
    await nats.restart();
  }
  await Promise.all([isLinked(here, 1), isLinked(there, WORKERS)]);
  await Promise.all([isReady(here), isReady(there)]);
  expect((await publish(here, "kept:d", 2)).status).toBe(200);
  using own = await stream(here, "demo:d");
  using others = await stream(there, "demo:d");
  for (const _attempt of [1, 2]) {
    expect((await publish(here, "demo:d", 1, "key")).status).toBe(200);
  }
  await publish(here, "demo:d", "last");
  // Who was on the publisher's node has had it.
  expect(await nextEvents(own, 1)).toEqual(["last"]);
  expect(await nextEvents(others, 2)).toEqual([1, "last"]);
});
