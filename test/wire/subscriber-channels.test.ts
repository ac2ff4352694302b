/** What clients may do in channels, as the namespaces of a CONFIG_FILE in YAML say. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayFixture, refused } from "../support/gateway-fixture.ts";
import { ask, once, ways } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const NAMESPACES = `
namespaces:
  open: { subscribe: anyone, publish: anyone }
  read: { subscribe: anyone }
  write:
    publish: anyone
`;

const MAX_CHANNELS = 5;
const folder = mkdtempSync(join(tmpdir(), "starling-channels-"));
const file = join(folder, "namespaces.yaml");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const denied = refused(203, "permission_denied");

beforeAll(() => writeFileSync(file, NAMESPACES));
const gateway = new GatewayFixture(() => ({
  CONFIG_FILE: file,
  CONNECT_RATE_PER_USER: "0",
  CONNECT_RATE_PER_ADDRESS: "0",
  MAX_CHANNELS_PER_CONNECTION: String(MAX_CHANNELS),
}));

describe.each(ways)("a client over %s", (_way, options) => {
  const connected = (namespace = "/", user = crypto.randomUUID()) =>
    gateway.clients.connected({ ...options, query: { uniqueUserId: user } }, namespace);

  test("subscribes to an open channel, hears it, and after unsubscribing no more", async () => {
    const channel = `open:${crypto.randomUUID()}`;
    const [socket, other] = [await connected(), await connected()];
    for (const each of [socket, other]) {
      expect(await ask(each, "subscribe", { channel })).toEqual({ ok: true, channel });
    }
    // A second time changes nothing.
    expect(await ask(socket, "subscribe", { channel })).toEqual({ ok: true, channel });
    const both = Promise.all([once(socket, "e"), once(other, "e")]);
    const answer = await gateway.post("/api/publish", { channel, event: "e", data: 1 });
    expect(answer).toBe('{"ok":true,"subscribers":2}');
    expect(await both).toEqual([[1], [1]]);

    const gone = { ok: true, channel, wasSubscribed: true };
    expect(await ask(socket, "unsubscribe", { channel })).toEqual(gone);
    const again = { ok: true, channel, wasSubscribed: false };
    expect(await ask(socket, "unsubscribe", { channel })).toEqual(again);
    const heard: unknown[] = [];
    socket.onAny((name: unknown) => heard.push(name));
    const rest = once(other, "e");
    const later = await gateway.post("/api/publish", { channel, event: "e", data: 2 });
    expect(later).toBe('{"ok":true,"subscribers":1}');
    expect(await rest).toEqual([2]);
    await ask(socket, "unsubscribe", { channel });
    expect(heard).toEqual([]);
  });

  test("may leave the channel of its own id and come back, and enter no other's", async () => {
    const user = crypto.randomUUID();
    const socket = await connected("/", user);
    const channel = user;
    const left = await ask(socket, "unsubscribe", { channel });
    expect(left).toEqual({ ok: true, channel, wasSubscribed: true });
    expect(await gateway.post("/api/publish", { channel, data: 1 })).toContain('"subscribers":0');
    expect(await ask(socket, "subscribe", { channel })).toEqual({ ok: true, channel });
    expect(await gateway.post("/api/publish", { channel, data: 1 })).toContain('"subscribers":1');

    const closed = [crypto.randomUUID(), "write:x", "unknown:x", "general", "openx", ":open"];
    for (const other of closed) {
      expect(await ask(socket, "subscribe", { channel: other })).toEqual(denied);
      const notThere = { ok: true, channel: other, wasSubscribed: false };
      expect(await ask(socket, "unsubscribe", { channel: other })).toEqual(notThere);
    }
  });

  test("publishes where the namespace allows it, and is heard by everybody there", async () => {
    const channel = `open:${crypto.randomUUID()}`;
    const [socket, silent, outside] = [await connected(), await connected(), await connected()];
    await ask(silent, "subscribe", { channel });
    const heard = once(silent, "said");
    const publication = { channel, event: "said", data: { text: "hi", list: [1.5, null] } };
    expect(await ask(socket, "publish", publication)).toEqual({ ok: true, subscribers: 1 });
    expect(await heard).toEqual([publication.data]);

    await ask(socket, "subscribe", { channel });
    const events: unknown[] = [];
    outside.onAny((name: unknown) => events.push(name));
    const both = Promise.all([once(silent, "message"), once(socket, "message")]);
    const answer = await ask(socket, "publish", { channel, data: "to all" });
    expect(answer).toEqual({ ok: true, subscribers: 2 });
    expect(await both).toEqual([["to all"], ["to all"]]);
    await ask(outside, "unsubscribe", { channel });
    expect(events).toEqual([]);
  });

  test("may not publish elsewhere, not even in its own channel", async () => {
    const user = crypto.randomUUID();
    const socket = await connected("/", user);
    const events: unknown[] = [];
    socket.onAny((name: unknown) => events.push(name));
    for (const channel of [user, "read:x", "general", "unknown:x"]) {
      expect(await ask(socket, "publish", { channel, data: 1 })).toEqual(denied);
    }
    expect(events).toEqual([]);
    const open = { ok: true, subscribers: 0 };
    expect(await ask(socket, "publish", { channel: "write:x", data: 1 })).toEqual(open);
  });

  test("is told what is wrong with a request, and goes on", async () => {
    const socket = await connected();
    const invalid = refused(101, "invalid_request");
    const requests: unknown[][] = [
      [],
      [null],
      ["open:x"],
      [{}],
      [{ channel: 1 }],
      [{ channel: "" }],
      [{ channel: "open:\n" }],
      [{ channel: `open:${"x".repeat(255)}` }],
      [["open:x"]],
    ];
    for (const args of requests) {
      for (const event of ["subscribe", "unsubscribe", "publish"]) {
        expect(await ask(socket, event, ...args)).toEqual(invalid);
      }
    }
    const channel = "open:x";
    expect(await ask(socket, "publish", { channel })).toEqual(invalid);
    expect(await ask(socket, "publish", { channel, event: 1, data: 1 })).toEqual(invalid);
    const reserved = { channel, event: "disconnect", data: 1 };
    expect(await ask(socket, "publish", reserved)).toEqual(refused(110, "reserved_event"));
    expect(await ask(socket, "join", { channel })).toEqual(refused(111, "unknown_event"));
    // Without an acknowledgement there is nobody to tell, and nothing breaks.
    socket.emit("subscribe", 1);
    socket.emit("join");
    expect(await ask(socket, "subscribe", { channel })).toEqual({ ok: true, channel });
  });

  test("may be in a limited number of channels", async () => {
    const socket = await connected();
    for (let index = 1; index < MAX_CHANNELS; index++) {
      const channel = `open:${index}`;
      expect(await ask(socket, "subscribe", { channel })).toEqual({ ok: true, channel });
    }
    const tooMany = refused(204, "too_many_channels");
    await ask(socket, "unsubscribe", { channel: "open:1" });
    const again = { channel: "open:1" };
    expect(await ask(socket, "subscribe", again)).toEqual({ ok: true, ...again });
    const disconnected = new Promise<string>((done) => socket.once("disconnect", done));
    expect(await ask(socket, "subscribe", { channel: "open:more" })).toEqual(tooMany);
    expect(await disconnected).toMatch(/^transport/);
  });
});
