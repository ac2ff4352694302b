/** Event streams (`/events`): what is opened and refused, what comes, and how they end. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { ConfigFile } from "../support/config-file.ts";
import { eventually, within } from "../support/deadline.ts";
import { EventStream, eventsUrl } from "../support/event-stream.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";

setDefaultTimeout(60_000);

const SECRET = "a secret of the tests with more than 32 bytes";
const PAGE = "https://page.example";
const free = { CONNECT_RATE_PER_ADDRESS: "0", CONNECT_RATE_PER_USER: "0" };

function channelName(namespace = "demo"): string {
  return `${namespace}:${crypto.randomUUID()}`;
}

/** A stream that has begun, and has read what every stream begins with. */
async function open(
  gateway: GatewayFixture,
  channels: readonly string[],
  query: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStream> {
  const { subscriberUrl, ca } = gateway.process;
  const stream = await EventStream.open(eventsUrl(subscriberUrl, channels, query), ca, headers);
  expect(await stream.next()).toBe("retry: 3000");
  return stream;
}

async function subscribersOf(gateway: GatewayFixture, channel: string): Promise<number> {
  const { publisherUrl, ca } = gateway.process;
  const query = new URLSearchParams({ prefix: channel });
  const { text } = await httpsCall(`${publisherUrl}/api/channels?${query}`, ca);
  const { channels } = JSON.parse(text);
  return channels[0]?.subscribers ?? 0;
}

function expectNobody(gateway: GatewayFixture, channel: string): Promise<true> {
  return eventually(`the end of ${channel}`, async () =>
    (await subscribersOf(gateway, channel)) === 0 ? true : undefined,
  );
}

describe("a stream", () => {
  const gateway = new GatewayFixture(() => ({
    ...free,
    SSE_HEARTBEAT: "200",
    ALLOWED_ORIGINS: PAGE,
  }));

  test("has the headers of event streams, which no proxy and no cache holds back", async () => {
    using stream = await open(gateway, [channelName()]);
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    expect(stream.headers.get("cache-control")).toBe("no-cache, no-transform");
    expect(stream.headers.get("x-accel-buffering")).toBe("no");
    expect(stream.headers.has("content-length")).toBe(false);
    expect(stream.headers.has("access-control-allow-origin")).toBe(false);
  });

  test("carries every channel that was named, each once", async () => {
    const [a, b, c] = [channelName(), channelName(), channelName()];
    using stream = await open(gateway, [a, b, a], { envelope: "1" });
    for (const channel of [a, c, b, a]) {
      await gateway.post("/api/publish", { channel, event: "e", data: 1, publisher: "shop" });
    }
    for (const channel of [a, b, a]) {
      const content = JSON.stringify({ channel, event: "e", publisher: "shop", data: 1 });
      expect(await stream.next()).toBe(`event: message\ndata: ${content}`);
    }
    expect(await subscribersOf(gateway, a)).toBe(1);
  });

  test("keeps line ends in the data apart, so that none ends the event", async () => {
    const channel = channelName();
    using stream = await open(gateway, [channel]);
    const data = '{"a":\n1,\r\n"b":\r[\n\n2]}';
    await gateway.post("/api/publish", `{"channel":"${channel}","event":"e","data":${data}}`);
    const block = await stream.next();
    const lines = block.split("\n");
    expect(lines[0]).toBe("event: e");
    expect(lines.slice(1).every((line) => line.startsWith("data: "))).toBe(true);
    expect(block).not.toContain("\r");
    const text = lines.slice(1).map((line) => line.slice(6));
    expect(JSON.parse(text.join("\n"))).toEqual({ a: 1, b: [2] });
  });

  test("has comments while nothing is published", async () => {
    using stream = await open(gateway, [channelName()]);
    for (let index = 0; index < 3; index++) expect(await stream.block()).toBe(":");
  });

  test("tells a client that comes back that nothing is made up for", async () => {
    const channel = channelName();
    const headers = { "last-event-id": "17" };
    using stream = await open(gateway, [channel], {}, headers);
    const text = 'event: starling:recovery\ndata: {"recovered":false}';
    expect(await stream.next()).toBe(text);
    await gateway.post("/api/publish", { channel, event: "e", data: 1 });
    expect(await stream.next()).toBe("event: e\ndata: 1");
    using fresh = await open(gateway, [channel]);
    await gateway.post("/api/publish", { channel, event: "e", data: 2 });
    expect(await fresh.next()).toBe("event: e\ndata: 2");
  });

  test("that its client leaves is forgotten, at once and without traffic", async () => {
    const channel = channelName();
    const streams = await Promise.all([1, 2, 3].map(() => open(gateway, [channel])));
    expect(await subscribersOf(gateway, channel)).toBe(3);
    const { connections } = await gateway.stats();
    for (const stream of streams) stream[Symbol.dispose]();
    await expectNobody(gateway, channel);
    expect((await gateway.stats()).connections).toBe(connections - 3);
    const { text } = await httpsCall(`${gateway.process.publisherUrl}/metrics`, gateway.process.ca);
    expect(text).toContain(`starling_connections ${connections - 3}\n`);
  });

  test.each([
    ["", 400, 101],
    ["?channel=", 400, 101],
    ["?channel=demo:x&channel=", 400, 101],
    ["?channel=a%0Ab", 400, 101],
    [`?channel=${"c".repeat(256)}`, 400, 101],
    ["?channel=private:x", 403, 203],
    ["?channel=demo:x&channel=private:x", 403, 203],
    ["?channel=demo:x&app=nowhere", 404, 106],
  ])("of /events%s is refused with %i and error %i", async (query, status, code) => {
    const before = await gateway.stats();
    const answer = await gateway.call(`/events${query}`);
    expect(refusal(answer).slice(0, 2)).toEqual([status, code]);
    const after = await gateway.stats();
    expect(after.refusedHandshakes).toBe(before.refusedHandshakes + 1);
    expect(after.connections).toBe(before.connections);
  });

  test("of more channels than one connection may have is refused", async () => {
    const query = new URLSearchParams();
    for (let index = 0; index < 129; index++) query.append("channel", `demo:${index}`);
    expect(refusal(await gateway.call(`/events?${query}`))).toEqual([
      ...[400, 204, "too_many_channels"],
    ]);
  });

  test("takes GET alone", async () => {
    const answer = await gateway.call("/events?channel=demo:x", { body: "x" });
    expect(refusal(answer)).toEqual([405, 105, "method_not_allowed"]);
  });

  test("is for pages that are allowed, which are told so", async () => {
    const channel = channelName();
    using stream = await open(gateway, [channel], {}, { origin: PAGE });
    expect(stream.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(stream.headers.get("vary")).toBe("Origin");
    const path = `/events?channel=${channel}`;
    const foreign = await gateway.call(path, { headers: { origin: "https://evil.example" } });
    expect(refusal(foreign)).toEqual([403, 300, "origin_forbidden"]);
    expect(foreign.headers.has("access-control-allow-origin")).toBe(false);
    const refused = await gateway.call("/events", { headers: { origin: PAGE } });
    expect(refusal(refused)).toEqual([400, 101, "invalid_request"]);
    expect(refused.headers.get("access-control-allow-origin")).toBe(PAGE);
    const preflight = await gateway.call(path, {
      method: "OPTIONS",
      headers: { origin: PAGE, "access-control-request-headers": "authorization" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization");
  });

  test("can be read with curl -N, event by event", async () => {
    const channel = channelName();
    const url = eventsUrl(gateway.process.subscriberUrl, [channel]);
    const child = Bun.spawn(["curl", "-sSN", "--cacert", gateway.process.caFile, url], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = child.stdout.getReader();
    const decoder = new TextDecoder();
    let text = "";
    const until = async (part: string) => {
      while (!text.includes(part)) {
        const { value, done } = await within(reader.read(), `${part} from curl`);
        if (done) throw new Error(`curl ended after ${text}`);
        text += decoder.decode(value, { stream: true });
      }
    };
    await until("retry: 3000\n\n");
    for (const number of [1, 2, 3]) {
      await gateway.post("/api/publish", { channel, event: "e", data: { number } });
      await until(`event: e\ndata: {"number":${number}}\n\n`);
    }
    await until("\n:\n\n");
    child.kill();
    await child.exited;
    await expectNobody(gateway, channel);
  });
});

describe("a stream with a token", () => {
  const gateway = new GatewayFixture(() => ({ ...free, JWT_SECRET: SECRET, JWT_LEEWAY: "0" }));

  async function mint(request: object): Promise<string> {
    return JSON.parse(await gateway.post("/api/token", request)).token;
  }

  test("may be opened for what the token grants, by query and by header", async () => {
    const channel = channelName("private");
    const token = await mint({ user: "ada", permissions: { subscribe: [channel] } });
    using first = await open(gateway, [channel], { token });
    using second = await open(gateway, [channel], {}, { authorization: `Bearer ${token}` });
    using own = await open(gateway, ["ada"], { token });
    await gateway.post("/api/publish", { channel, event: "e", data: 1 });
    expect(await first.next()).toBe("event: e\ndata: 1");
    expect(await second.next()).toBe("event: e\ndata: 1");
    await gateway.post("/api/publish", { channel: "ada", event: "own", data: 2 });
    expect(await own.next()).toBe("event: own\ndata: 2");
  });

  test("is refused with 401 or 403, in numbers", async () => {
    const channel = channelName("private");
    const path = `/events?channel=${channel}`;
    const call = (token: string) => gateway.call(`${path}&token=${encodeURIComponent(token)}`);
    expect(refusal(await gateway.call(path))).toEqual([401, 301, "invalid_token"]);
    expect(refusal(await call(await mint({ user: "ada" })))).toEqual([
      ...[403, 203, "permission_denied"],
    ]);
    const granted = await mint({ permissions: { publish: [channel] } });
    expect(refusal(await call(granted))).toEqual([403, 203, "permission_denied"]);
    expect(refusal(await call("a.b.c")).slice(0, 2)).toEqual([401, 306]);
    const forged = `${(await mint({})).slice(0, -4)}AAAA`;
    expect(refusal(await call(forged))).toEqual([401, 306, "invalid_jwt"]);
    const brief = await mint({ permissions: { subscribe: [channel] }, ttlSeconds: 1 });
    await Bun.sleep(1_200);
    expect(refusal(await call(brief))).toEqual([401, 305, "token_expired"]);
  });

  test("that the publisher API disconnects is told why, and ended", async () => {
    const token = await mint({ user: "eve" });
    using stream = await open(gateway, ["eve"], { token });
    await gateway.post("/api/disconnect", { user: "eve" });
    expect(await stream.next()).toBe(
      'event: starling:close\ndata: {"code":4500,"reason":"disconnected by the publisher API"}',
    );
    await within(stream.ended, "end of the stream");
    expect(await subscribersOf(gateway, "eve")).toBe(0);
  });

  test("ends when the token does, and says so", async () => {
    const channel = channelName("private");
    const token = await mint({ permissions: { subscribe: [channel] }, ttlSeconds: 4 });
    using stream = await open(gateway, [channel], { token });
    await gateway.post("/api/publish", { channel, event: "e", data: 1 });
    expect(await stream.next()).toBe("event: e\ndata: 1");
    expect(await stream.next()).toBe(
      'event: starling:close\ndata: {"code":4004,"reason":"token expired; reconnect with a new one"}',
    );
    await within(stream.ended, "end of the stream");
    expect(await subscribersOf(gateway, channel)).toBe(0);
  });
});

test("a client that does not read is cut and counted, and the others lose nothing", async () => {
  const limit = 262_144;
  const gateway = await startGatewayProcess({ ...free, SLOW_CONSUMER_BYTES: String(limit) });
  try {
    const { subscriberUrl, publisherUrl, ca } = gateway;
    const channel = channelName();
    const url = eventsUrl(subscriberUrl, [channel]);
    const [slow, deaf, ...reading] = await Promise.all(
      Array.from({ length: 5 }, () => EventStream.open(url, ca)),
    );
    if (slow === undefined || deaf === undefined) throw new Error("there is no stream");
    for (const stream of [slow, deaf]) {
      expect(await stream.next()).toBe("retry: 3000");
      stream.pause();
    }
    const socketsOpen = () => readdirSync(`/proc/${gateway.pid}/fd`).length;
    const before = socketsOpen();
    for (const stream of reading) expect(await stream.next()).toBe("retry: 3000");
    const text = "x".repeat(65_536);
    const stats = async () =>
      JSON.parse((await httpsCall(`${publisherUrl}/api/stats`, ca)).text).hub;
    for (let number = 0; number < 800; number += 10) {
      const publications = Array.from({ length: 10 }, (_, index) => ({
        ...{ channel, event: "e", data: [number + index, text] },
      }));
      const body = JSON.stringify({ publications });
      expect((await httpsCall(`${publisherUrl}/api/batch`, ca, { body })).status).toBe(200);
      for (const stream of reading) {
        for (let index = 0; index < 10; index++) {
          const block = await stream.next();
          expect(block.slice(0, 40)).toStartWith(`event: e\ndata: [${number + index},`);
          expect(block.length).toBeGreaterThan(65_536);
        }
      }
    }
    expect(await stats()).toMatchObject({ slowConsumers: 2, connections: 3 });
    slow.resume();
    await within(slow.ended, "end of the stream");
    const numbers: number[] = [];
    try {
      for (;;) numbers.push(Number(/^event: e\ndata: \[(\d+),/.exec(await slow.next())?.[1]));
    } catch {
      expect(numbers).toEqual(numbers.map((_, index) => index));
    }
    expect(numbers.length).toBeGreaterThan(0);
    expect(numbers.length).toBeLessThan(800);
    // Who never reads again is cut off, and does not hold its buffer and its socket for ever.
    await eventually(
      "the end of both sockets",
      async () => {
        await Bun.sleep(50);
        return socketsOpen() <= before - 2 ? true : undefined;
      },
      15_000,
    );
    deaf[Symbol.dispose]();
    for (const stream of reading) stream[Symbol.dispose]();
    await eventually("nobody", async () => ((await stats()).connections === 0 ? true : undefined));
  } finally {
    expect(await gateway.stop()).toBe(0);
  }
});

describe("a stream in an app with limits", () => {
  const file = new ConfigFile({
    namespaces: { demo: { subscribe: "anyone" } },
    limits: { channels: 2, connections: 3 },
  });
  afterAll(() => file[Symbol.dispose]());
  const gateway = new GatewayFixture(() => ({ ...free, CONFIG_FILE: file.path }));

  test("is refused beyond them, and leaves nothing behind", async () => {
    const [a, b, c] = [channelName(), channelName(), channelName()];
    const query = (channels: string[]) =>
      new URLSearchParams(channels.map((channel): [string, string] => ["channel", channel]));
    const refused = await gateway.call(`/events?${query([a, b, c])}`);
    expect(refusal(refused)).toEqual([503, 206, "app_channels_full"]);
    expect((await gateway.stats()).connections).toBe(0);
    expect(await subscribersOf(gateway, a)).toBe(0);
    const streams = await Promise.all([1, 2, 3].map(() => open(gateway, [a, b])));
    const full = await gateway.call(`/events?${query([a])}`);
    expect(refusal(full)).toEqual([503, 205, "too_many_connections"]);
    for (const stream of streams) stream[Symbol.dispose]();
    await expectNobody(gateway, a);
    expect((await gateway.stats()).connections).toBe(0);
  });
});

describe("a stream beyond the rate by address", () => {
  const gateway = new GatewayFixture(() => ({ ...free, CONNECT_RATE_PER_ADDRESS: "1" }));

  test("is told so, and when to come back, where it asks for events, and else by the status", async () => {
    const path = `/events?channel=${channelName()}`;
    const answerTo = (accept: string) =>
      eventually("a refusal", async () => {
        const outgoing = new AbortController();
        const { subscriberUrl, ca } = gateway.process;
        const answer = await fetch(`${subscriberUrl}${path}`, {
          headers: { accept },
          signal: outgoing.signal,
          tls: { ca },
        });
        if (answer.headers.get("cache-control") !== "no-cache, no-transform") return answer;
        outgoing.abort();
        return undefined;
      });
    const stream = await answerTo("text/event-stream");
    expect(stream.status).toBe(200);
    expect(await stream.text()).toMatch(
      /^event: starling:close\ndata: \{"code":302,"reason":"rate limit block"\}\nretry: \d+\n\n$/,
    );
    expect((await gateway.stats()).refusedHandshakes).toBeGreaterThan(0);
    const plain = await answerTo("*/*");
    expect([plain.status, await plain.json()]).toMatchObject([429, { error: { code: 302 } }]);
  });
});

test("at a stop streams are told why and ended, and the stop does not wait for them", async () => {
  const gateway = await startGatewayProcess(free);
  const stream = await EventStream.open(
    eventsUrl(gateway.subscriberUrl, [channelName()]),
    gateway.ca,
  );
  expect(await stream.next()).toBe("retry: 3000");
  const stopped = gateway.stop();
  expect(await stream.next()).toBe(
    'event: starling:close\ndata: {"code":4000,"reason":"server is shutting down"}',
  );
  await within(stream.ended, "end of the stream");
  expect(await stopped).toBe(0);
});
