/** What a browser lets pages of other origins do with the gateway, and whom it believes. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";

setDefaultTimeout(60_000);

/** Connects with the stock client and writes into the title how that ended. */
const PAGE = `<!doctype html>
<title>connecting</title>
<script src="/socket.io.js"></script>
<script>
  const { gateway, transport } = Object.fromEntries(new URLSearchParams(location.search));
  const socket = io(gateway, { transports: [transport], reconnection: false });
  socket.on("connect", () => { document.title = "connected"; });
  socket.on("connect_error", () => { document.title = "refused"; });
</script>`;

const client = fileURLToPath(import.meta.resolve("socket.io-client/dist/socket.io.js"));

/** A site of somebody else, on an origin of its own. */
function startSite(): Bun.Server<undefined> {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/": new Response(PAGE, { headers: { "content-type": "text/html" } }),
      "/socket.io.js": new Response(Bun.file(client)),
    },
  });
}

const allowed = startSite();
const foreign = startSite();
let gateway: GatewayProcess;
let browser: Browser;

beforeAll(async () => {
  gateway = await startGatewayProcess({ ALLOWED_ORIGINS: allowed.url.origin });
  browser = await launchChromium(gateway.ca);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  await Promise.all([allowed.stop(true), foreign.stop(true)]);
});

/** How the attempt of a page of that site to connect ends. */
async function attempt(site: Bun.Server<undefined>, transport: string): Promise<string> {
  const page = await browser.newPage();
  try {
    await page.goto(
      `${site.url}?${new URLSearchParams({ gateway: gateway.subscriberUrl, transport })}`,
    );
    await page.waitForFunction("document.title !== 'connecting'");
    return await page.title();
  } finally {
    await page.close();
  }
}

describe.each(["polling", "websocket"])("over %s", (transport) => {
  test("a page of an allowed origin connects", async () => {
    expect(await attempt(allowed, transport)).toBe("connected");
  });

  test("a page of a foreign origin is refused", async () => {
    expect(await attempt(foreign, transport)).toBe("refused");
  });
});

test("the browser believes only the certificate that this gateway made", async () => {
  const other = await startGatewayProcess();
  try {
    const page = await browser.newPage();
    await page.goto(`${gateway.subscriberUrl}/demo`);
    // Not `rejects`: it runs the event loop inside of itself, out of the order that the driver of
    // the browser relies on.
    const outcome = await page.goto(`${other.subscriberUrl}/demo`).then(() => "loaded", String);
    expect(outcome).toContain("ERR_CERT_AUTHORITY_INVALID");
    await page.close();
  } finally {
    await other.stop();
  }
});
