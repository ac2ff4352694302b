/** The stock Socket.IO client over WebTransport, in Chromium: Engine.IO over one stream. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { BrowserPages } from "../support/browser-pages.ts";
import { ConfigFile } from "../support/config-file.ts";
import { SECRET } from "../support/credentials.ts";
import { eventually, within } from "../support/deadline.ts";
import { EngineHttp } from "../support/engine-http.ts";
import { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { httpsCall } from "../support/https.ts";
import { signWithSecret } from "../support/jwt.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import type { SocketIoOptions } from "../support/socket-io-page.ts";
import { ask, bytes, once, StockClients } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const LISTENING = "WebTransport listening";
/** The stock client waits between its attempts, of which one may wait for QUIC to give up. */
const RECONNECT_MS = 40_000;
const [PING_MS, PONG_MS] = [500, 5_000];

const certificate = new ServerCertificate();
const anyone = { subscribe: "anyone", publish: "anyone" };
const config = new ConfigFile({ apps: { default: { namespaces: { open: anyone } } } });
const settings = {
  CONFIG_FILE: config.path,
  WEBTRANSPORT: "1",
  JWT_SECRET: SECRET,
  WEBSOCKET_AUTH: "0",
  DRAIN_SECONDS: "1",
  ENGINE_PING_INTERVAL: String(PING_MS),
  ENGINE_PING_TIMEOUT: String(PONG_MS),
  ...certificate.environment,
};
let pages: BrowserPages;
let node: NodeUnderTest;
const clients = new StockClients(() => ({
  url: node.process.subscriberUrl,
  ca: node.process.ca,
}));

beforeAll(async () => {
  pages = await BrowserPages.start("./socket-io-page.ts", certificate.certFile);
  node = await startNode();
});
afterEach(async () => {
  clients.disconnectAll();
  await pages.closeAll();
});
afterAll(async () => {
  await pages?.stop();
  expect(await node?.stop()).toBe(0);
  certificate[Symbol.dispose]();
  config[Symbol.dispose]();
});

async function startNode(environment: Readonly<Record<string, string>> = {}) {
  const started = await NodeUnderTest.start(0, {
    ...settings,
    ALLOWED_ORIGINS: pages.origin,
    ...environment,
  });
  try {
    await started.process.nextLine(LISTENING);
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** What the page knows the certificate by. */
function certificateHash(): string {
  const { raw } = new X509Certificate(readFileSync(certificate.certFile));
  return createHash("sha256").update(raw).digest("base64");
}

/** A page with the stock client, and what it is told to do. */
class PageClient {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  static async open(options: Partial<SocketIoOptions> = {}, at = node): Promise<PageClient> {
    const client = new PageClient(await pages.open());
    const all = { transports: ["webtransport"], hash: certificateHash(), ...options };
    await client.call("open", at.process.subscriberUrl, all);
    return client;
  }

  transport(): Promise<unknown> {
    return this.page.evaluate("user.transport");
  }

  ask(event: string, argument: unknown): Promise<unknown> {
    return this.call("ask", event, argument);
  }

  next(ms?: number): Promise<unknown> {
    return within(this.call("next"), "something in the page", ms);
  }

  call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.page.evaluate(
      `user.${method}(${args.map((argument) => JSON.stringify(argument)).join()})`,
    );
  }
}

async function post(path: string, body: object, at = node): Promise<unknown> {
  const { publisherUrl, ca } = at.process;
  const answer = await httpsCall(publisherUrl + path, ca, { body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
  return JSON.parse(answer.text);
}

function publish(channel: string, data: unknown, at = node): Promise<unknown> {
  return post("/api/publish", { channel, event: "news", data }, at);
}

test("connects, subscribes, and receives what is published, whatever its size", async () => {
  const client = await PageClient.open();
  expect(await client.transport()).toBe("webtransport");
  expect(await client.ask("subscribe", { channel: "open:news" })).toMatchObject({ ok: true });
  for (const text of ["hello", "żółw 🐢", "x".repeat(200), "x".repeat(100_000)]) {
    expect(await publish("open:news", { text })).toMatchObject({ subscribers: 1 });
    expect(await client.next()).toEqual(["news", { text }]);
  }
});

test("receives a burst complete and in order", async () => {
  const client = await PageClient.open();
  await client.ask("subscribe", { channel: "open:burst" });
  const publications = Array.from({ length: 100 }, (_, number) => ({
    channel: "open:burst",
    event: "news",
    data: number,
  }));
  for (let round = 0; round < 5; round++) await post("/api/batch", { publications });
  for (let round = 0; round < 5; round++) {
    for (let number = 0; number < 100; number++) {
      expect(await client.next()).toEqual(["news", number]);
    }
  }
});

test("exchanges text and bytes with a client over WebSocket", async () => {
  const page = await PageClient.open();
  const other = await clients.connected({ transports: ["websocket"] });
  await page.ask("subscribe", { channel: "open:both" });
  await ask(other, "subscribe", { channel: "open:both" });
  const heard = once(other, "drawing");
  const data = { title: "grüße", image: { bytes: [0, 1, 254, 255] } };
  const publication = { channel: "open:both", event: "drawing", data };
  expect(await page.ask("publish", publication)).toMatchObject({ ok: true });
  const [drawing] = (await heard) as [{ title: string; image: unknown }];
  expect([drawing.title, bytes(drawing.image)]).toEqual(["grüße", [0, 1, 254, 255]]);
  expect(await page.next()).toEqual(["drawing", data]);
  const image = Uint8Array.of(7, 8, 9);
  await ask(other, "publish", { channel: "open:both", event: "drawing", data: { image } });
  expect(await page.next()).toEqual(["drawing", { image: { bytes: [7, 8, 9] } }]);
});

test("is told numbered errors", async () => {
  const client = await PageClient.open();
  expect(await client.ask("subscribe", { channel: "secret:plans" })).toMatchObject({
    error: { code: 203, name: "permission_denied" },
  });
});

test("stays connected while it answers pings", async () => {
  const client = await PageClient.open();
  await client.ask("subscribe", { channel: "open:alive" });
  // Who had answered none of so many would have been closed.
  const enough = Math.ceil((PING_MS + PONG_MS) / PING_MS) + 1;
  const attempt = async () => {
    const pings = Number(await client.page.evaluate("user.pings"));
    return pings >= enough ? pings : undefined;
  };
  await eventually("pings", attempt, RECONNECT_MS);
  await publish("open:alive", "still here");
  expect(await client.next()).toEqual(["news", "still here"]);
});

test("says with the token who it is, since it sends no query", async () => {
  const user = crypto.randomUUID();
  const known = await PageClient.open({ auth: { uniqueUserId: user } });
  expect(await post("/api/publish", { channel: user, event: "news", data: 1 })).toMatchObject({
    subscribers: 1,
  });
  expect(await known.next()).toEqual(["news", 1]);
  const token = signWithSecret(SECRET, { sub: user });
  const proven = await PageClient.open({ auth: { token } });
  await post("/api/publish", { channel: user, event: "news", data: 2 });
  for (const client of [known, proven]) expect(await client.next()).toEqual(["news", 2]);
  const wrong = PageClient.open({ auth: { token, uniqueUserId: crypto.randomUUID() } });
  expect(await wrong.catch(String)).toContain("uniqueUserId is not the user of the token");
  const forged = PageClient.open({ auth: { token: signWithSecret("another secret", {}) } });
  expect(await forged.catch(String)).toContain("signature verification failed");
});

test("learns of a disconnect by the publisher after what was sent before", async () => {
  const client = await PageClient.open();
  await client.ask("subscribe", { channel: "open:last" });
  await publish("open:last", "last words");
  const connection = await client.page.evaluate("user.id");
  expect(await post("/api/disconnect", { connection })).toMatchObject({ ok: true, connections: 1 });
  expect(await client.next()).toEqual(["news", "last words"]);
  expect(await client.next()).toEqual(["disconnect", "io server disconnect"]);
});

test("is missed at once when it disconnects, and when its page is closed", async () => {
  const [leaving, closing] = [await PageClient.open(), await PageClient.open()];
  for (const client of [leaving, closing]) await client.ask("subscribe", { channel: "open:gone" });
  await leaving.call("disconnect");
  expect(await leaving.next()).toEqual(["disconnect", "io client disconnect"]);
  await closing.page.close();
  await eventually("an empty channel", async () => {
    const { subscribers } = (await publish("open:gone", 1)) as { subscribers: number };
    return subscribers === 0 ? true : undefined;
  });
});

test("is not what other transports are upgraded to", async () => {
  const { subscriberUrl, ca } = node.process;
  const http = new EngineHttp(`${subscriberUrl}/socket.io/`, { ca });
  expect((await http.handshake()).upgrades).toEqual(["websocket"]);
  const client = await PageClient.open({ transports: ["polling", "websocket", "webtransport"] });
  await eventually("the upgrade", async () =>
    (await client.transport()) === "websocket" ? true : undefined,
  );
});

test("is what a client falls back from, if it is told to try all transports", async () => {
  const transports = ["webtransport", "websocket"];
  const hash = Buffer.alloc(32).toString("base64");
  const client = await PageClient.open({ transports, hash, tryAllTransports: true });
  expect(await client.transport()).toBe("websocket");
});

test("is refused from a page of another origin", async () => {
  const other = await startNode({ ALLOWED_ORIGINS: "https://example.org" });
  try {
    expect(await PageClient.open({}, other).catch(String)).toContain("webtransport error");
    const { hub } = JSON.parse(
      (await httpsCall(`${other.process.publisherUrl}/api/stats`, other.process.ca)).text,
    );
    // The stock client tries again by itself, on a slow machine before the number is asked for.
    expect(hub.refusedHandshakes).toBeGreaterThan(0);
  } finally {
    expect(await other.stop()).toBe(0);
  }
});

test("is closed when the gateway stops, and comes back when it starts", async () => {
  const first = await startNode();
  const opened = await PageClient.open({}, first).catch((error: unknown) => ({ error }));
  const { publisherUrl, subscriberUrl } = first.process;
  expect(await first.stop()).toBe(0);
  if ("error" in opened) throw opened.error;
  const client = opened;
  expect(await client.next()).toEqual(["disconnect", "transport close"]);
  const second = await startNode({
    PRODUCER_PORT: new URL(publisherUrl).port,
    CONSUMER_PORT: new URL(subscriberUrl).port,
  });
  try {
    expect(await client.next(RECONNECT_MS)).toEqual(["connect", "webtransport"]);
    await client.ask("subscribe", { channel: "open:again" });
    await publish("open:again", "back", second);
    expect(await client.next()).toEqual(["news", "back"]);
  } finally {
    expect(await second.stop()).toBe(0);
  }
});
