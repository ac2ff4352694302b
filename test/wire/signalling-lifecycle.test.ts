/** How connections of the signalling protocol live and end: heartbeat, stop, token. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually, within } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { pack, SignallingClient, signallingUrl } from "../support/signalling-client.ts";
import {
  channelName,
  member,
  open,
  presence,
  unlimited,
  upgrade,
} from "../support/signalling-room.ts";

setDefaultTimeout(60_000);

describe("the heartbeat", () => {
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    SIGNAL_PING_INTERVAL: "200",
    // Longer than a busy machine may keep a pong waiting.
    SIGNAL_PING_TIMEOUT: "2000",
  }));

  async function roundTrips(): Promise<number> {
    const { publisherUrl, ca } = gateway.process;
    const { text } = await httpsCall(`${publisherUrl}/metrics`, ca);
    return Number(/^starling_ping_round_trip_seconds_count (\d+)$/m.exec(text)?.[1]);
  }

  function raw(id: string, v = "1"): Promise<RawWebSocket> {
    const { subscriberUrl, ca } = gateway.process;
    return RawWebSocket.open(signallingUrl(subscriberUrl, { id, v }), ca);
  }

  /**
   * Answers the newest ping until that is measured: one answer counts for all pings before it, so on
   * a busy machine it may come when none is left to be answered.
   */
  async function answerMeasured(client: RawWebSocket, measured: number): Promise<void> {
    await eventually("a round trip in the histogram", async () => {
      client.sendFrame(10, await client.ping(Math.max(0, client.pings.length - 1)));
      return (await roundTrips()) > measured ? true : undefined;
    });
  }

  test("is a ping with the clock in eight bytes, and its pongs fill the histogram", async () => {
    const before = Date.now();
    const client = await raw("ada");
    for (let index = 0; index < 3; index++) {
      const payload = await client.ping(index);
      expect(payload.length).toBe(8);
      const clock = Number(payload.readBigUInt64BE());
      expect(clock).toBeGreaterThanOrEqual(before);
      expect(clock).toBeLessThanOrEqual(Date.now());
      await answerMeasured(client, await roundTrips());
    }
    client.destroy();
  });

  test("is not deceived by pongs that nobody asked for, or that hold no clock", async () => {
    const client = await raw("ada");
    const future = Buffer.alloc(8, 0xff);
    const measured = await roundTrips();
    client.sendFrame(10, await client.ping(0).then((payload) => payload.subarray(1)));
    for (const payload of [future, Buffer.alloc(0), Buffer.alloc(8), Buffer.alloc(125)]) {
      client.sendFrame(10, payload);
    }
    client.sendFrame(10, future);
    // Its answer says that all that was sent before it has been read.
    client.sendFrame(2, pack({ t: "control", op: "channel_join", c: channelName() }));
    await client.binary(0);
    expect(await roundTrips()).toBe(measured);
    await answerMeasured(client, measured);
    client.destroy();
  });

  test("ends who leaves pings unanswered, counts it, and tells the channel", async () => {
    const c = channelName();
    using bob = await member(gateway, "bob", c);
    const { pingTimeouts } = await gateway.stats();
    const ada = await raw("ada");
    ada.sendFrame(2, pack({ t: "control", op: "channel_join", c }));
    await ada.binary(0);
    expect(await within(ada.ended, "close frame")).toEqual({ code: 1013, reason: "ping timeout" });
    expect(await bob.next()).toEqual({ t: "control", op: "peer_offline", c, p: "ada" });
    const two = await raw("two", "2");
    expect((await within(two.ended, "close frame")).code).toBe(4002);
    expect((await gateway.stats()).pingTimeouts).toBe(pingTimeouts + 2);
    expect((await presence(gateway, c)).members).toMatchObject([{ clientId: "bob" }]);
  });

  test("leaves alone who answers, however long it says nothing else", async () => {
    const c = channelName();
    using bob = await member(gateway, "bob", c);
    const ada = await raw("ada");
    for (let index = 0; index < 5; index++) ada.sendFrame(10, await ada.ping(index));
    await bob.join(c);
    ada.destroy();
  });
});

test("before a stop clients of version 2 get a notice, and all are told to come back", async () => {
  const gateway = await startGatewayProcess(unlimited);
  const c = channelName();
  const one = await SignallingClient.open(gateway, { id: "one" });
  const two = await SignallingClient.open(gateway, { id: "two", v: "2" });
  await one.join(c);
  await two.join(c, undefined, 2);
  const before = Date.now();
  const stopped = gateway.stop();
  const notice = await two.nextOf("notice");
  expect(notice).toEqual({
    ...{ t: "control", op: "notice", p: "", code: 4000 },
    msg: expect.any(String),
    ts: expect.any(Number),
  });
  expect(notice.ts).toBeGreaterThanOrEqual(before);
  expect((await within(two.ended, "close frame")).code).toBe(4000);
  expect((await within(one.ended, "close frame")).code).toBe(1013);
  expect(one.unread().filter(({ op }) => op !== "peer_offline")).toEqual([]);
  expect(await stopped).toBe(0);
});

describe("with a token", () => {
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    JWT_SECRET: "a secret of the tests with more than 32 bytes",
    JWT_LEEWAY: "0",
    PUBLIC_KEYS: "shop-key:shop",
  }));

  /** Seconds, the first of which may be nearly over when the token is made. */
  const BRIEF = 4;

  async function minted(request: object): Promise<{ token: string; expiresAt: number }> {
    return JSON.parse(await gateway.post("/api/token", request));
  }

  async function mint(request: object): Promise<string> {
    return (await minted(request)).token;
  }

  function withToken(token: string, v = "2"): Promise<SignallingClient> {
    return open(gateway, "", { query: { id: "ada", token, v } });
  }

  test.each([
    ["1", 1013],
    ["2", 4004],
  ])("version %s ends when the token does, with %i", async (v, code) => {
    const token = await mint({ user: "ada", ttlSeconds: BRIEF });
    using ada = await withToken(token, v);
    expect(await within(ada.ended, "close frame")).toEqual({
      ...{ code, reason: "token expired; reconnect with a new one" },
    });
    const path = `/v1?${new URLSearchParams({ id: "ada", token })}`;
    const again = await gateway.call(path, { headers: upgrade });
    expect([again.status, again.text]).toEqual([401, "the token has expired; get a new one"]);
  });

  test("a fresh token in place keeps the connection, and another's does not count", async () => {
    const refusals: [number, string][] = [
      [306, "nonsense"],
      [310, await mint({ user: "eve" })],
      [310, await mint({})],
      [309, await mint({ user: "ada", app: "shop" })],
    ];
    const fresh = await mint({ user: "ada", ttlSeconds: 60 });
    const { token, expiresAt } = await minted({ user: "ada", ttlSeconds: BRIEF });
    using ada = await withToken(token);
    for (const [code, tk] of refusals) {
      ada.send({ t: "control", op: "auth", tk, id: code });
      expect(await ada.next()).toMatchObject({ op: "error", code, id: code });
    }
    ada.send({ t: "control", op: "auth", id: 1 });
    expect(await ada.next()).toMatchObject({ op: "error", code: 123, id: 1 });
    ada.send({ t: "control", op: "auth", tk: fresh, id: 2 });
    expect(await ada.next()).toEqual({ t: "control", op: "ack", p: "", id: 2 });
    await Bun.sleep(expiresAt + 500 - Date.now());
    ada.send({ t: "control", op: "ping", id: 3 });
    expect(await ada.next()).toMatchObject({ op: "pong", id: 3 });
    const last = await mint({ user: "ada", ttlSeconds: BRIEF });
    ada.send({ t: "control", op: "auth", tk: last, id: 4 });
    expect(await ada.next()).toMatchObject({ op: "ack", id: 4 });
    expect((await within(ada.ended, "close frame")).code).toBe(4004);
  });

  test("an expired one is refused in place with its own number", async () => {
    const old = await mint({ user: "ada", ttlSeconds: 1 });
    using ada = await withToken(await mint({ user: "ada" }));
    await Bun.sleep(1_200);
    ada.send({ t: "control", op: "auth", tk: old, id: 1 });
    expect(await ada.next()).toMatchObject({ op: "error", code: 305, id: 1 });
  });
});
