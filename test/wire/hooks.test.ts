/** Hooks: what a back end is told of channels, members and connections, and when it fails. */

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { starling } from "../support/command.ts";
import { ConfigFile } from "../support/config-file.ts";
import { websocket } from "../support/credentials.ts";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { HOOK_SECRET, HookReceiver, macOf } from "../support/hook-receiver.ts";
import { httpsCall } from "../support/https.ts";
import { SignallingClient } from "../support/signalling-client.ts";
import { channelName, unlimited } from "../support/signalling-room.ts";
import { StockClients } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const SETTINGS = { ...unlimited, HOOKS_BATCH_DELAY: "20", HOOKS_SECRETS: HOOK_SECRET };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A gateway whose default app has one hook, and the receiver of that. */
async function start(
  environment: Readonly<Record<string, string>> = {},
  hook: object = {},
  more: object = {},
) {
  const receiver = await HookReceiver.start();
  cleanups.push(() => receiver[Symbol.dispose]());
  const file = new ConfigFile({
    hooks: [{ url: receiver.url, ...hook }],
    keys: ["k"],
    signalling: "open",
    ...more,
  });
  cleanups.push(() => file[Symbol.dispose]());
  const gateway = await startGatewayProcess({
    ...SETTINGS,
    CONFIG_FILE: file.path,
    ...environment,
  });
  let stopped: Promise<number> | undefined;
  const stop = () => {
    stopped ??= gateway.stop();
    return stopped;
  };
  cleanups.push(async () => expect(await stop()).toBe(0));
  return { receiver, gateway, file, stop };
}

function open(gateway: GatewayProcess, id: string): Promise<SignallingClient> {
  return SignallingClient.open(gateway, { query: { id, publickey: "k", v: "2" } });
}

async function joined(gateway: GatewayProcess, id: string, channel: string) {
  const client = await open(gateway, id);
  await client.join(channel, undefined, 2);
  return client;
}

async function metric(gateway: GatewayProcess, name: string): Promise<number> {
  const { text } = await httpsCall(`${gateway.publisherUrl}/metrics`, gateway.ca);
  const line = text.split("\n").find((each) => each.startsWith(`starling_hooks_${name}{`));
  return Number(line?.split(" ")[1]);
}

describe("a back end", () => {
  test("is told of connections, channels and members, of every transport, in order and signed", async () => {
    const { receiver, gateway } = await start({ HOOKS_VACATED_DELAY: "300", MESH_ID: "eu-1" });
    const channel = channelName();
    const client = await joined(gateway, "ada", channel);
    client.close();
    await receiver.until("vacated", () => receiver.ofChannel(channel).includes("vacated"));
    expect(receiver.ofChannel(channel)).toEqual(["occupied", "join", "leave", "vacated"]);
    const [join] = receiver.taken.filter(({ type }) => type === "join");
    expect(join).toEqual({
      id: expect.stringMatching(/^[\w-]{12}\.\d+$/),
      time: expect.any(Number),
      type: "join",
      channel,
      connection: expect.any(String),
      clientId: "ada",
      user: null,
    });
    const own = receiver.taken.filter(({ connection }) => connection === join?.connection);
    expect(own.map(({ type }) => type).toSorted()).toEqual([
      ...["connect", "disconnect", "join", "leave"],
    ]);
    expect(new Set(receiver.taken.map(({ id }) => id)).size).toBe(receiver.taken.length);
    for (const request of receiver.requests) {
      expect(request.signature).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/);
      expect(request.signature).toEndWith(`,v1=${macOf(request)}`);
      expect([request.app, request.node, request.dropped]).toEqual(["default", "eu-1", 0]);
    }

    const clients = new StockClients(() => ({ url: gateway.subscriberUrl, ca: gateway.ca }));
    const user = crypto.randomUUID();
    const socket = await clients.connected({ ...websocket, query: { uniqueUserId: user } });
    const { id = "" } = socket;
    await receiver.until("the user's channel", () => receiver.ofChannel(user).length === 1);
    clients.disconnectAll();
    await receiver.until("vacated", () => receiver.ofChannel(user).includes("vacated"));
    expect(receiver.ofChannel(user)).toEqual(["occupied", "vacated"]);
    const ofSocket = receiver.taken.filter(({ connection }) => connection === id);
    expect(ofSocket.map(({ type, user: name }) => [type, name])).toEqual([
      ["connect", user],
      ["disconnect", user],
    ]);
    expect(receiver.mostAtOnce).toBe(1);
  });

  test("checks what it gets as the guide shows", async () => {
    const guide = readFileSync(new URL("../../docs/guide/hooks.md", import.meta.url), "utf8");
    const example = /```js\n([\s\S]+?)```/.exec(guide)?.[1] ?? "";
    const folder = mkdtempSync(join(tmpdir(), "starling-guide-"));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const module = join(folder, "receiver.mjs");
    writeFileSync(module, example);
    const { isGenuine } = await import(module);
    const secrets = ["the new secret of the hook", HOOK_SECRET];
    const { receiver, gateway } = await start({}, { secrets });
    using _client = await joined(gateway, "ada", "räume:☃");
    await receiver.until("events", () => receiver.taken.length > 0);
    const [{ signature, raw } = { signature: "", raw: "" }] = receiver.requests;
    for (const secret of secrets) expect(isGenuine(signature, raw, secret)).toBe(true);
    expect(isGenuine(signature, raw, "another secret of somebody")).toBe(false);
    expect(isGenuine(signature, `${raw} `, HOOK_SECRET)).toBe(false);
    expect(isGenuine(signature, raw, HOOK_SECRET, Date.now() + 301_000)).toBe(false);
    expect(isGenuine(signature.replace(/t=\d/, "t=9"), raw, HOOK_SECRET)).toBe(false);
    expect(isGenuine("", raw, HOOK_SECRET)).toBe(false);
  });

  test("is told only of the events and channels that it wants", async () => {
    const { receiver, gateway } = await start(
      { HOOKS_VACATED_DELAY: "0" },
      { events: ["occupied", "leave"], channels: ["chat:*"] },
    );
    for (const channel of ["other", "chat:1"]) {
      const client = await joined(gateway, "ada", channel);
      client.close();
    }
    await receiver.until("leave", () => receiver.ofChannel("chat:1").includes("leave"));
    expect(receiver.taken.map(({ type, channel }) => [type, channel])).toEqual([
      ["occupied", "chat:1"],
      ["leave", "chat:1"],
    ]);
  });

  test("is not told of a channel that somebody came back to", async () => {
    const { receiver, gateway } = await start(
      { HOOKS_VACATED_DELAY: "60000" },
      { events: ["occupied", "vacated", "join"] },
    );
    const channel = channelName();
    for (let times = 0; times < 3; times++) {
      const client = await joined(gateway, "ada", channel);
      client.close();
      await receiver.until("join", () => receiver.ofChannel(channel).length === times + 2);
    }
    expect(receiver.ofChannel(channel)).toEqual(["occupied", "join", "join", "join"]);
  });

  test("is told the connections of its own app alone", async () => {
    using other = await HookReceiver.start();
    const { receiver, gateway } = await start(
      {},
      {},
      {
        apps: { shop: { keys: ["k-shop"], hooks: [{ url: other.url, events: ["connect"] }] } },
      },
    );
    const query = { id: "ben", publickey: "k-shop", v: "2" };
    using _shop = await SignallingClient.open(gateway, { query });
    using _own = await open(gateway, "ada");
    await other.until("connect", () => other.taken.length > 0);
    await receiver.until("connect", () => receiver.taken.length > 0);
    const seen = [receiver, other].map(({ requests }) => {
      return requests.flatMap(({ app, events }) => events.map(({ type }) => `${app} ${type}`));
    });
    expect(seen).toEqual([["default connect"], ["shop connect"]]);
  });
});

describe("a back end that fails", () => {
  test("gets everything again in its order, and only what it refused is lost", async () => {
    const { receiver, gateway } = await start({ HOOKS_BATCH_EVENTS: "2" }, { events: ["join"] });
    const outcomes = [500, 429, 503, 200, 404, 200];
    receiver.answer = () => outcomes.shift() ?? 200;
    receiver.retryAfter = "1";
    const names = ["a", "b", "c", "d", "e", "f"];
    const clients = [];
    for (const name of names) clients.push(await joined(gateway, name, "room"));
    await receiver.until(
      "the last join",
      () => {
        return receiver.taken.some(({ clientId }) => clientId === "f");
      },
      20_000,
    );
    for (const client of clients) client.close();
    const tried = receiver.requests.map(({ status, events, dropped }) => ({
      status,
      who: events.map(({ clientId }) => clientId).join(""),
      dropped,
    }));
    const refused = tried.find(({ status }) => status === 404)?.who ?? "";
    const got = receiver.taken.map(({ clientId }) => clientId).join("");
    expect(got).toBe(names.join("").replace(refused, ""));
    expect(tried.map(({ status }) => status).slice(0, 5)).toEqual([500, 429, 503, 200, 404]);
    // Each of those that failed began with what the one before it began with.
    expect(new Set(tried.slice(0, 4).map(({ who }) => who[0]))).toEqual(new Set(["a"]));
    expect(tried[5]?.dropped).toBe(refused.length);
    expect(await metric(gateway, "refused_total")).toBe(refused.length);
    expect(await metric(gateway, "retries_total")).toBe(3);
    expect(receiver.mostAtOnce).toBe(1);
  });

  test("and is dead slows nobody, costs a bounded queue, and learns what it has lost", async () => {
    const { receiver, gateway } = await start(
      { HOOKS_QUEUE_EVENTS: "50", HOOKS_BATCH_EVENTS: "100" },
      { events: ["join"] },
    );
    receiver.isDead = true;
    const client = await open(gateway, "ada");
    for (let n = 0; n < 100; n++) await client.join(`room-${n}`, undefined, 2);
    // What is on its way waits for its fate, beside what else there is room for.
    const counts = () =>
      Promise.all(["queued_events", "dropped_total"].map((name) => metric(gateway, name)));
    await eventually(
      "half of them",
      async () => Bun.deepEquals(await counts(), [50, 50]) || undefined,
    );
    receiver.isDead = false;
    await receiver.until("the rest", () => receiver.ofChannel("room-99").length > 0, 30_000);
    expect(new Set(receiver.taken.map(({ channel }) => channel)).size).toBe(50);
    const places = receiver.taken.map(({ channel = "" }) => Number(channel.split("-")[1]));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    const told = receiver.requests.reduce((sum, { dropped }) => sum + dropped, 0);
    expect(told).toBe(50);
    const drops = gateway.logLines.filter(({ msg }) => msg.includes("too many events wait"));
    expect(drops).toHaveLength(1);
    client.close();
  });

  test("and hangs is asked again after its time", async () => {
    const { receiver, gateway } = await start({ HOOKS_TIMEOUT: "200" }, { events: ["connect"] });
    let isHanging = true;
    receiver.answer = () => (isHanging ? new Promise<number>(() => {}) : 200);
    using _client = await open(gateway, "ada");
    await gateway.nextLine("a hook did not take its events; they are sent again");
    isHanging = false;
    await receiver.until("the event", () => receiver.taken.length === 1);
  });
});

describe("a stop", () => {
  test("sends what waits, and what the last clients leave behind", async () => {
    const { receiver, gateway, stop } = await start({ HOOKS_BATCH_DELAY: "60000" });
    const channel = channelName();
    using _client = await joined(gateway, "ada", channel);
    expect(receiver.requests).toEqual([]);
    expect(await stop()).toBe(0);
    expect(receiver.ofChannel(channel)).toEqual(["occupied", "join", "leave", "vacated"]);
    expect(receiver.taken.map(({ type }) => type)).toContain("disconnect");
  });

  test("waits for a dead back end no longer than it may, and says what is lost", async () => {
    const { receiver, gateway, stop } = await start(
      { HOOKS_DRAIN: "500", DRAIN_SECONDS: "0" },
      { events: ["join"] },
    );
    receiver.answer = () => 503;
    using _client = await joined(gateway, "ada", channelName());
    await receiver.until("a request", () => receiver.requests.length > 0);
    expect(await stop()).toBe(0);
    const lost = "the node stops before a hook has taken all events: the rest is lost";
    expect(gateway.logLines.find(({ msg }) => msg === lost)).toMatchObject({
      ...{ level: "warn", app: "default", hook: 0, events: 1 },
    });
  });
});

test("a hook without any secret stops the start, and no secret is shown", async () => {
  using file = new ConfigFile({ hooks: [{ url: "https://backend.example/path?key=hidden" }] });
  const folder = mkdtempSync(join(tmpdir(), "starling-check-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const environment = { CONFIG_FILE: file.path };
  const without = await starling(["check-config"], folder, environment);
  expect(without.code).toBe(78);
  expect(without.err).toContain("a hook of the app default in CONFIG_FILE has no secrets");
  const complete = await starling(["check-config"], folder, {
    ...environment,
    HOOKS_SECRETS: HOOK_SECRET,
  });
  expect(complete.code).toBe(0);
  expect(complete.out).toContain("hook at https://backend.example:");
  expect(complete.out + complete.err).not.toContain(HOOK_SECRET);
  expect(complete.out + complete.err).not.toContain("hidden");
});
