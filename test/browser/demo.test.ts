/** The demo page in Chromium, with a gateway and `curl` as a user runs them. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { resolve } from "node:path";
import type {
  Browser,
  BrowserContext,
  BrowserContextOptions,
  Locator,
  Page,
} from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { DemoGateway } from "./demo-gateway.ts";

setDefaultTimeout(60_000);

/** How long a page may take to show something, in milliseconds; a reconnect takes seconds. */
const PATIENCE_MS = 20_000;
const SCREENSHOTS = resolve(import.meta.dir, "../../test-results");

const gateway = new DemoGateway({ WEBTRANSPORT: "1" });
let browser: Browser;
const contexts: BrowserContext[] = [];
/** What pages complained about: scripts that failed, and what their security policy stopped. */
const complaints: string[] = [];

beforeAll(async () => {
  await gateway.start();
  browser = await launchChromium(gateway.certificate);
});

afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
  expect(complaints.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await gateway.discard();
});

/** A page of a browser window of its own. */
async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  contexts.push(context);
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    // Promises of a WebTransport session that the stock client leaves to themselves.
    if (error.name !== "WebTransportError") complaints.push(String(error));
  });
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) complaints.push(message.text());
  });
  return page;
}

/** The demo page, subscribed to its channel. */
async function openDemo(query = "", options: BrowserContextOptions = {}): Promise<Page> {
  const page = await newPage(options);
  await page.goto(`${gateway.page}${query}`);
  await page.getByText("Subscribed to ").waitFor();
  return page;
}

function state(page: Page, text: string): Promise<void> {
  return page.locator("#state", { hasText: text }).waitFor();
}

/** The entries of the list that hold `text`. */
function events(page: Page, text: string): Locator {
  return page.getByRole("list", { name: "Events" }).getByRole("listitem").filter({ hasText: text });
}

async function publishFromPage(page: Page, event: string, data: string): Promise<void> {
  await page.getByLabel("Event name").fill(event);
  await page.getByLabel("Data").fill(data);
  await page.getByRole("button", { name: "Publish" }).click();
}

/** Runs a command line in a shell and answers what it printed. */
async function run(line: string): Promise<string> {
  const child = Bun.spawn(["sh", "-c", line], { stdout: "pipe", stderr: "pipe" });
  const [output, complaint, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`exit code ${code} of ${line}\n${complaint}`);
  return output;
}

/** Posts JSON to the publisher API with `curl`. */
async function post(path: string, body: unknown): Promise<unknown> {
  const child = Bun.spawn(
    ["curl", "-sS", "--cacert", gateway.certificateFile, `${gateway.publisherUrl}${path}`].concat([
      "-H",
      "content-type: application/json",
      "-d",
      JSON.stringify(body),
    ]),
    { stdout: "pipe" },
  );
  return new Response(child.stdout).json();
}

function publish(event: string, data: unknown, channel = "demo:hello"): Promise<unknown> {
  return post("/api/publish", { channel, event, data });
}

/** A picture of the whole page, for the eyes of people. */
async function screenshot(page: Page, name: string): Promise<void> {
  await page.evaluate("scrollTo(0, 0)");
  const path = resolve(SCREENSHOTS, `demo-${name}.png`);
  await page.screenshot({ path, fullPage: true, animations: "disabled" });
}

test("the curl line that start printed makes its text appear on the page", async () => {
  const page = await openDemo();
  expect(JSON.parse(await run(gateway.curl))).toEqual({ ok: true, subscribers: 1 });
  const event = events(page, "message");
  await event.waitFor();
  expect(JSON.parse((await event.locator("pre").textContent()) ?? "")).toEqual({ text: "Hello" });
  await publishFromPage(page, "order.updated", '{"order": 4711, "items": ["A-1", "B-2"]}');
  await events(page, "order.updated").waitFor();
  await page.getByText("Acknowledged").waitFor();
  await screenshot(page, "desktop");
});

test("the page shows the same curl line, and one for another channel", async () => {
  const page = await openDemo();
  const command = page.locator("#curl");
  await command.filter({ hasText: "demo:hello" }).waitFor();
  expect(await command.textContent()).toBe(gateway.curl);
  await page.getByLabel("Channel name").fill("demo:it's mine");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Subscribed to demo:it's mine.").waitFor();
  await command.filter({ hasText: "mine" }).waitFor();
  const answer = await run((await command.textContent()) ?? "");
  expect(JSON.parse(answer)).toEqual({ ok: true, subscribers: 1 });
  await events(page, "Hello").waitFor();
});

test("a copy button puts the curl line on the clipboard", async () => {
  const page = await openDemo("", { permissions: ["clipboard-read", "clipboard-write"] });
  await page.locator("#curl").filter({ hasText: "curl" }).waitFor();
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied.").waitFor();
  expect(await page.evaluate("navigator.clipboard.readText()")).toBe(gateway.curl);
});

test("the page starts on long-polling and moves to WebSocket", async () => {
  const page = await newPage();
  const polls: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("transport=polling")) polls.push(request.url());
  });
  await page.goto(gateway.page);
  await state(page, "Connected over WebSocket");
  expect(polls.length).toBeGreaterThan(0);
});

test("a page that only polls receives", async () => {
  const page = await newPage();
  let sockets = 0;
  page.on("websocket", () => sockets++);
  await page.goto(`${gateway.page}?transport=polling`);
  await page.getByText("Subscribed to demo:hello.").waitFor();
  for (const number of [1, 2, 3]) {
    await publish(`polled-${number}`, { number });
    await events(page, `polled-${number}`).waitFor();
  }
  await state(page, "Connected over long-polling");
  expect(sockets).toBe(0);
});

test("a page that only uses WebSocket receives", async () => {
  const page = await newPage();
  const polls: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("transport=polling")) polls.push(request.url());
  });
  await page.goto(`${gateway.page}?transport=websocket`);
  await page.getByText("Subscribed to demo:hello.").waitFor();
  await publish("direct", null);
  await events(page, "direct").waitFor();
  await state(page, "Connected over WebSocket");
  expect(polls).toEqual([]);
});

test("a page that only uses WebTransport receives, publishes and says who it is", async () => {
  const user = crypto.randomUUID();
  const page = await newPage();
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  page.on("websocket", (socket) => requests.push(socket.url()));
  // Pages of the tests before may still be in the usual channel.
  await page.goto(`${gateway.page}?transport=webtransport&channel=demo:quic&user=${user}`);
  await page.getByText("Subscribed to demo:quic.").waitFor();
  await state(page, "Connected over WebTransport");
  await publish("direct", { over: "QUIC" }, "demo:quic");
  await events(page, "QUIC").waitFor();
  await publish("own", { to: "the user" }, user);
  await events(page, "the user").waitFor();
  await publishFromPage(page, "shared", '{"from": "this page"}');
  await page.getByText("delivered to 1 subscriber").waitFor();
  await events(page, "this page").waitFor();
  expect(requests).toContain("/v1/certificate-hash");
  expect(requests.filter((path) => path.includes("socket.io/"))).toEqual([]);
});

test("a page of localhost, the printed address, reaches WebTransport at 127.0.0.1", async () => {
  const page = await newPage();
  const address = new URL(`${gateway.page}?transport=webtransport`);
  address.hostname = "localhost";
  await page.goto(address.href);
  await page.getByText("Subscribed to demo:hello.").waitFor();
  await state(page, "Connected over WebTransport");
});

test("WebTransport is chosen in the form, and left again", async () => {
  const page = await openDemo();
  await page.getByText("Connection", { exact: true }).click();
  for (const [label, name] of [
    ["WebTransport only", "WebTransport"],
    ["WebSocket only", "WebSocket"],
  ] as const) {
    await page.getByLabel("Transport").selectOption({ label });
    await page.getByRole("button", { name: "Connect again" }).click();
    await state(page, `Connected over ${name}`);
    await page.getByText("Subscribed to demo:hello.").waitFor();
  }
});

test("WebTransport cannot be chosen where the gateway has none", async () => {
  await using without = new DemoGateway();
  await without.start();
  const other = await launchChromium(without.certificate);
  try {
    const page = await other.newPage();
    await page.goto(without.page);
    await page.getByText("Connection", { exact: true }).click();
    await page.getByText("WEBTRANSPORT=1 turns it on.").waitFor();
    expect(await page.locator("#webtransport").isDisabled()).toBe(true);
  } finally {
    await other.close();
  }
});

test("two pages both receive what one of them publishes", async () => {
  const first = await openDemo("?channel=demo:shared");
  const second = await openDemo("?channel=demo:shared&transport=polling");
  await publishFromPage(first, "shared", '{"from": "the first page"}');
  await first.getByText("delivered to 2 subscribers").waitFor();
  await events(first, "the first page").waitFor();
  await events(second, "the first page").waitFor();
});

test("data that is not JSON is published as a text", async () => {
  const page = await openDemo("?channel=demo:text");
  await publishFromPage(page, "note", "just words");
  await page.getByText("delivered to 1 subscriber").waitFor();
  expect(await events(page, "note").locator("pre").textContent()).toBe("just words");
});

test("a channel that is not open is refused with a numbered error", async () => {
  const page = await openDemo();
  await page.getByLabel("Channel name").fill("secret:plans");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Not subscribed to secret:plans: Error 203 permission_denied").waitFor();
  await publishFromPage(page, "message", "1");
  await page.locator("#answer", { hasText: "Error 203 permission_denied" }).waitFor();
});

test("after a change of the channel only the new one's events arrive", async () => {
  const page = await openDemo();
  await page.getByLabel("Channel name").fill("demo:other");
  await page.getByLabel("Channel name").press("Enter");
  await page.getByText("Subscribed to demo:other.").waitFor();
  await publish("old", 1, "demo:hello");
  await publish("new", 2, "demo:other");
  await events(page, "new").waitFor();
  expect(await events(page, "").count()).toBe(1);
  await page.reload();
  await page.getByText("Subscribed to demo:other.").waitFor();
});

test("hostile names and data are shown as text", async () => {
  const page = await openDemo();
  const name = "<img src=x onerror=\"document.title='hacked'\">";
  const data =
    "</pre><script>document.title='hacked'</script><svg onload=\"document.title='hacked'\">";
  await publish(name, data);
  await publish("__proto__", { constructor: data, __proto__: 1 });
  const event = events(page, name);
  await event.waitFor();
  await events(page, "__proto__").waitFor();
  expect(await event.locator("strong").textContent()).toBe(name);
  expect(await event.locator("pre").textContent()).toBe(data);
  expect(await page.locator("#events :is(img, script, svg)").count()).toBe(0);
  expect(await page.title()).toBe("Starling demo");
});

test("the list keeps the newest hundred events, the newest first", async () => {
  const page = await openDemo();
  const publications = Array.from({ length: 150 }, (_, index) => ({
    channel: "demo:hello",
    event: `event-${index}`,
    data: "x".repeat(index === 149 ? 20_000 : 1),
  }));
  await post("/api/batch", { publications });
  await page.getByText("150 received, the newest 100 shown").waitFor();
  const names = await page.locator("#events strong").allTextContents();
  expect(names).toEqual(Array.from({ length: 100 }, (_, index) => `event-${149 - index}`));
  expect(await page.locator("#events pre").first().textContent()).toEndWith(
    "… 15000 more characters",
  );
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("Waiting for the first event.").waitFor();
  expect(await events(page, "").count()).toBe(0);
});

test("the page tells why the gateway ended its connection, and connects again", async () => {
  const page = await openDemo();
  await page.getByText("Connection", { exact: true }).click();
  const connection = await page.locator("#connection-id").textContent();
  expect(await post("/api/disconnect", { connection })).toMatchObject({ ok: true, connections: 1 });
  await state(page, "Disconnected: io server disconnect");
  await publishFromPage(page, "message", "1");
  await page.locator("#answer", { hasText: "There is no connection." }).waitFor();
  await page.getByRole("button", { name: "Connect again" }).click();
  await page.getByText("Subscribed to demo:hello.").waitFor();
  await publish("back", 1);
  await events(page, "back").waitFor();
});

test.each([
  ["", "WebSocket"],
  ["?transport=webtransport", "WebTransport"],
])(
  "after a restart of the gateway the page%s comes back by itself and receives",
  async (query, name) => {
    const page = await openDemo(query);
    await state(page, `Connected over ${name}`);
    await gateway.stop();
    await page.locator("#state[data-state=disconnected]", { hasText: "trying again" }).waitFor();
    await gateway.start();
    await state(page, "Connected over");
    await page.getByText("Subscribed to demo:hello.").waitFor();
    await publish("after", { restarted: true });
    await events(page, "restarted").waitFor();
  },
);

test("in production there is no demo page", async () => {
  const production = await startGatewayProcess({
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PUB_KEY_PATH: gateway.certificateFile,
    PRIV_KEY_PATH: gateway.keyFile,
    AUTH_TOKEN_SECRET: "a secret of more than sixteen letters",
    ALLOWED_IPS: "127.0.0.1",
  });
  try {
    const { subscriberUrl } = production;
    expect(await run(`curl -sS --cacert ${gateway.certificateFile} ${subscriberUrl}/demo`)).toBe(
      "Cannot GET /demo",
    );
  } finally {
    await production.stop();
  }
});

test("the page can be used with the keyboard alone", async () => {
  const page = await openDemo();
  const reached: unknown[] = [];
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press("Tab");
    const control = await page.evaluate(
      "document.activeElement.id || document.activeElement.textContent.trim()",
    );
    reached.push(control);
    if (control === "data") {
      await page.keyboard.press("ControlOrMeta+A");
      await page.keyboard.type("typed");
    }
    if (control === "Publish") break;
  }
  expect(reached).toEqual([
    ...["channel", "Subscribe", "Connection", "copy", "event", "data", "Publish"],
  ]);
  await page.keyboard.press("Enter");
  await events(page, "typed").waitFor();
});

for (const [name, width, colorScheme] of [
  ["desktop-dark", 1280, "dark"],
  ["phone", 390, "light"],
  ["phone-dark", 390, "dark"],
  ["narrow", 320, "light"],
] as const) {
  test(`the page fits a window of ${width} pixels in ${colorScheme} colours`, async () => {
    const page = await openDemo("", { colorScheme, viewport: { width, height: 844 } });
    await publish("a-name-without-any-place-to-break-".repeat(4), { text: "word".repeat(100) });
    await publishFromPage(page, "order.updated", '{"order": 4711, "items": ["A-1", "B-2"]}');
    await events(page, "4711").waitFor();
    await state(page, "Connected over WebSocket");
    await screenshot(page, name);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    const background = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    const red = Number(/\d+/.exec(String(background))?.[0]);
    expect(red < 128).toBe(colorScheme === "dark");
  });
}
