/** Apps as Socket.IO namespaces, as a CONFIG_FILE in JSON says, and binary data among clients. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "socket.io-client";
import { GatewayFixture, refused } from "../support/gateway-fixture.ts";
import { ask, bytes, once, ways } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const APPS = {
  namespaces: { open: { subscribe: "anyone", publish: "anyone" } },
  apps: {
    shop: {
      namespaces: {
        "": { subscribe: "anyone" },
        news: { subscribe: "anyone", publish: "anyone" },
      },
    },
    empty: {},
  },
};

const folder = mkdtempSync(join(tmpdir(), "starling-apps-"));
const file = join(folder, "apps.json");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const denied = refused(203, "permission_denied");

beforeAll(() => writeFileSync(file, JSON.stringify(APPS)));
const gateway = new GatewayFixture(() => ({
  CONFIG_FILE: file,
  CONNECT_RATE_PER_USER: "0",
  CONNECT_RATE_PER_ADDRESS: "0",
}));

describe.each(ways)("a client over %s", (_way, options) => {
  const connected = (namespace = "/", user = crypto.randomUUID()) =>
    gateway.clients.connected({ ...options, query: { uniqueUserId: user } }, namespace);

  test("is in an app by its Socket.IO namespace, and the apps share no channel", async () => {
    const user = crypto.randomUUID();
    const [main, shop] = [await connected("/", user), await connected("/shop", user)];
    const heard: unknown[] = [];
    main.onAny((name: unknown) => heard.push(name));
    const own = once(shop, "e");
    const toShop = { app: "shop", channel: user, event: "e", data: 1 };
    expect(await gateway.post("/api/publish", toShop)).toBe('{"ok":true,"subscribers":1}');
    expect(await own).toEqual([1]);

    // What the default app keeps closed the other one opens, and the other way round.
    const channel = "general";
    expect(await ask(shop, "subscribe", { channel })).toEqual({ ok: true, channel });
    expect(await ask(main, "subscribe", { channel })).toEqual(denied);
    expect(await ask(shop, "subscribe", { channel: "open:x" })).toMatchObject({ ok: true });
    expect(await ask(shop, "publish", { channel: "open:x", data: 1 })).toEqual(denied);
    const news = once(shop, "message");
    const newsChannel = `news:${user}`;
    await ask(shop, "subscribe", { channel: newsChannel });
    const published = await ask(shop, "publish", { channel: newsChannel, data: "n" });
    expect(published).toEqual({ ok: true, subscribers: 1 });
    expect(await news).toEqual(["n"]);
    await ask(main, "unsubscribe", { channel });
    expect(heard).toEqual([]);

    const legacy = once(main, user);
    await gateway.post("/", { uuid: user });
    expect(await legacy).toEqual([{}]);
  });

  test("is in several apps over one connection", async () => {
    const user = crypto.randomUUID();
    const main = await connected("/", user);
    const shop = main.io.socket("/shop", {});
    await once(shop, "connect");
    const events = Promise.all([once(main, "e"), once(shop, "e")]);
    await gateway.post("/api/publish", { channel: user, event: "e", data: "main" });
    await gateway.post("/api/publish", { app: "shop", channel: user, event: "e", data: "shop" });
    expect(await events).toEqual([["main"], ["shop"]]);
    shop.disconnect();
    expect(await ask(main, "subscribe", { channel: "open:x" })).toMatchObject({ ok: true });
  });

  test("has no rights in an app without namespaces but to its own channel", async () => {
    const user = crypto.randomUUID();
    const socket = await connected("/empty", user);
    const own = once(socket, "message");
    await gateway.post("/api/publish", { app: "empty", channel: user, data: 1 });
    expect(await own).toEqual([1]);
    expect(await ask(socket, "subscribe", { channel: "open:x" })).toEqual(denied);
  });

  const unknown = ["/unknown", "/Shop", "/shop/", "/shop/x", "/default", "/__proto__"];
  test.each(unknown)("finds no app at %s", async (namespace) => {
    const error = await gateway.clients.refused(options, namespace);
    expect(error.message).toBe("Invalid namespace");
  });

  test("publishes binary data, which arrives as binary whatever the transport", async () => {
    const channel = `open:${crypto.randomUUID()}`;
    const sender = await connected();
    const receivers: Socket[] = [];
    for (const [, way] of ways) receivers.push(await gateway.clients.connected(way));
    for (const socket of [sender, ...receivers]) await ask(socket, "subscribe", { channel });
    const heard = Promise.all([sender, ...receivers].map((socket) => once(socket, "file")));
    const large = Uint8Array.from({ length: 300_000 }, (_, index) => index * 7);
    const data = {
      name: "é",
      parts: [Uint8Array.of(0, 255, 128), Uint8Array.of()],
      deep: { large },
      text: '{"_placeholder":true,"num":0}',
    };
    const answer = await ask(sender, "publish", { channel, event: "file", data });
    expect(answer).toEqual({ ok: true, subscribers: 4 });
    for (const [argument] of await heard) {
      const received = argument as typeof data;
      expect(received.name).toBe("é");
      expect(received.text).toBe(data.text);
      expect(received.parts.map(bytes)).toEqual([[0, 255, 128], []]);
      expect(Bun.hash(Uint8Array.from(bytes(received.deep.large)))).toBe(Bun.hash(large));
    }
  });
});
