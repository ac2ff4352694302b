/** How connections end: by the publisher, by a restart, and by what a client did. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience, within } from "../support/deadline.ts";
import { openLink, type TransportName } from "../support/engine-link.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import { once, StockClients, upgraded, ways } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const transports: TransportName[] = ["polling", "websocket"];
const reconnecting = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
const unlimited = { CONNECT_RATE_PER_USER: "0", CONNECT_RATE_PER_ADDRESS: "0" };

const certificate = new ServerCertificate();
afterAll(() => certificate[Symbol.dispose]());

describe("a disconnect by the publisher", () => {
  const gateway = new GatewayFixture(() => unlimited);

  test.each(ways)("ends a client over %s, which does not come back", async (_way, options) => {
    const query = { uniqueUserId: crypto.randomUUID() };
    const all = { ...options, ...reconnecting, query };
    const sockets = [await gateway.clients.connected(all), await gateway.clients.connected(all)];
    const other = await gateway.clients.connected({ query: { uniqueUserId: crypto.randomUUID() } });
    const reasons = Promise.all(sockets.map((socket) => once(socket, "disconnect")));
    const attempts: unknown[] = [];
    for (const socket of sockets) {
      socket.io.on("reconnect_attempt", (attempt) => attempts.push(attempt));
    }
    const answer = await gateway.post("/api/disconnect", { user: query.uniqueUserId });
    expect(answer).toBe('{"ok":true,"connections":2,"complete":true,"unanswered":[]}');
    for (const [reason] of await reasons) expect(reason).toBe("io server disconnect");
    // What the stock client calls a socket that will connect again by itself.
    expect(sockets.map(({ active }) => active)).toEqual([false, false]);
    expect(attempts).toEqual([]);
    expect(other.connected).toBe(true);
    const { uniqueUserId: channel } = query;
    const nobody = '{"ok":true,"subscribers":0}';
    expect(await gateway.post("/api/publish", { channel, data: 1 })).toBe(nobody);
    const again = once(sockets[0] ?? other, "connect");
    sockets[0]?.connect();
    await again;
  });

  test.each(ways)("of one connection leaves the user's others over %s", async (_way, options) => {
    const query = { uniqueUserId: crypto.randomUUID() };
    const gone = await gateway.clients.connected({ ...options, query });
    const stays = await gateway.clients.connected({ ...options, query });
    const reason = once(gone, "disconnect");
    const answer = await gateway.post("/api/disconnect", { connection: gone.id });
    expect(answer).toBe('{"ok":true,"connections":1,"complete":true,"unanswered":[]}');
    expect((await reason)[0]).toBe("io server disconnect");
    const received = once(stays, "message");
    await gateway.post("/api/publish", { channel: query.uniqueUserId, data: 1 });
    expect(await received).toEqual([1]);
  });

  test("reaches a client that has stopped polling for its upgrade", async () => {
    const user = crypto.randomUUID();
    const http = gateway.engine(user);
    const { sid } = await http.handshake();
    await http.post(sid, "40");
    expect((await http.receive(sid, 1))[0]).toStartWith("40{");
    const { ca } = gateway.process;
    const url = http.webSocketUrl({ EIO: "4", transport: "websocket", sid });
    const client = await RawWebSocket.open(url, ca);
    client.send("2probe");
    expect(await client.text(0)).toBe("3probe");
    await gateway.post("/api/publish", { channel: user, data: "last words" });
    await gateway.post("/api/disconnect", { user });
    client.send("5");
    const ending = await within(client.ended, "close frame");
    expect(ending).toEqual({ code: 4500, reason: "disconnected by the publisher API" });
    expect(client.texts).toEqual(["3probe", '42["message","last words"]', "41"]);
    client.destroy();
  });

  test("has a close code of its own on the WebSocket", async () => {
    const user = crypto.randomUUID();
    const url = `${gateway.process.subscriberUrl}/socket.io/?EIO=4&transport=websocket&uniqueUserId=${user}`;
    const client = await RawWebSocket.open(url, gateway.process.ca);
    client.send("40");
    expect(await client.text(1)).toStartWith("40{");
    await gateway.post("/api/disconnect", { user });
    const ending = await within(client.ended, "close frame");
    expect(ending).toEqual({ code: 4500, reason: "disconnected by the publisher API" });
    expect(client.texts.at(-1)).toBe("41");
    client.destroy();
  });

  test("of somebody who is not there disconnects nobody", async () => {
    const requests = [
      { user: crypto.randomUUID() },
      { connection: "unknown" },
      { user: "undefined" },
    ];
    await gateway.clients.connected();
    for (const request of requests) {
      expect(await gateway.post("/api/disconnect", request)).toBe(
        '{"ok":true,"connections":0,"complete":true,"unanswered":[]}',
      );
    }
  });
});

describe("a restart", () => {
  function start(at?: GatewayProcess): Promise<GatewayProcess> {
    return startGatewayProcess({
      ...unlimited,
      ...certificate.environment,
      ...(at === undefined
        ? {}
        : {
            PRODUCER_PORT: new URL(at.publisherUrl).port,
            CONSUMER_PORT: new URL(at.subscriberUrl).port,
          }),
    });
  }

  test("is seen by every client, which comes back and receives again", async () => {
    let gateway = await start();
    const clients = new StockClients(() => ({ url: gateway.subscriberUrl, ca: gateway.ca }));
    try {
      const all = ways.flatMap(([, options]) => {
        const user = crypto.randomUUID();
        return [1, 2].map(() => ({
          user,
          options: { ...options, ...reconnecting, query: { uniqueUserId: user } },
        }));
      });
      const sockets = await Promise.all(
        all.map(async ({ user, options }) => ({
          user,
          socket: await clients.connected(options),
        })),
      );
      await Promise.all(sockets.slice(-2).map(({ socket }) => upgraded(socket)));
      const gone = sockets.map(({ socket }) => once(socket, "disconnect", 2 * patience));
      expect(await gateway.stop()).toBe(0);
      for (const [reason] of await Promise.all(gone)) {
        // An error it is for a client that was between two polls, and found the port closed.
        expect(["transport close", "transport error"]).toContain(String(reason));
      }

      const back = sockets.map(({ socket }) => once(socket, "connect", 4 * patience));
      gateway = await start(gateway);
      await Promise.all(back);
      for (const { user, socket } of sockets) {
        const received = once(socket, user);
        const body = JSON.stringify({ uuid: user, again: true });
        const answer = await httpsCall(`${gateway.publisherUrl}/`, gateway.ca, { body });
        expect([answer.status, answer.text]).toEqual([200, "OK"]);
        expect(await received).toEqual([{ again: true }]);
      }
    } finally {
      clients.disconnectAll();
      await gateway.stop();
    }
  });

  test("tells a WebSocket by a close code that it should come back", async () => {
    const gateway = await start();
    const url = `${gateway.subscriberUrl}/socket.io/?EIO=4&transport=websocket`;
    const client = await RawWebSocket.open(url, gateway.ca);
    client.send("40");
    expect(await client.text(1)).toStartWith("40{");
    const stopped = gateway.stop();
    const ending = await within(client.ended, "close frame");
    expect(ending).toEqual({ code: 4000, reason: "server is shutting down" });
    client.destroy();
    expect(await stopped).toBe(0);
  });
});

describe("a client that asks for more than it takes", () => {
  const gateway = new GatewayFixture(() => ({ ...unlimited, SLOW_CONSUMER_BYTES: "16384" }));

  test("is cut before it is connected, and leaves nothing behind", async () => {
    const user = crypto.randomUUID();
    const http = gateway.engine(user);
    const { sid } = await http.handshake();
    // Every refusal repeats the name of the namespace, and nobody fetches them.
    for (let index = 0; index < 2; index++) await http.post(sid, `40/${"x".repeat(12_000)},`);
    await http.post(sid, "40");
    const { connections, slowConsumers } = await gateway.stats();
    expect({ connections, slowConsumers }).toEqual({ connections: 0, slowConsumers: 1 });
    expect(await gateway.post("/api/publish", { channel: user, data: 1 })).toBe(
      '{"ok":true,"subscribers":0}',
    );
  });
});

describe("a client that has not connected", () => {
  const gateway = new GatewayFixture(() => unlimited);

  test.each(transports)("may not begin a binary packet over %s", async (transport) => {
    using link = await openLink(gateway.engine(), transport);
    // Its parts, up to ten of the largest message, would wait in memory before any check.
    await link.send('451-["message",{"_placeholder":true,"num":0}]');
    await within(link.closed, "end of the session");
  });
});
