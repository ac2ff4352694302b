/** A page of another origin picks the nearest of two real nodes, with the function of the guide. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { launchChromium } from "../support/chromium.ts";
import { eventually } from "../support/deadline.ts";
import { SlowLink } from "../support/faults/slow-link.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { freePort, NatsServer } from "../support/nats-server.ts";
import { codeBelow, page } from "../support/readme.ts";
import { ServerCertificate } from "../support/server-certificate.ts";

setDefaultTimeout(90_000);

const snippet = codeBelow(page("docs/guide/nearest.md"), "## Choosing", "js");
/** Writes into the title which node is nearest of those that the one in the address knows. */
const PAGE = `<!doctype html>
<title></title>
<script type="module">
  import { nearest } from "/nearest.js";
  document.title = await nearest(new URLSearchParams(location.search).get("known"));
</script>`;
/** Far more than a busy machine adds to all three of the near node's answers, ms. */
const FAR_MS = 400;

test("the node at the end of a slow line is not the nearest, whoever is asked", async () => {
  const site = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/": new Response(PAGE, { headers: { "content-type": "text/html" } }),
      "/nearest.js": new Response(snippet, { headers: { "content-type": "text/javascript" } }),
    },
  });
  using certificate = new ServerCertificate();
  const [nats, nearPort, farPort] = await Promise.all([NatsServer.start(), freePort(), freePort()]);
  using line = await SlowLink.open(farPort, { latencyMs: FAR_MS, bytesPerMs: 1_000 });
  const near = `https://127.0.0.1:${nearPort}`;
  const far = `https://127.0.0.1:${line.port}`;
  const shared = {
    ...certificate.environment,
    NATS_URL: nats.url,
    ALLOWED_ORIGINS: site.url.origin,
    // The test asks as often as many clients.
    CONNECT_RATE_PER_ADDRESS: "0",
  };
  const nodes = await Promise.all([
    startGatewayProcess({
      ...{ ...shared, MESH_ID: "near", CONSUMER_PORT: `${nearPort}`, PUBLIC_URLS: near },
    }),
    startGatewayProcess({
      ...{ ...shared, MESH_ID: "far", CONSUMER_PORT: `${farPort}`, PUBLIC_URLS: far },
    }),
  ]);
  const browser = await launchChromium(readFileSync(certificate.certFile, "utf8"));
  try {
    for (const { subscriberUrl, ca } of nodes) {
      await eventually(
        "a node that is ready and lists both",
        async () => {
          const { status } = await httpsCall(`${subscriberUrl}/ready`, ca);
          const { text } = await httpsCall(`${subscriberUrl}/v1/nodes`, ca);
          return status === 200 && JSON.parse(text).nodes.length === 2 ? true : undefined;
        },
        30_000,
      );
    }
    for (const known of [near, far]) {
      const opened = await browser.newPage();
      await opened.goto(`${site.url}?${new URLSearchParams({ known })}`);
      await opened.waitForFunction("document.title !== ''");
      expect(await opened.title()).toBe(near);
      await opened.close();
    }
  } finally {
    await browser.close();
    await Promise.all(nodes.map((node) => node.stop()));
    await nats.stop();
    await site.stop(true);
  }
});
