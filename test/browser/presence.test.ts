/** The published presence client, unmodified, in pages of Chromium. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import { within } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { NOTE, PresencePeer } from "../support/presence-peer.ts";
import {
  environment,
  newChannel,
  PUBLIC_KEY,
  presenceScenarios,
} from "../support/presence-scenarios.ts";
import { ServerCertificate } from "../support/server-certificate.ts";

setDefaultTimeout(60_000);

/** The client waits ten seconds before it connects again. */
const RECONNECT_MS = 25_000;
const ENTRY = fileURLToPath(import.meta.resolve("../support/presence-page.ts"));
const PAGE = '<!doctype html><title>Presence</title><script type="module" src="/page.js"></script>';

const certificate = new ServerCertificate();
const settings = { ...environment, ...certificate.environment };
const gateway = new GatewayFixture(() => settings);
const pages = new Map<PresencePeer, Page>();
let site: Bun.Server<undefined>;
let browser: Browser;

beforeAll(async () => {
  const { outputs } = await Bun.build({ entrypoints: [ENTRY], target: "browser" });
  const script = await outputs[0]?.text();
  site = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/": new Response(PAGE, { headers: { "content-type": "text/html" } }),
      "/page.js": new Response(script, { headers: { "content-type": "text/javascript" } }),
    },
  });
  browser = await launchChromium(readFileSync(certificate.certFile, "utf8"));
});

afterEach(async () => {
  for (const page of pages.values()) await page.context().close();
  pages.clear();
});

afterAll(async () => {
  await browser?.close();
  await site?.stop(true);
  certificate[Symbol.dispose]();
});

/** A window of its own, whose page has loaded the client. */
async function start(): Promise<PresencePeer> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const peer = new PresencePeer((method, ...args) => {
    const list = args.map((argument) => JSON.stringify(argument)).join();
    return page.evaluate(`user.${method}(${list})`);
  });
  pages.set(peer, page);
  await page.goto(site.url.href);
  await page.waitForFunction("globalThis.user !== undefined");
  return peer;
}

function pageOf(peer: PresencePeer): Page {
  const page = pages.get(peer);
  if (page === undefined) throw new Error("the peer has no page");
  return page;
}

/** Ends the process that renders a page, so that no script of it runs any more. */
async function kill(peer: PresencePeer): Promise<void> {
  const page = pageOf(peer);
  const crashed = page.waitForEvent("crash");
  const navigation = page.goto("chrome://crash").catch(() => null);
  await within(Promise.all([crashed, navigation]), "crash of the page");
}

presenceScenarios(gateway, { start, kill });

/** Ada and Bob in a channel of a gateway, who see each other. */
async function pair(
  at: GatewayProcess,
  channel = newChannel(),
): Promise<[ada: PresencePeer, bob: PresencePeer]> {
  const [ada, bob] = [await start(), await start()];
  await ada.open(at.subscriberUrl, "ada", PUBLIC_KEY);
  await bob.open(at.subscriberUrl, "bob", PUBLIC_KEY);
  await ada.join(channel, { id: "ada" });
  await bob.join(channel, { id: "bob" });
  await Promise.all([ada.sees([{ id: "bob" }]), bob.sees([{ id: "ada" }])]);
  return [ada, bob];
}

test("the client tries WebTransport, then falls back to WebSocket", async () => {
  const peer = await start();
  const page = pageOf(peer);
  const texts: string[] = [];
  page.on("console", (message) => texts.push(message.text()));
  const socket = page.waitForEvent("websocket");
  await peer.open(gateway.process.subscriberUrl, "ada", PUBLIC_KEY);
  const query = `/v1?publickey=${PUBLIC_KEY}&id=ada`;
  expect((await socket).url()).toBe(
    `${gateway.process.subscriberUrl.replace("https:", "wss:")}${query}`,
  );
  expect(await page.evaluate("String(WebTransport)")).toContain("[native code]");
  const attempt = `Failed to establish a connection to ${gateway.process.subscriberUrl}${query}`;
  expect(texts.filter((text) => text.startsWith(attempt)).length).toBe(1);
});

test("the handshake that a wrong public key gets refused says so", async () => {
  const peer = await start();
  const socket = pageOf(peer).waitForEvent("websocket");
  peer.open(gateway.process.subscriberUrl, "ada", "another-key").catch(() => {});
  const error = await (await socket).waitForEvent("socketerror");
  expect(error).toContain("Unexpected response code: 403");
});

test("who closes the page is gone for the others", async () => {
  const [ada, bob] = await pair(gateway.process);
  await pageOf(bob).close();
  await ada.sees([]);
});

test("who goes to another page is gone for the others", async () => {
  const [ada, bob] = await pair(gateway.process);
  await pageOf(bob).goto("about:blank");
  await ada.sees([]);
});

test("who loads the page again and joins is there once", async () => {
  const channel = newChannel();
  const [ada, bob] = await pair(gateway.process, channel);
  const page = pageOf(bob);
  await page.reload();
  await page.waitForFunction("globalThis.user !== undefined");
  await ada.sees([]);
  await bob.open(gateway.process.subscriberUrl, "bob", PUBLIC_KEY);
  await bob.join(channel, { id: "bob", loaded: 2 });
  await ada.sees([{ id: "bob", loaded: 2 }]);
});

test("the client connects again by itself after a restart of the gateway", async () => {
  const first = await startGatewayProcess(settings);
  let second: GatewayProcess | undefined;
  try {
    const [ada, bob] = await pair(first);
    const closed = pageOf(ada).waitForEvent("console", (message) =>
      message.text().startsWith("[polyfill] closed"),
    );
    expect(await first.stop()).toBe(0);
    expect((await closed).text()).toContain("code=1013, reason=server is shutting down");
    second = await startGatewayProcess({
      ...settings,
      PRODUCER_PORT: new URL(first.publisherUrl).port,
      CONSUMER_PORT: new URL(first.subscriberUrl).port,
    });
    await ada.sees([{ id: "bob", back: true }], RECONNECT_MS);
    await bob.sees([{ id: "ada", back: true }], RECONNECT_MS);
    await ada.broadcast(NOTE, "after the restart");
    await bob.hears([[NOTE, "after the restart", "ada"]]);
  } finally {
    await second?.stop();
  }
});
