/** What clients get that were away, over each transport, and when they are told that something is missing. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Socket } from "socket.io-client";
import { ConfigFile } from "../support/config-file.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { within } from "../support/deadline.ts";
import { EventStream, eventsUrl } from "../support/event-stream.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { httpsCall } from "../support/https.ts";
import { pack, SignallingClient } from "../support/signalling-client.ts";
import {
  ask,
  type ClientOptions,
  once,
  StockClients,
  upgraded,
  ways,
} from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const file = new ConfigFile({
  namespaces: {
    kept: { ...anyone, historySize: 5, historyTtl: 60, recover: true },
    long: { ...anyone, historySize: 1_000, historyTtl: 60, recover: true },
    plain: anyone,
  },
  apps: { bare: { namespaces: { plain: anyone } } },
});
afterAll(() => file[Symbol.dispose]());

describe.each([
  ["one process", {}],
  ["two workers", { CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" }],
])("with %s", (_name, environment) => {
  const gateway = new GatewayFixture(() => ({
    CONFIG_FILE: file.path,
    CONNECT_RATE_PER_ADDRESS: "0",
    CONNECT_RATE_PER_USER: "0",
    WEBSOCKET_AUTH: "0",
    ...environment,
  }));

  const publish = async (channel: string, data: unknown): Promise<string> =>
    JSON.parse(await gateway.post("/api/publish", { channel, data, event: "told" })).position;
  const channelName = (namespace = "kept") => `${namespace}:${crypto.randomUUID()}`;

  describe.each(ways)("a stock client over %s", (way, options) => {
    /** A client on a line that can be cut, and what it hears. */
    async function away(more: ClientOptions = {}) {
      const proxy = await CutProxy.open(Number(new URL(gateway.process.subscriberUrl).port));
      const clients = new StockClients(() => ({
        url: `https://localhost:${proxy.port}`,
        ca: gateway.process.ca,
      }));
      const socket = clients.open({
        ...options,
        reconnection: true,
        reconnectionDelay: 20,
        reconnectionDelayMax: 50,
        ...more,
      });
      const heard: unknown[] = [];
      let look = () => {};
      socket.on("told", (data: unknown) => {
        heard.push(data);
        look();
      });
      await once(socket, "connect");
      if (way === "polling with an upgrade") await upgraded(socket);
      // Only then is the session where the upgrade took it.
      await ask(socket, "unsubscribe", { channel: "none" });
      const hears = (count: number) =>
        within(
          new Promise<void>((resolve) => {
            look = () => {
              if (heard.length >= count) resolve();
            };
            look();
          }),
          `${count} events`,
        );
      const end = () => {
        clients.disconnectAll();
        proxy[Symbol.dispose]();
      };
      return { socket, proxy, heard, hears, end };
    }

    const comesBack = (socket: Socket) => once(socket, "connect");

    // The HTTP client of this runtime does not tell polling of a line that was cut.
    const ends = ["engine", ...(way === "polling alone" ? [] : ["cut", "cutUnnoticed"])];

    test.each(ends)("recovers its connection after its line broke (%s)", async (how) => {
      const channel = channelName();
      const { socket, proxy, heard, hears, end } = await away();
      expect(await ask(socket, "subscribe", { channel })).toMatchObject({ ok: true });
      expect(socket.recovered).toBeFalsy();
      const { id } = socket;
      await publish(channel, 1);
      await hears(1);
      const back = comesBack(socket);
      if (how === "cut") proxy.cut();
      else if (how === "cutUnnoticed") proxy.cutUnnoticed();
      else socket.io.engine.close();
      await publish(channel, { two: 2 });
      await publish(channel, "3");
      await back;
      expect([socket.recovered, socket.id]).toEqual([true, id]);
      await hears(3);
      await publish(channel, 4);
      await hears(4);
      expect(heard).toEqual([1, { two: 2 }, "3", 4]);
      end();
    });

    test("is told when something is missing, and goes on by itself", async () => {
      const channel = channelName();
      const { socket, heard, hears, end } = await away();
      await ask(socket, "subscribe", { channel });
      await publish(channel, 0);
      await hears(1);
      socket.io.reconnection(false);
      const ended = once(socket, "disconnect");
      socket.io.engine.close();
      await ended;
      for (let data = 1; data <= 6; data++) await publish(channel, data);
      const { id } = socket;
      const back = comesBack(socket);
      socket.connect();
      await back;
      expect(socket.recovered).toBe(false);
      expect(socket.id).not.toBe(id);
      const answer = await ask(socket, "subscribe", { channel, last: 1 });
      expect(answer).toMatchObject({ ok: true, position: expect.any(String) });
      await hears(2);
      expect(heard).toEqual([0, 6]);
      end();
    });

    test("begins anew after it has disconnected itself, and with positions misses nothing", async () => {
      const channel = channelName();
      const since = await publish(channel, 1);
      await publish(channel, 2);
      const { socket, heard, hears, end } = await away({
        auth: { positions: { [channel]: since } },
      });
      await hears(1);
      socket.disconnect();
      const back = comesBack(socket);
      const recovery = once(socket, "starling:recovery");
      socket.connect();
      await back;
      expect(socket.recovered).toBe(false);
      expect(await recovery).toEqual([{ channel, position: since, recovered: true }]);
      await hears(2);
      expect(heard).toEqual([2, 2]);
      end();
    });

    test("gets a long history whole, before what is live", async () => {
      const channel = channelName("long");
      const since = await publish(channel, 0);
      const filling = "x".repeat(2_000);
      const publishing: Promise<string>[] = [];
      for (let data = 1; data <= 600; data++) {
        publishing.push(publish(channel, { data, filling }));
        if (data % 20 === 0) await Promise.all(publishing.splice(0));
      }
      const { socket, heard, hears, end } = await away();
      const answer = await ask(socket, "subscribe", { channel, since });
      expect(answer).toEqual({ ok: true, channel, position: since, recovered: true });
      await publish(channel, { data: 601 });
      await hears(601);
      const numbers = heard.map((each) => (each as { data: number }).data);
      expect(numbers.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 601 }, (_, index) => index + 1),
      );
      expect(numbers.at(-1)).toBe(601);
      end();
    });
  });

  test("text of a channel without history is no cursor to a stock client", async () => {
    const [kept, plain] = [channelName(), channelName("plain")];
    const socket = await gateway.clients.connected({ transports: ["websocket"] });
    await ask(socket, "subscribe", { channel: kept });
    await ask(socket, "subscribe", { channel: plain });
    const first = once(socket, "told");
    const position = await publish(kept, 1);
    expect(await first).toEqual([1, position]);
    const second = once(socket, "told");
    await publish(plain, position);
    expect(await second).toEqual([position, null]);
  });

  test("an app where nothing can be recovered has no proofs, and its events are as they were", async () => {
    const channel = channelName("plain");
    const socket = await gateway.clients.connected({ transports: ["websocket"] }, "/bare");
    await ask(socket, "subscribe", { channel });
    const told = once(socket, "told");
    await gateway.post("/api/publish", { app: "bare", channel, data: "text", event: "told" });
    expect(await told).toEqual(["text"]);
    expect(socket).not.toHaveProperty("_pid", expect.any(String));
  });

  describe("an event stream", () => {
    const stream = async (
      channels: readonly string[],
      query: Readonly<Record<string, string>> = {},
      headers: Readonly<Record<string, string>> = {},
    ) => {
      const { subscriberUrl, ca } = gateway.process;
      const opened = await EventStream.open(eventsUrl(subscriberUrl, channels, query), ca, headers);
      expect(await opened.next()).toBe("retry: 3000");
      return opened;
    };

    test("names a cursor at once, and with every event", async () => {
      const channel = channelName();
      const before = await publish(channel, 0);
      using events = await stream([channel]);
      const [, start] = /^id: (.*)$/.exec(await events.next()) ?? [];
      expect(start?.split(".")[0]).toBe(before.split(".")[0]);
      const position = await publish(channel, 1);
      expect(await events.next()).toBe(`id: ${position}\nevent: told\ndata: 1`);
    });

    test.each([
      ["the header", (id: string) => [{}, { "last-event-id": id }] as const],
      ["the query", (id: string) => [{ lastEventId: id }, {}] as const],
      [
        "both, of which the header counts",
        (id: string) => [{ lastEventId: "gone.1", last: "1" }, { "last-event-id": id }] as const,
      ],
    ])(
      "that comes back with a cursor in %s gets what it missed of all its channels",
      async (_, with_) => {
        const [one, two] = [channelName(), channelName()];
        const since = await publish(one, 0);
        const positions = [await publish(two, 1), await publish(one, 2), await publish(two, 3)];
        using events = await stream([one, two], ...with_(since));
        expect(await events.next()).toBe(`id: ${since}`);
        expect(await events.next()).toBe('event: starling:recovery\ndata: {"recovered":true}');
        for (const [index, position] of positions.entries()) {
          expect(await events.next()).toBe(`id: ${position}\nevent: told\ndata: ${index + 1}`);
        }
        const position = await publish(one, 4);
        expect(await events.next()).toBe(`id: ${position}\nevent: told\ndata: 4`);
      },
    );

    test("is told which of its channels are not whole", async () => {
      const [kept, plain] = [channelName(), channelName("plain")];
      const since = await publish(kept, 0);
      await publish(kept, 1);
      using events = await stream([kept, plain], {}, { "last-event-id": since });
      expect(await events.next()).toBe(`id: ${since}`);
      expect(await events.next()).toBe(
        `event: starling:recovery\ndata: ${JSON.stringify({ recovered: false, channels: [plain] })}`,
      );
      expect(await events.next()).toContain("data: 1");
    });

    test("may begin with the last of a channel", async () => {
      const channel = channelName();
      for (const data of [1, 2, 3]) await publish(channel, data);
      using events = await stream([channel], { last: "2" });
      expect(await events.next()).toStartWith("id: ");
      expect(await events.next()).toEndWith("data: 2");
      expect(await events.next()).toEndWith("data: 3");
    });

    test.each(["0", "-1", "x", "1.5", ""])("that wants the last %p is refused", async (last) => {
      const { subscriberUrl, ca } = gateway.process;
      const url = eventsUrl(subscriberUrl, [channelName()], { last });
      expect(refusal(await httpsCall(url, ca))).toEqual([400, 101, "invalid_request"]);
    });
  });

  describe("a signalling client of version 2", () => {
    test("that comes back as a subscriber gets what it missed", async () => {
      const channel = channelName();
      const [ep = "", off = ""] = (await publish(channel, 0)).split(".");
      await publish(channel, 1);
      using client = await SignallingClient.open(gateway.process, { v: "2" });
      client.send({ t: "control", op: "subscribe", c: channel, id: 1, ep, off: Number(off) });
      expect(await client.next()).toMatchObject({
        op: "ack",
        id: 1,
        ep,
        off: Number(off),
        rec: true,
      });
      expect(await client.next()).toMatchObject({ t: "data", off: Number(off) + 1 });
    });

    test("that comes back as a member does not hear what it said itself", async () => {
      const channel = channelName();
      using first = await SignallingClient.open(gateway.process, { v: "2", id: "ada" });
      first.send({ t: "control", op: "channel_join", c: channel, id: 1 });
      const { ep = "", off = -1 } = await first.nextOf("ack");
      first.send({ t: "data", c: channel, pl: pack({ event: "e", data: "1" }), id: 2 });
      await first.nextOf("ack");
      first.close();
      await publish(channel, 2);
      using again = await SignallingClient.open(gateway.process, { v: "2", id: "ada" });
      again.send({ t: "control", op: "channel_join", c: channel, id: 1, ep, off });
      expect(await again.next()).toMatchObject({ op: "channel_join" });
      expect(await again.next()).toMatchObject({ op: "ack", rec: true, ep, off });
      expect(await again.next()).toMatchObject({ op: "snapshot" });
      expect(await again.next()).toMatchObject({ t: "data", p: "" });
    });

    test("may want the last one, and is told when its position means nothing", async () => {
      const channel = channelName();
      for (const data of [1, 2]) await publish(channel, data);
      using client = await SignallingClient.open(gateway.process, { v: "2" });
      client.send({ t: "control", op: "subscribe", c: channel, id: 1, last: 1 });
      const ack = await client.next();
      expect(ack).toMatchObject({ op: "ack", id: 1 });
      expect(ack).not.toHaveProperty("rec");
      expect(await client.next()).toMatchObject({ t: "data", off: Number(ack.off) + 1 });
      client.send({ t: "control", op: "subscribe", c: channelName(), id: 2, ep: "gone", off: 7 });
      expect(await client.next()).toMatchObject({ op: "ack", id: 2, rec: false });
    });
  });
});
