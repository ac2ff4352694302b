/** The webhook that decides who is let in: its answers, its failures, and its circuit breaker. */

import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { connectError, refusedHandshake, websocket } from "../support/credentials.ts";
import { within } from "../support/deadline.ts";
import { EventStream, eventsUrl } from "../support/event-stream.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { SignallingClient } from "../support/signalling-client.ts";
import { unlimited } from "../support/signalling-room.ts";
import { ask, once } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

/** In which the webhook is not asked: more than the refusals take on a busy machine. */
const PAUSE_MS = 3_000;

describe("the webhook", () => {
  interface Question {
    readonly body: { readonly id?: string; readonly time?: number };
    readonly signature: string;
    readonly raw: string;
  }
  const questions: Question[] = [];
  const hook = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 60,
    async fetch(request) {
      const raw = await request.text();
      const body = JSON.parse(raw);
      questions.push({ body, raw, signature: request.headers.get("x-starling-signature") ?? "" });
      switch (body.id) {
        case "refused":
          return Response.json({ message: "not you" }, { status: 403 });
        case "silently-refused":
          return new Response(null, { status: 401 });
        case "broken":
          return new Response("broken", { status: 500 });
        case "hanging":
          return new Promise<Response>(() => {});
        case "nonsense":
          return new Response("<html>");
        case "misspelt":
          return Response.json({ permisions: {} });
        case "redirected":
          return Response.redirect("/elsewhere");
        case "huge":
          return Response.json({ user: "x".repeat(1_000_000) });
        case "brief":
          return Response.json({ user: "brief", ttlSeconds: 3 });
        default:
          return Response.json({ user: "ada", permissions: { subscribe: ["chat:*"] } });
      }
    },
  });
  afterAll(() => hook.stop(true));
  afterEach(() => questions.splice(0));
  const signing = "a secret of the webhook";
  const settings = {
    ...unlimited,
    AUTH_WEBHOOK_URL: `http://127.0.0.1:${hook.port}/hook`,
    AUTH_WEBHOOK_SECRET: signing,
    // Longer than a busy machine may keep an answer waiting.
    AUTH_WEBHOOK_TIMEOUT: "1000",
    AUTH_WEBHOOK_RETRIES: "1",
  };
  const gateway = new GatewayFixture(() => ({
    ...settings,
    AUTH_WEBHOOK_BREAKER_FAILURES: "1000",
    EVENT_ID_REGEX_VALIDATION_PATTERN: "^[a-z-]+$",
  }));

  test("is asked about every protocol, with a signature, and its word counts", async () => {
    const socket = await gateway.clients.connected({
      ...{ ...websocket, query: { uniqueUserId: "ada" }, auth: { token: "opaque" } },
      extraHeaders: { origin: "https://page.example" },
    });
    expect(await ask(socket, "subscribe", { channel: "chat:x" })).toMatchObject({ ok: true });
    expect(await ask(socket, "subscribe", { channel: "other:x" })).toMatchObject({
      error: { code: 203 },
    });
    const query = { id: "someone", publickey: "k", v: "2" };
    using client = await SignallingClient.open(gateway.process, { query });
    client.send({ t: "control", op: "subscribe", c: "ada", id: 1 });
    expect(await client.next()).toMatchObject({ op: "ack", id: 1 });
    const { subscriberUrl, ca } = gateway.process;
    const url = eventsUrl(subscriberUrl, ["chat:x", "ada"], { id: "someone" });
    using stream = await EventStream.open(url, ca);
    expect(await stream.next()).toBe("retry: 3000");
    expect(questions.map(({ body }) => body)).toEqual([
      {
        ...{ time: expect.any(Number), address: "127.0.0.1", transport: "socket.io" },
        ...{ app: "default", id: "ada", token: "opaque", origin: "https://page.example" },
      },
      {
        ...{ time: expect.any(Number), address: "127.0.0.1", transport: "signalling" },
        ...{ key: "k", id: "someone" },
      },
      {
        ...{ time: expect.any(Number), address: "127.0.0.1", transport: "sse", id: "someone" },
      },
    ]);
    for (const { raw, signature, body } of questions) {
      const mac = createHmac("sha256", signing).update(raw).digest("hex");
      expect(signature).toBe(`sha256=${mac}`);
      expect(Math.abs((body.time ?? 0) - Date.now())).toBeLessThan(60_000);
    }
  });

  const unavailable = "the authentication webhook gave no usable answer; retry later";
  test.each([
    ["refused", 403, 311, "not you", 1],
    [
      ...(["silently-refused", 403, 311] as const),
      ...(["the authentication webhook refused the connection", 1] as const),
    ],
    ["broken", 503, 312, unavailable, 2],
    ["hanging", 503, 312, unavailable, 2],
    ["nonsense", 503, 312, unavailable, 1],
    ["misspelt", 503, 312, unavailable, 1],
    ["redirected", 503, 312, unavailable, 1],
    ["huge", 503, 312, unavailable, 1],
  ] as const)(
    "that answers %s refuses with %i and error %i, in time",
    async (id, status, code, message, asked) => {
      const handshake = await refusedHandshake(gateway, { id, publickey: "k" });
      expect([handshake.status, handshake.text]).toEqual([status, message]);
      expect(questions.length).toBe(asked);
      const stream = await gateway.call(`/events?channel=chat:x&id=${id}`);
      expect(refusal(stream).slice(0, 2)).toEqual([status, code]);
      expect(await connectError(gateway, { uniqueUserId: id })).toEqual([message, code]);
      expect(questions.length).toBe(3 * asked);
    },
  );

  test("may let in for a while", async () => {
    const socket = await gateway.clients.connected({
      ...{ ...websocket, query: { uniqueUserId: "brief" } },
    });
    using client = await SignallingClient.open(gateway.process, {
      query: { id: "brief", publickey: "k", v: "2" },
    });
    await Promise.all([
      once(socket, "disconnect"),
      within(client.ended, "close frame").then(({ code }) => expect(code).toBe(4004)),
    ]);
  });

  test("that hangs holds up nobody who does not wait for it", async () => {
    const slow = Array.from({ length: 20 }, (_, index) =>
      refusedHandshake(gateway, { id: "hanging", publickey: `k-${index}` }),
    );
    using client = await SignallingClient.open(gateway.process, {
      query: { id: "someone", publickey: "k", v: "2" },
    });
    client.send({ t: "control", op: "ping", id: 1 });
    expect(await client.next()).toMatchObject({ op: "pong" });
    for (const { status } of await Promise.all(slow)) expect(status).toBe(503);
  });

  describe("after failures in a row", () => {
    const fragile = new GatewayFixture(() => ({
      ...settings,
      AUTH_WEBHOOK_RETRIES: "0",
      AUTH_WEBHOOK_BREAKER_FAILURES: "3",
      AUTH_WEBHOOK_BREAKER_PAUSE: String(PAUSE_MS),
    }));

    test("is not asked for a while, and then once until it answers again", async () => {
      const refused = async (id: string) => {
        const { status, text } = await refusedHandshake(fragile, { id, publickey: "k" });
        return [status, text];
      };
      for (let index = 0; index < 3; index++)
        expect(await refused("broken")).toEqual([503, unavailable]);
      const open =
        "the authentication webhook is not asked for a while because it failed; retry later";
      expect(await refused("someone")).toEqual([503, open]);
      expect(refusal(await fragile.call("/events?channel=chat:x"))).toEqual([
        ...[503, 313, "webhook_circuit_open"],
      ]);
      expect(questions.length).toBe(3);
      await Bun.sleep(PAUSE_MS + 100);
      expect(await refused("broken")).toEqual([503, unavailable]);
      expect(await refused("someone")).toEqual([503, open]);
      expect(questions.length).toBe(4);
      await Bun.sleep(PAUSE_MS + 100);
      const query = { id: "someone", publickey: "k" };
      using client = await SignallingClient.open(fragile.process, { query });
      expect(questions.length).toBe(5);
      expect(await refused("broken")).toEqual([503, unavailable]);
      expect(client).toBeDefined();
    });
  });
});
