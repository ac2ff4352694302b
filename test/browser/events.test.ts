/** Event streams in Chromium's own `EventSource`. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import { eventually } from "../support/deadline.ts";
import { EngineHttp } from "../support/engine-http.ts";
import { httpsCall } from "../support/https.ts";
import { DemoGateway } from "./demo-gateway.ts";

setDefaultTimeout(60_000);

/** How long a page may take to show something, in milliseconds; a reconnect takes seconds. */
const PATIENCE_MS = 20_000;

const CLOSED = 'starling:close {"code":4000,"reason":"server is shutting down"}';

const gateway = new DemoGateway();
let browser: Browser;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  await gateway.start();
  browser = await launchChromium(gateway.certificate);
});

afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
});

afterAll(async () => {
  await browser?.close();
  await gateway.discard();
});

/** A page of the gateway's own origin that reads a stream and keeps what comes, as lines. */
async function reading(query: string, events: readonly string[]): Promise<Page> {
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE_MS);
  contexts.push(context);
  const page = await context.newPage();
  // One without a script, for the demo page has a connection of its own.
  await page.goto(`${gateway.subscriberUrl}/ready`);
  await page.evaluate(`
    window.lines = [];
    window.source = new EventSource("/events?${query}");
    source.onopen = () => lines.push("open");
    source.onerror = () => lines.push("error " + source.readyState);
    for (const name of ${JSON.stringify(events)}) {
      source.addEventListener(name, ({ type, data }) => lines.push(type + " " + data));
    }
  `);
  return page;
}

/** Waits until that holds for what the page has read, and gives it. */
function until(
  page: Page,
  what: string,
  holds: (lines: readonly unknown[]) => boolean,
): Promise<readonly unknown[]> {
  const attempt = async () => {
    await Bun.sleep(20);
    const lines = Object.values(Object(await page.evaluate("lines")));
    return holds(lines) ? lines : undefined;
  };
  return eventually(what, attempt, PATIENCE_MS);
}

/** Waits until the page has read so many lines, and gives them. */
function lines(page: Page, count: number): Promise<readonly unknown[]> {
  return until(page, `${count} lines`, ({ length }) => length >= count);
}

async function publish(channel: string, event: string, data: string): Promise<void> {
  const body = `{"channel":"${channel}","event":"${event}","data":${data},"publisher":"shop"}`;
  const { publisherUrl, certificate } = gateway;
  const answer = await httpsCall(`${publisherUrl}/api/publish`, certificate, { body });
  expect(answer.status).toBe(200);
}

async function subscribers(channel: string): Promise<number> {
  const { publisherUrl, certificate } = gateway;
  const { text } = await httpsCall(`${publisherUrl}/api/channels?prefix=${channel}`, certificate);
  return JSON.parse(text).channels[0]?.subscribers ?? 0;
}

/** Waits until the restarted gateway has the page's stream and is heard; gives the first lines. */
async function heardAgain(page: Page, channel: string): Promise<readonly unknown[]> {
  // An open stream on the page is not enough: the gateway opens, and ends, streams while it stops.
  const attempt = async () => ((await subscribers(channel)) === 1 ? true : undefined);
  await eventually("the stream", attempt, PATIENCE_MS);
  await publish(channel, "e", "1");
  return (await until(page, "the event", (read) => read.at(-1) === "e 1")).slice(0, 3);
}

test("a page hears events by their name, with their data as it was written", async () => {
  const page = await reading("channel=demo:a&channel=demo:b", ["order", "message"]);
  expect(await lines(page, 1)).toEqual(["open"]);
  await publish("demo:a", "order", '{"n":1.10,"text":"grüße 🐢"}');
  await publish("demo:b", "message", "[1,\n2]");
  await publish("demo:b", "other", "3");
  await publish("demo:a", "order", "null");
  expect(await lines(page, 4)).toEqual([
    ...["open", 'order {"n":1.10,"text":"grüße 🐢"}', "message [1,\n2]", "order null"],
  ]);
});

test("a page that asks for envelopes hears everything as messages", async () => {
  const page = await reading("channel=demo:a&envelope=1", ["message"]);
  expect(await lines(page, 1)).toEqual(["open"]);
  await publish("demo:a", "any name", "1.10");
  expect(await lines(page, 2)).toEqual([
    ...["open", 'message {"channel":"demo:a","event":"any name","publisher":"shop","data":1.10}'],
  ]);
});

test("a page that is refused does not try again", async () => {
  const page = await reading("channel=private:a", []);
  expect(await lines(page, 1)).toEqual(["error 2"]);
});

test("a page that closes its stream, and one that goes away, are forgotten", async () => {
  const pages = [await reading("channel=demo:c", []), await reading("channel=demo:c", [])];
  for (const page of pages) await lines(page, 1);
  expect(await subscribers("demo:c")).toBe(2);
  await pages[0]?.evaluate("source.close()");
  await pages[1]?.close();
  await eventually("the end of both", async () =>
    (await subscribers("demo:c")) === 0 ? true : undefined,
  );
});

test("after a restart of the gateway the page comes back by itself and hears", async () => {
  const page = await reading("channel=demo:d", ["starling:close", "e"]);
  await lines(page, 1);
  await gateway.stop();
  await gateway.start();
  expect(await heardAgain(page, "demo:d")).toEqual(["open", CLOSED, "error 0"]);
});

test("a page that comes back before the gateway has stopped comes back again", async () => {
  const page = await reading("channel=demo:e", ["starling:close", "e"]);
  await lines(page, 1);
  const { subscriberUrl, certificate } = gateway;
  // The end of a session that nobody fetches makes the stop longer than pages wait.
  await new EngineHttp(`${subscriberUrl}/socket.io/`, { ca: certificate }).handshake();
  await gateway.stop();
  await gateway.start();
  expect(await heardAgain(page, "demo:e")).toEqual(["open", CLOSED, "error 0"]);
});
