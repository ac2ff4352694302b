/** Clients of the signalling protocol that mean harm: nobody else loses anything, and nothing stays. */

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { eventually, patience, within } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { Dice } from "../support/hostile-input.ts";
import { giantSignals, hostileSignal } from "../support/hostile-signals.ts";
import { httpsCall } from "../support/https.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import {
  eventPayload,
  pack,
  SignallingClient,
  signallingUrl,
} from "../support/signalling-client.ts";

setDefaultTimeout(60_000);

const SEED = 20_260;
const free = { CONNECT_RATE_PER_ADDRESS: "0", CONNECT_RATE_PER_USER: "0" };

function residentBytes(gateway: GatewayFixture): number {
  const pages = readFileSync(`/proc/${gateway.process.pid}/statm`, "utf8").split(" ")[1];
  return Number(pages) * 4096;
}

/** A member that must hear every number, in order, whatever the others do. */
class Neighbour {
  #sent = 0;

  private constructor(
    readonly gateway: GatewayFixture,
    readonly channel: string,
    readonly listeners: readonly SignallingClient[],
  ) {}

  static async join(gateway: GatewayFixture): Promise<Neighbour> {
    const channel = `calm-${crypto.randomUUID()}`;
    const listeners = [];
    for (const v of ["1", "2"] as const) {
      const client = await SignallingClient.open(gateway.process, { id: `calm-${v}`, v });
      await client.join(channel, { id: v }, v === "2" ? 2 : 1);
      listeners.push(client);
    }
    return new Neighbour(gateway, channel, listeners);
  }

  /** Publishes a number, and sees it arrive. */
  async check(): Promise<void> {
    const { channel } = this;
    const number = this.#sent++;
    await this.gateway.post("/api/publish", { channel, event: "n", data: number });
    const pl = eventPayload("n", String(number));
    for (const client of this.listeners) {
      expect(await client.next()).toEqual({ t: "data", c: channel, p: "", pl });
    }
  }

  leave(): void {
    for (const client of this.listeners) client[Symbol.dispose]();
  }
}

/** Everything is as before anybody came. */
async function expectNothingLeft(gateway: GatewayFixture): Promise<void> {
  const { publisherUrl, ca, logLines } = gateway.process;
  await eventually("the end of every connection", async () =>
    (await gateway.stats()).connections === 0 ? true : undefined,
  );
  const { text } = await httpsCall(`${publisherUrl}/api/channels`, ca);
  expect(JSON.parse(text)).toEqual({ ok: true, channels: [], next: null });
  for (const channel of ["hostile", "room"]) {
    const members = await httpsCall(`${publisherUrl}/api/presence?channel=${channel}`, ca);
    expect(JSON.parse(members.text)).toEqual({ ok: true, members: [] });
    const stats = await httpsCall(`${publisherUrl}/api/presence/stats?channel=${channel}`, ca);
    expect(JSON.parse(stats.text)).toEqual({ ok: true, members: 0, users: 0 });
  }
  expect(logLines.filter(({ level }) => level === "error")).toEqual([]);
}

describe("garbage", () => {
  const gateway = new GatewayFixture(() => ({ ...free, MESSAGE_RATE_PER_CONNECTION: "0" }));
  const channel = "hostile";

  function attackers(count: number): Promise<SignallingClient[]> {
    return Promise.all(
      Array.from({ length: count }, (_, index) =>
        SignallingClient.open(gateway.process, {
          id: `attacker-${index}`,
          v: index % 2 === 0 ? "1" : "2",
        }),
      ),
    );
  }

  test("of a seed is dropped, counted and answered, and the connections live", async () => {
    const dice = new Dice(SEED);
    const neighbour = await Neighbour.join(gateway);
    const hostile = await attackers(8);
    const before = await gateway.stats();
    for (let round = 0; round < 40; round++) {
      for (const client of hostile) {
        for (let index = 0; index < 25; index++) client.sendBytes(hostileSignal(dice, channel));
      }
      await neighbour.check();
    }
    for (const [index, client] of hostile.entries()) {
      client.sendBytes(Buffer.of(0xc1));
      if (index % 2 === 0) continue;
      client.send({ t: "control", op: "ping", id: 77 });
      let pong = await client.nextOf("pong");
      while (pong.id !== 77) pong = await client.nextOf("pong");
    }
    const after = await gateway.stats();
    expect(after.droppedSignals).toBeGreaterThan(before.droppedSignals + 1_000);
    expect(after.connections).toBe(before.connections);
    for (const client of hostile) client[Symbol.dispose]();
    await neighbour.check();
    neighbour.leave();
    await expectNothingLeft(gateway);
  });

  test("that is giant or deep costs no memory that stays, and no time of others", async () => {
    const neighbour = await Neighbour.join(gateway);
    const giants = giantSignals(channel);
    // Some of them end their sender, so that each has one of its own.
    const round = async (v: string) => {
      for (const giant of giants) {
        const client = await SignallingClient.open(gateway.process, { id: "giant", v });
        client.send({ t: "control", op: "channel_join", c: channel });
        client.sendBytes(giant);
        client.close();
        await client.ended;
      }
      await neighbour.check();
    };
    await round("1");
    const { droppedSignals } = await gateway.stats();
    const before = residentBytes(gateway);
    for (let index = 0; index < 8; index++) await round(index % 2 === 0 ? "1" : "2");
    expect((await gateway.stats()).droppedSignals).toBeGreaterThan(droppedSignals + 100);
    // What is promised in the headers of one round is 40 GB, and what is sent 4 MB.
    expect(residentBytes(gateway) - before).toBeLessThan(100_000_000);
    neighbour.leave();
    await expectNothingLeft(gateway);
  });

  test("that is larger than any message ends its sender alone", async () => {
    const neighbour = await Neighbour.join(gateway);
    for (const client of await attackers(2)) {
      client.sendBytes(Buffer.alloc(4_000_000, 0x91));
      const { code } = await within(client.ended, "the end of the connection");
      expect(code).toBe(1009);
    }
    await neighbour.check();
    neighbour.leave();
    await expectNothingLeft(gateway);
  });
});

describe("floods", () => {
  const gateway = new GatewayFixture(() => ({ ...free, MESSAGE_RATE_PER_CONNECTION: "50" }));

  test("are told why, then closed, and counted, and cost the neighbour nothing", async () => {
    const neighbour = await Neighbour.join(gateway);
    const before = await gateway.stats();
    const c = "hostile";
    for (const [v, code] of [
      ["1", 1013],
      ["2", 4005],
    ] as const) {
      for (const content of [pack({ t: "data", c, pl: pack({}) }), Buffer.of(0xc1)]) {
        using client = await SignallingClient.open(gateway.process, { id: "flood", v });
        await client.join(c, undefined, v === "2" ? 2 : 1);
        for (let index = 0; index < 2_000; index++) client.sendBytes(content);
        expect(await within(client.ended, "close frame")).toEqual({
          ...{ code, reason: "limit exceeded; reconnect after a while" },
        });
        const last = client.unread().at(-1);
        if (v === "1") expect(last).toBeUndefined();
        else expect(last).toMatchObject({ t: "control", op: "error", code: 108 });
        await neighbour.check();
      }
    }
    const after = await gateway.stats();
    expect(after.floods).toBe(before.floods + 4);
    // What comes after the flood was noticed is not even looked at: the burst, and the one too many.
    expect(after.droppedSignals - before.droppedSignals).toBeLessThan(4 * 150);
    neighbour.leave();
    await expectNothingLeft(gateway);
  });

  test("within the rate are no floods", async () => {
    using client = await SignallingClient.open(gateway.process, { id: "busy", v: "2" });
    for (let index = 0; index < 90; index++) client.send({ t: "control", op: "ping", id: index });
    for (let index = 0; index < 90; index++) expect((await client.next()).id).toBe(index);
  });
});

describe("members that do not read", () => {
  const gateway = new GatewayFixture(() => ({
    ...free,
    MESSAGE_RATE_PER_CONNECTION: "0",
    SLOW_CONSUMER_BYTES: "262144",
    SIGNAL_PING_INTERVAL: "600000",
    SIGNAL_PING_TIMEOUT: "600000",
  }));

  test.each(["data", "peer_state"])(
    "are cut, told and counted during a storm of %s, and the others lose nothing",
    async (kind) => {
      const { subscriberUrl, ca } = gateway.process;
      const c = "room";
      const isData = kind === "data";
      const signals = isData ? 1_600 : 20_000;
      const filler = "x".repeat(isData ? 65_000 : 4_000);
      const before = await gateway.stats();
      const paused = await Promise.all(
        ["1", "1", "2", "2"].map(async (v, index) => {
          const raw = await RawWebSocket.open(
            signallingUrl(subscriberUrl, { id: `paused-${index}`, v }),
            ca,
          );
          raw.sendFrame(2, pack({ t: "control", op: "channel_join", c }));
          await raw.binary(v === "1" ? 0 : 1);
          raw.pause();
          return raw;
        }),
      );
      const reader = await SignallingClient.open(gateway.process, { id: "reader" });
      await reader.join(c);
      const sender = await SignallingClient.open(gateway.process, { id: "sender" });
      await sender.join(c);
      const first = residentBytes(gateway);
      let peak = first;
      for (let number = 0; number < signals; number++) {
        const pl = pack({ number, filler });
        sender.send(isData ? { t: "data", c, pl } : { t: "control", op: "peer_state", c, pl });
        if (number % 20 !== 19) continue;
        for (let index = number - 19; index <= number; index++) {
          let signal = await reader.next();
          while (signal.op === "peer_offline") signal = await reader.next();
          expect(signal.pl?.subarray(0, 20)).toEqual(
            pack({ number: index, filler }).subarray(0, 20),
          );
        }
        peak = Math.max(peak, residentBytes(gateway));
      }
      const after = await gateway.stats();
      expect(after.slowConsumers).toBe(before.slowConsumers + paused.length);
      expect(after.connections).toBe(2);
      // Without a bound the four would hold 80 MB and more each.
      expect(peak - first).toBeLessThan(150_000_000);
      for (const raw of paused) raw.destroy();
      reader[Symbol.dispose]();
      sender[Symbol.dispose]();
      await expectNothingLeft(gateway);
    },
  );

  test("get what was buffered and the reason, if they read again in time", async () => {
    const { subscriberUrl, ca } = gateway.process;
    const c = "room";
    const raw = await RawWebSocket.open(signallingUrl(subscriberUrl, { id: "late", v: "2" }), ca);
    raw.sendFrame(2, pack({ t: "control", op: "channel_join", c }));
    await raw.binary(1);
    raw.pause();
    const { slowConsumers } = await gateway.stats();
    for (let number = 0; (await gateway.stats()).slowConsumers === slowConsumers; number++) {
      const data = [number, "x".repeat(200_000)];
      await gateway.post("/api/publish", { channel: c, event: "e", data });
    }
    raw.resume();
    expect(await within(raw.ended, "close frame", 2 * patience)).toEqual({
      ...{ code: 4001, reason: "slow consumer" },
    });
    const numbers = raw.binaries
      .slice(2)
      .map((bytes) => Number(/\[(\d+),/.exec(bytes.toString())?.[1]));
    expect(numbers).toEqual(numbers.map((_, index) => index));
    expect(numbers.length).toBeGreaterThan(0);
    await expectNothingLeft(gateway);
  });
});

describe("half of a connection", () => {
  const gateway = new GatewayFixture(() => ({ ...free }));
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  function tcp(): Socket {
    const { hostname, port } = new URL(gateway.process.subscriberUrl);
    const socket = connectTcp(Number(port), hostname);
    socket.on("error", () => {});
    sockets.push(socket);
    return socket;
  }

  function tls(text: string): void {
    const { hostname, port } = new URL(gateway.process.subscriberUrl);
    const socket = connectTls({ host: hostname, port: Number(port), ca: gateway.process.ca });
    socket.on("error", () => {});
    socket.on("secureConnect", () => socket.write(text));
    sockets.push(socket);
  }

  test("holds nobody up, and leaves nothing", async () => {
    const neighbour = await Neighbour.join(gateway);
    const { host } = new URL(gateway.process.subscriberUrl);
    const head =
      `GET /v1?publickey=any&id=half HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\n` +
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    for (let index = 0; index < 30; index++) {
      tcp();
      tcp().write(Buffer.of(0x16, 3, 1, 2, 0, 1));
      tls("");
      tls("GET /v1?publickey=any");
      tls(head);
      tls(`${head}Sec-WebSocket-Key: short\r\n\r\n`);
      tls(`${head}\r\n`);
      tls(
        `POST /v1?id=x&publickey=y HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\nx`,
      );
      await neighbour.check();
    }
    for (const socket of sockets.splice(0)) socket.destroy();
    await neighbour.check();
    neighbour.leave();
    await expectNothingLeft(gateway);
  });

  test.each([
    [
      "a frame that promises more than there may be",
      [0x82, 0xff, 0x7f, ...Array.from({ length: 11 }, () => 255)],
    ],
    ["a frame without a mask", [0x82, 3, 0x81, 0xa1, 0x74]],
    ["a reserved opcode", [0x83, 0x80, 0, 0, 0, 0]],
    ["a reserved bit", [0xc2, 0x80, 0, 0, 0, 0]],
    ["a continuation of nothing", [0x80, 0x80, 0, 0, 0, 0]],
    ["a ping that is too long", [0x89, 0xfe, 0, 126, 0, 0, 0, 0]],
  ])("that goes on with %s ends, and its channel is told", async (_what, frame) => {
    const c = "room";
    using member = await SignallingClient.open(gateway.process, { id: "member" });
    await member.join(c);
    const url = signallingUrl(gateway.process.subscriberUrl, { id: "broken" });
    const raw = await RawWebSocket.open(url, gateway.process.ca);
    raw.sendFrame(2, pack({ t: "control", op: "channel_join", c }));
    await raw.binary(0);
    raw.write(Uint8Array.from(frame));
    await within(raw.ended, "the end of the connection");
    raw.destroy();
    expect(await member.next()).toMatchObject({ op: "peer_offline", p: "broken" });
  });

  test("whose message never ends is bounded", async () => {
    const url = signallingUrl(gateway.process.subscriberUrl, { id: "endless" });
    const before = residentBytes(gateway);
    const endless = await Promise.all(
      Array.from({ length: 10 }, () => RawWebSocket.open(url, gateway.process.ca)),
    );
    const part = Buffer.concat([Buffer.of(0, 0xfe, 0xff, 0xff, 0, 0, 0, 0), Buffer.alloc(65_535)]);
    for (const raw of endless) {
      raw.write(Buffer.of(0x02, 0x80, 0, 0, 0, 0));
      for (let index = 0; index < 100; index++) raw.write(part);
    }
    for (const raw of endless) await within(raw.ended, "the end of the connection");
    expect(residentBytes(gateway) - before).toBeLessThan(60_000_000);
    await expectNothingLeft(gateway);
  });
});
