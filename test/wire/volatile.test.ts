/** Volatile namespaces: whoever is not ready at that moment misses a message, and nobody is cut. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";

setDefaultTimeout(60_000);

const LIMIT_BYTES = 262_144;
const MESSAGES = 400;
/** Together 26 MB, far more than sockets and system hold. */
const TEXT = "x".repeat(65_536);

const folder = mkdtempSync(join(tmpdir(), "starling-volatile-"));
const file = join(folder, "volatile.yaml");
beforeAll(() =>
  writeFileSync(file, "namespaces: { cursor: { subscribe: anyone, volatile: true } }"),
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gateway = new GatewayFixture(() => ({
  CONFIG_FILE: file,
  SLOW_CONSUMER_BYTES: String(LIMIT_BYTES),
  // Heartbeats must not be what ends the paused client.
  ENGINE_PING_INTERVAL: "600000",
  ENGINE_PING_TIMEOUT: "600000",
}));

async function subscriber(channel: string): Promise<RawWebSocket> {
  const url = `${gateway.process.subscriberUrl}/socket.io/?EIO=4&transport=websocket`;
  const client = await RawWebSocket.open(url, gateway.process.ca);
  client.send("40");
  expect(await client.text(1)).toStartWith("40{");
  client.send(`421["subscribe",{"channel":"${channel}"}]`);
  expect(await client.text(2)).toBe(`431[{"ok":true,"channel":"${channel}"}]`);
  return client;
}

function publish(channel: string, data: unknown): Promise<string> {
  return gateway.post("/api/publish", { channel, event: "n", data });
}

/** The numbers of the messages that a client received. */
function numbersOf(client: RawWebSocket): number[] {
  return client.texts.slice(3).map((text) => Number(/^42\["n",\[?(\d+)/.exec(text)?.[1]));
}

test("a paused client misses messages and stays, and whoever reads misses none", async () => {
  const channel = `cursor:${crypto.randomUUID()}`;
  const [paused, reading] = [await subscriber(channel), await subscriber(channel)];
  paused.pause();
  for (let number = 0; number < MESSAGES; number++) {
    expect(await publish(channel, [number, TEXT])).toBe('{"ok":true,"subscribers":2}');
    // Whoever reads keeps pace with the publisher, so that it is ready for each.
    await reading.text(3 + number);
  }
  expect(numbersOf(reading)).toEqual(Array.from({ length: MESSAGES }, (_, index) => index));

  paused.resume();
  let later = MESSAGES;
  await eventually("a message after the pause", async () => {
    await publish(channel, later++);
    return (numbersOf(paused).at(-1) ?? 0) >= MESSAGES ? true : undefined;
  });
  const numbers = numbersOf(paused);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  const missed = later - numbers.length;
  const stats = await gateway.stats();
  expect(missed).toBeGreaterThan(0);
  expect(stats.volatileDrops).toBeGreaterThanOrEqual(missed - 1);
  expect([stats.slowConsumers, stats.connections]).toEqual([0, 2]);
  for (const client of [paused, reading]) client.destroy();
});

test("a polling client gets what comes while it polls, and nothing from between", async () => {
  const channel = `cursor:${crypto.randomUUID()}`;
  const http = gateway.engine();
  const { sid } = await http.handshake();
  await http.post(sid, "40");
  expect((await http.poll(sid)).body).toStartWith("40{");
  await http.post(sid, `421["subscribe",{"channel":"${channel}"}]`);
  expect((await http.poll(sid)).body).toStartWith("431[");

  for (const text of ["lost", "lost, too"]) {
    expect(await publish(channel, text)).toBe('{"ok":true,"subscribers":1}');
  }
  const poll = http.poll(sid).then(({ body }) => body);
  const answer = await eventually("a message while polling", async () => {
    await publish(channel, "seen");
    return Promise.race([poll, Bun.sleep(10).then(() => undefined)]);
  });
  expect(answer).toBe('42["n","seen"]');
  await http.post(sid, "1");
});
