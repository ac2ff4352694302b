/** The examples for back-end functions, run as they stand against a node and the servers of `deploy/nats`. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { DeployedNats } from "../support/deployed-nats.ts";
import { EventStream, eventsUrl } from "../support/event-stream.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { IssuedCertificate } from "../support/issued-certificate.ts";

setDefaultTimeout(60_000);

const FOLDER = fileURLToPath(new URL("../../examples/back-end/", import.meta.url));
const anyone = { subscribe: "anyone" };
const config = new ConfigFile({
  namespaces: { demo: anyone, kept: { ...anyone, historySize: 10, historyTtl: 60 } },
});
const started = new AsyncDisposableStack();
started.use(config);
const certificate = started.use(new IssuedCertificate());
const nats = started.use(new DeployedNats(certificate));
let url: string;
let node: GatewayProcess;

beforeAll(async () => {
  url = await nats.start("one-server.conf", "one");
  node = await startGatewayProcess({
    CONFIG_FILE: config.path,
    MESH_ID: "one",
    API_KEYS: "the-key-of-the-weather",
    DRAIN_SECONDS: "0",
    ...nats.nodeSettings(url),
  });
  started.defer(async () => expect(await node.stop()).toBe(0));
  await eventually("a node that is ready", async () => {
    const { status } = await httpsCall(`${node.subscriberUrl}/ready`, node.ca);
    return status === 200 ? true : undefined;
  });
});

afterAll(() => started.disposeAsync());

/** What an example prints, run by Node. */
async function run(
  name: string,
  environment: Readonly<Record<string, string>>,
  ...words: readonly string[]
): Promise<unknown> {
  const { PATH } = process.env;
  const env = { PATH, ...environment };
  const child = Bun.spawn(["node", `${FOLDER}${name}`, ...words], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output, code] = await Promise.all([child.stdout.text(), child.exited]);
  expect(code).toBe(0);
  return output === "" ? undefined : JSON.parse(output);
}

async function nextEvent(events: EventStream): Promise<unknown> {
  for (;;) {
    const lines = (await events.next()).split("\n");
    const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
    if (lines.includes("event: message") && data !== undefined) return JSON.parse(data);
  }
}

const forecast = (channel: string, text: string) => ({
  ...{ channel, event: "forecast", publisher: "weather", data: { text } },
});

test("over HTTPS and straight over NATS a function speaks under its own name", async () => {
  const events = await EventStream.open(
    eventsUrl(node.subscriberUrl, ["demo:a", "kept:a"], { envelope: "1" }),
    node.ca,
  );
  const api = {
    API: node.publisherUrl,
    API_KEY: "the-key-of-the-weather",
    NODE_EXTRA_CA_CERTS: node.caFile,
  };
  const overNats = { ...nats.backEnd, NATS_URL: url };
  expect(await run("http.mjs", api, "demo:a", "It rains")).toMatchObject({
    ok: true,
    subscribers: 1,
  });
  expect(await nextEvent(events)).toEqual(forecast("demo:a", "It rains"));
  expect(await run("http.mjs", api, "kept:a", "It pours")).toHaveProperty("position");
  expect(await nextEvent(events)).toEqual(forecast("kept:a", "It pours"));
  await run("nats.mjs", overNats, "demo:a", "It clears");
  expect(await nextEvent(events)).toEqual(forecast("demo:a", "It clears"));
  const kept = await run("nats.mjs", overNats, "kept:a", "It shines", "kept");
  expect(kept).toMatchObject({ stream: "starling+default+kept", seq: 2 });
  expect(await nextEvent(events)).toEqual(forecast("kept:a", "It shines"));
  events[Symbol.dispose]();
});
