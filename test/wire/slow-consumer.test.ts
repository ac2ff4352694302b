import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { patience, within } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";

const LIMIT_BYTES = 262_144;
const PAUSED = 20;
const READING = 3;
const BATCHES = 160;
const BATCH = 10;
/** Together about 100 MB for each subscriber, far more than sockets and system buffer. */
const TEXT = "x".repeat(65_536);

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGatewayProcess({
    SLOW_CONSUMER_BYTES: String(LIMIT_BYTES),
    CONNECT_RATE_PER_USER: "0",
    // Heartbeats must not be what ends the paused clients.
    ENGINE_PING_INTERVAL: "600000",
    ENGINE_PING_TIMEOUT: "600000",
  });
});
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

/** A client that is subscribed to the channel of its id. */
async function subscriber(user: string): Promise<RawWebSocket> {
  const url = `${gateway.subscriberUrl}/socket.io/?EIO=4&transport=websocket&uniqueUserId=${user}`;
  const client = await RawWebSocket.open(url, gateway.ca);
  expect(await client.text(0)).toStartWith("0{");
  client.send("40");
  expect(await client.text(1)).toStartWith("40{");
  return client;
}

function residentBytes(): number {
  const pages = readFileSync(`/proc/${gateway.pid}/statm`, "utf8").split(" ")[1];
  return Number(pages) * 4096;
}

async function stats(): Promise<{ connections: number; slowConsumers: number }> {
  const { text } = await httpsCall(`${gateway.publisherUrl}/api/stats`, gateway.ca);
  return JSON.parse(text).hub;
}

/** Publishes one batch; `first` is the number of its first message. */
async function publish(channel: string, first: number): Promise<void> {
  const publications = Array.from({ length: BATCH }, (_, index) => ({
    channel,
    event: "n",
    data: [first + index, TEXT],
  }));
  const body = JSON.stringify({ publications });
  const answer = await httpsCall(`${gateway.publisherUrl}/api/batch`, gateway.ca, { body });
  expect(answer.status).toBe(200);
}

/** The numbers of the messages that a client received. */
function numbersOf(client: RawWebSocket): number[] {
  return client.texts.slice(2).map((text) => Number(/^42\["n",\[(\d+),/.exec(text)?.[1]));
}

test("paused clients cost bounded memory and are told, and the others lose nothing", async () => {
  const user = crypto.randomUUID();
  const paused = await Promise.all(Array.from({ length: PAUSED }, () => subscriber(user)));
  const reading = await Promise.all(Array.from({ length: READING }, () => subscriber(user)));
  for (const client of paused) client.pause();

  const before = residentBytes();
  let peak = before;
  let told: RawWebSocket | undefined;
  for (let batch = 0; batch < BATCHES; batch++) {
    await publish(user, batch * BATCH);
    // Whoever reads keeps pace with the publisher, so that only the paused ones lag.
    for (const client of reading) await client.text(2 + (batch + 1) * BATCH - 1);
    peak = Math.max(peak, residentBytes());
    if (told === undefined && (await stats()).slowConsumers === PAUSED) {
      told = paused[0];
      told?.resume();
    }
  }

  const expected = Array.from({ length: BATCHES * BATCH }, (_, index) => index);
  for (const client of reading) expect(numbersOf(client)).toEqual(expected);
  expect((await stats()).slowConsumers).toBe(PAUSED);
  expect((await stats()).connections).toBe(READING);

  const ending = await within(told?.ended ?? Promise.reject(), "close frame", 2 * patience);
  expect(ending).toEqual({ code: 4001, reason: "slow consumer" });
  const prefix = numbersOf(told as RawWebSocket);
  expect(prefix.length).toBeGreaterThan(0);
  expect(prefix).toEqual(expected.slice(0, prefix.length));

  // Without a bound the twenty would hold 2 GB; with it 20 × (limit + one message) is 6.5 MB.
  expect(peak - before).toBeLessThan(200_000_000);
  for (const client of [...paused, ...reading]) client.destroy();
}, 60_000);
