/** The handshake of the signalling protocol (docs/protocol/signalling.md, section 2), and one port. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { within } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { type HttpsAnswer, httpsCall } from "../support/https.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { eventPayload, pack, signallingUrl } from "../support/signalling-client.ts";
import { channelName, open, presence, unlimited, upgrade } from "../support/signalling-room.ts";

setDefaultTimeout(60_000);

const MESH = "eu-1";

describe("a handshake", () => {
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    MESH_ID: MESH,
    PUBLIC_KEYS: "good:default,other:shop",
    ALLOWED_ORIGINS: "https://page.example",
  }));

  function expectRefusal(answer: HttpsAnswer, status: number, text: string): void {
    expect([answer.status, answer.text]).toEqual([status, text]);
    expect(answer.headers.get("x-prscd-version")).toMatch(/^\d+\.\d+\.\d+/);
    expect(answer.headers.get("x-prscd-meshid")).toBe(MESH);
  }

  test.each([
    ["/v1", 401, "id must not be empty"],
    ["/v1?publickey=good", 401, "id must not be empty"],
    ["/v1?publickey=good&id=", 401, "id must not be empty"],
    ["/v1?public_key=good&app_id=", 401, "id must not be empty"],
    ["/v1?id=ada", 401, "publickey must not be empty"],
    ["/v1?app_id=ada", 401, "publickey must not be empty"],
    ["/v1?id=ada&publickey=", 401, "publickey must not be empty"],
    ["/v1?id=ada&publickey=bad", 403, "illegal public key"],
    ["/v1?app_id=ada&public_key=bad", 403, "illegal public key"],
    ["/v1?id=ada&publickey=GOOD", 403, "illegal public key"],
  ])("of %s is refused with %i %s and both headers", async (path, status, text) => {
    expectRefusal(await gateway.call(path, { headers: upgrade }), status, text);
    expectRefusal(await gateway.call(path), status, text);
  });

  test.each(["/v2", "/v1/", "/V1", "/v1x", "/v1/v1", "/"])(
    "on the wrong path %s is answered 404",
    async (path) => {
      const target = `${path}?publickey=good&id=ada`;
      const answer = await gateway.call(target, { headers: upgrade });
      expectRefusal(answer, 404, `Cannot GET ${path}`);
    },
  );

  test("that is no WebSocket is told so, and another version of it is, too", async () => {
    const path = "/v1?publickey=good&id=ada";
    expectRefusal(await gateway.call(path), 426, "this address speaks WebSocket");
    const body = "x";
    expect((await gateway.call(path, { body })).status).toBe(426);
  });

  test("of a foreign page is refused, and of a page on the list it is not", async () => {
    const path = "/v1?publickey=good&id=ada";
    const headers = { ...upgrade, origin: "https://evil.example" };
    const answer = await gateway.call(path, { headers });
    expectRefusal(answer, 403, "the origin is not in ALLOWED_ORIGINS");
    const query = { publickey: "good", id: "ada" };
    const origin = { origin: "https://page.example" };
    using client = await open(gateway, "", { query, headers: origin });
    await client.join(channelName());
  });

  test.each([
    { publickey: "good", id: "ada" },
    { public_key: "good", app_id: "ada" },
    { publickey: "good", app_id: "ada" },
    { public_key: "good", id: "ada", v: "3" },
    { publickey: "good", id: "ada", v: "2" },
  ])("with the query %j is accepted, and its answer has both headers", async (query) => {
    const url = signallingUrl(gateway.process.subscriberUrl, { query });
    const raw = await RawWebSocket.open(url, gateway.process.ca);
    expect(raw.head).toStartWith("HTTP/1.1 101 ");
    expect(raw.head).toMatch(/^x-prscd-version: \d+\.\d+\.\d+/im);
    expect(raw.head).toMatch(/^x-prscd-meshid: eu-1\r?$/im);
    const channel = channelName();
    raw.sendFrame(2, pack({ t: "control", op: "channel_join", c: channel }));
    await raw.binary(0);
    expect((await presence(gateway, channel)).members).toMatchObject([{ clientId: "ada" }]);
    raw.destroy();
  });

  test("with ids of every language is accepted, and of 256 characters it is not", async () => {
    const ids = ["ü ñ 日本 🐢", "a".repeat(255), "%", "a&b=c"];
    for (const id of ids) {
      using client = await open(gateway, "", { query: { publickey: "good", id } });
      const channel = channelName();
      await client.join(channel);
      expect((await presence(gateway, channel)).members).toMatchObject([{ clientId: id }]);
    }
    const path = `/v1?publickey=good&id=${"a".repeat(256)}`;
    expect((await gateway.call(path, { headers: upgrade })).status).toBe(400);
  });

  test("decides about the app, and apps do not hear each other", async () => {
    const channel = channelName();
    using ada = await open(gateway, "", { query: { publickey: "good", id: "ada" } });
    using bob = await open(gateway, "", { query: { publickey: "good", id: "bob" } });
    using eve = await open(gateway, "", { query: { publickey: "other", id: "eve" } });
    for (const client of [ada, bob, eve]) await client.join(channel);
    eve.send({ t: "control", op: "peer_online", c: channel });
    eve.send({ t: "data", c: channel, pl: eventPayload("e", "1") });
    await gateway.post("/api/publish", { app: "shop", channel, data: "shop" });
    expect((await eve.next()).pl).toEqual(eventPayload("message", '"shop"'));
    ada.send({ t: "data", c: channel, pl: eventPayload("e", "2") });
    expect(await bob.next()).toMatchObject({ p: "ada", pl: eventPayload("e", "2") });
  });
});

test("handshakes beyond the rate by address are refused with 429, in words and with headers", async () => {
  const gateway = await startGatewayProcess({ CONNECT_RATE_PER_ADDRESS: "1" });
  try {
    const { subscriberUrl, ca } = gateway;
    const statuses = new Map<number, string>();
    for (let index = 0; index < 60 && !statuses.has(429); index++) {
      const answer = await httpsCall(`${subscriberUrl}/v1?id=ada`, ca, { headers: upgrade });
      statuses.set(answer.status, answer.text);
      expect(answer.headers.has("x-prscd-version")).toBe(true);
      expect(answer.headers.get("x-prscd-meshid")).toBe("");
    }
    expect(statuses.get(401)).toBe("publickey must not be empty");
    expect(statuses.get(429)).toBe("rate limit block");
  } finally {
    expect(await gateway.stop()).toBe(0);
  }
});

describe("one port for everything", () => {
  const gateway = new GatewayFixture(() => ({ ...unlimited, PORT: "0", MESH_ID: MESH }));

  test("serves publishers and every kind of subscriber", async () => {
    const { subscriberUrl, publisherUrl } = gateway.process;
    expect(publisherUrl).toBe(subscriberUrl);
    expect(await gateway.call("/")).toMatchObject({ status: 200, text: "OK" });
    expect((await gateway.call("/metrics")).text).toContain("starling_connections 0");
    const user = crypto.randomUUID();
    const socket = await gateway.clients.connected({ query: { uniqueUserId: user } });
    const heard = Promise.withResolvers<unknown>();
    socket.once("e", heard.resolve);
    using ada = await open(gateway, "ada");
    await ada.join(user);
    await gateway.post("/api/publish", { channel: user, event: "e", data: [1] });
    expect(await within(heard.promise, "event")).toEqual([1]);
    expect(await ada.next()).toEqual({
      ...{ t: "data", c: user, p: "", pl: eventPayload("e", "[1]"), mesh: MESH },
    });
    expect((await gateway.call("/v1?publickey=any", { headers: upgrade })).text).toBe(
      "id must not be empty",
    );
    expect((await gateway.call("/v2?publickey=any&id=x", { headers: upgrade })).status).toBe(404);
  });
});
