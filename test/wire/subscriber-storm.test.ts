/** Thousands of hostile messages and requests, after which everything is as it was. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { eventually } from "../support/deadline.ts";
import { WebSocketLink } from "../support/engine-link.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { Dice, giants, hostileMessage, hostileQuery } from "../support/hostile-input.ts";
import { once } from "../support/stock-client.ts";

setDefaultTimeout(120_000);

const SEED = 20_260;
const WEB_SOCKETS = 2_000;
const FRAMES = 20;
const POLLING_SESSIONS = 500;
const REQUESTS = 3_000;
const RAW_REQUESTS = 800;
/** What one part of the storm does at a time. */
const AT_A_TIME = 12;
const BUDGET = 150;
const AUTH_TIMEOUT_MS = 2_000;

const folder = mkdtempSync(join(tmpdir(), "starling-storm-"));
const file = join(folder, "open.yaml");
beforeAll(() =>
  writeFileSync(file, "namespaces: { open: { subscribe: anyone, publish: anyone } }"),
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gateway = new GatewayFixture(() => ({
  CONFIG_FILE: file,
  CONNECT_RATE_PER_USER: "0",
  CONNECT_RATE_PER_ADDRESS: "0",
  MAX_PENDING_HANDSHAKES: String(BUDGET),
  AUTH_TIMEOUT: String(AUTH_TIMEOUT_MS),
  ENGINE_PING_INTERVAL: "1000",
  ENGINE_PING_TIMEOUT: "4000",
}));

function residentBytes(): number {
  return Number(readFileSync(`/proc/${gateway.process.pid}/statm`, "utf8").split(" ")[1]) * 4096;
}

function openFiles(): number {
  return readdirSync(`/proc/${gateway.process.pid}/fd`).length;
}

/** Runs `count` pieces of work, some at a time; a piece may fail, since its connection may. */
async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++).catch(() => undefined);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

/** Sends one message after another until the gateway has enough of it. */
async function webSocketStorm(dice: Dice, messages: readonly string[]): Promise<void> {
  using link = new WebSocketLink(gateway.engine().webSocket({ EIO: "4", transport: "websocket" }));
  await link.opened();
  if (dice.chance(80)) await link.send("40");
  for (const message of messages) {
    if (dice.chance(15)) await link.send(dice.bytes(dice.below(200)));
    else await link.send(message);
  }
  // A ping that only an upgrade may send ends the session, once everything before it was read.
  await link.send("2");
  await link.closed;
}

/** A session over polling that posts payloads, often several at once, and polls as it likes. */
async function pollingStorm(dice: Dice, sids: string[], payloads: readonly string[]) {
  const http = gateway.engine(dice.chance(50) ? crypto.randomUUID() : undefined);
  const { sid } = await http.handshake();
  sids.push(sid);
  if (dice.chance(80)) await http.post(sid, "40");
  const waiting = dice.chance(60)
    ? http.poll(sid, { signal: AbortSignal.timeout(100) })
    : undefined;
  await Promise.allSettled([waiting, ...payloads.map((payload) => http.post(sid, payload))]);
}

/** Writes bytes on a connection of its own and breaks off soon, answered or not. */
async function throwBytes(bytes: string | Uint8Array): Promise<void> {
  const { hostname, port } = new URL(gateway.process.subscriberUrl);
  const socket = connect({ host: hostname, port: Number(port), ca: gateway.process.ca });
  const { promise, resolve } = Promise.withResolvers<void>();
  const patience = setTimeout(resolve, 30);
  socket.on("secureConnect", () => socket.write(bytes));
  for (const event of ["data", "error", "close"]) socket.on(event, () => resolve());
  await promise;
  clearTimeout(patience);
  socket.destroy();
}

function rawRequest(dice: Dice, sids: readonly string[]): string | Uint8Array {
  const host = dice.pick(["Host: localhost", "Host: ", "Host: a:b:c", "X: y", "Host: \xff\xfe"]);
  const target = `/socket.io/?${hostileQuery(dice, sids)}`;
  const upgrade =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  const socket = `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${host}\r\n${upgrade}`;
  const text = dice.pick([
    `POST ${target} HTTP/1.1\r\n${host}\r\nContent-Length: 100\r\n\r\n4abc`,
    `POST ${target} HTTP/1.1\r\n${host}\r\nContent-Length: 2\r\n\r\n40{"too":"long"}`,
    `POST ${target} HTTP/1.1\r\n${host}\r\nContent-Length: -5\r\n\r\n40`,
    `POST ${target} HTTP/1.1\r\n${host}\r\nContent-Length: 99999999999999999999\r\n\r\n40`,
    `POST ${target} HTTP/1.1\r\n${host}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n40x`,
    `POST ${target} HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n40\r\n`,
    `POST ${target} HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n40`,
    `GET ${target} HTTP/1.1\r\n${host}\r\nX-Large: ${"x".repeat(dice.below(100_000))}\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\n${host}\r\n${"A: b\r\n".repeat(dice.below(3_000))}\r\n`,
    `GET ${target} HTTP/1.1\r\n${host}\r\nOrigin: ${hostileMessage(dice)}\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\n${host}\r\n\r\n`.repeat(dice.below(20)),
    `GET /${"x".repeat(dice.below(60_000))} HTTP/1.1\r\n${host}\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\n${host}\r\n${upgrade}`,
    `GET ${target} HTTP/9.9\r\n${host}\r\n\r\n`,
    `${hostileMessage(dice)} ${target} HTTP/1.1\r\n${host}\r\n\r\n`,
    socket,
    `${socket}\x81\x02no mask`,
    `${socket}\x83\x80\0\0\0\0`,
    `${socket}\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0`,
    `${socket}\x81\x84\0\0\0\0\xff\xfe\xfd\xfc`,
    `${socket}\x01\x82\0\0\0\x0040\x89\x80\0\0\0\0\x80\x81\0\0\0\0{`,
    `${socket}\x88\x81\0\0\0\0x`,
    `${socket}\x81\x82\0\0\0\x0040\x81\x85\0\0\0\x0042[""`,
  ]);
  return dice.chance(10) ? dice.bytes(dice.below(2_000)) : Buffer.from(text, "latin1");
}

/** Opens sessions that do not connect, until the budget is used up; gives how many there were. */
async function roomForHandshakes(): Promise<number | undefined> {
  const start = Date.now();
  const http = gateway.engine();
  const answers = await Promise.all(
    Array.from({ length: BUDGET + 20 }, () => http.request({ EIO: "4", transport: "polling" })),
  );
  const opened = answers.filter(({ status }) => status === 200).map(({ body }) => body);
  await Promise.all(opened.map((body) => http.post(JSON.parse(body.slice(1)).sid, "1")));
  // Where the machine was too slow the first of them had ended before the last one began.
  return Date.now() - start < AUTH_TIMEOUT_MS ? opened.length : undefined;
}

/** Gives how many messages the user was sent meanwhile. */
async function storm(user: string): Promise<number> {
  const dice = new Dice(SEED);
  const sids: string[] = [];
  const faults: string[] = [];
  let published = 0;
  let telling: Promise<unknown> = Promise.resolve();
  const tell = () => {
    const body = { uuid: user, n: published++ };
    telling = telling.then(() => gateway.post("/", body));
    return telling;
  };
  const some = (count: number) => Array.from({ length: count }, () => hostileMessage(dice));
  await inParallel(WEB_SOCKETS, async (index) => {
    if (index % 25 === 0) await tell();
    await webSocketStorm(dice, some(dice.below(FRAMES)));
  });
  await inParallel(POLLING_SESSIONS, async (index) => {
    if (index % 25 === 0) await tell();
    const payloads = some(4).map((first) => [first, ...some(dice.below(4))].join("\x1e"));
    await pollingStorm(dice, sids, payloads);
  });
  await inParallel(giants.length, async (index) => {
    await webSocketStorm(dice, giants.slice(index, index + 1));
    await pollingStorm(dice, sids, giants.slice(index, index + 1));
    await tell();
  });
  await inParallel(REQUESTS, async (index) => {
    if (index % 100 === 0) await tell();
    const method = dice.pick(["GET", "POST", "PUT", "OPTIONS", "HEAD", "DELETE"]);
    const body = method === "GET" || method === "HEAD" ? undefined : hostileMessage(dice);
    const url = `${gateway.process.subscriberUrl}/socket.io/?${hostileQuery(dice, sids)}`;
    const response = await fetch(url, {
      method,
      body: body?.toWellFormed(),
      signal: AbortSignal.timeout(50),
      tls: { ca: gateway.process.ca },
    });
    const text = await response.text();
    // A full budget is the one fault of the server that a client may bring about.
    if (response.status >= 500 && response.status !== 503) faults.push(`${url}: ${text}`);
  });
  await inParallel(RAW_REQUESTS, async (index) => {
    if (index % 50 === 0) await tell();
    await throwBytes(rawRequest(dice, sids));
  });
  expect(faults).toEqual([]);
  // Otherwise this was no storm.
  expect(sids.length).toBeGreaterThan(POLLING_SESSIONS / 2);
  await telling;
  return published;
}

test("a storm of hostile input harms nobody and leaves nothing behind", async () => {
  const user = crypto.randomUUID();
  const query = { uniqueUserId: user };
  const witness = await gateway.clients.connected({ query, transports: ["websocket"] });
  const heard: number[] = [];
  witness.on(user, ({ n }: { n: number }) => heard.push(n));
  expect(await roomForHandshakes()).toBe(BUDGET);
  const logged = gateway.process.logLines.length;
  const before = { bytes: residentBytes(), files: openFiles() };

  const published = await storm(user);

  const last = once(witness, "last");
  await gateway.post("/api/publish", { channel: user, event: "last", data: 1 });
  await last;
  expect(heard).toEqual(Array.from({ length: published }, (_, index) => index));
  // The storm may hold the whole budget until its time is over; the stock client tries again.
  await once(gateway.clients.open({ reconnection: true }), "connect", 20_000);

  // What clients do wrong is worth a line at debug level only: else they could fill the disk.
  expect(gateway.process.logLines.slice(logged)).toEqual([]);
  gateway.clients.disconnectAll();
  await eventually(
    "the end of every connection",
    async () => ((await gateway.stats()).connections === 0 ? true : undefined),
    20_000,
  );
  const room = await eventually(
    "the whole budget",
    async () => {
      const count = await roomForHandshakes();
      return count === undefined || count < BUDGET ? undefined : count;
    },
    20_000,
  );
  expect(room).toBe(BUDGET);
  await eventually(
    "the end of every socket",
    async () => (openFiles() <= before.files + AT_A_TIME ? true : undefined),
    20_000,
  );
  expect(residentBytes() - before.bytes).toBeLessThan(200_000_000);
});
