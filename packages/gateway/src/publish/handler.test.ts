import { describe, expect, test } from "bun:test";
import { statsSchema } from "./schemas.ts";
import { type Answer, publisherFixture, refusalBody, UUID } from "./testing/publisher-fixture.ts";

const KEY = "first-key-0123456789";
const OTHER_KEY = "second-key-0123456789";
const publication = { channel: "c", data: 1 };
const body = JSON.stringify(publication);

function refused(answer: Answer): unknown {
  return [answer.status, JSON.parse(answer.text).error.name];
}

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

describe("the address gate", () => {
  test("an address outside the allow-list is refused on every path", async () => {
    const { hub, call } = publisherFixture();
    for (const path of ["/api/publish", "/api/channels", "/openapi.json", "/nothing"]) {
      expect(refused(await call(path, { from: "192.0.2.1" }))).toEqual([403, "address_forbidden"]);
    }
    for (const path of ["/", "/status"]) {
      const answer = await call(path, { from: "192.0.2.1" });
      expect([answer.status, answer.text]).toEqual([403, "Forbidden"]);
    }
    expect(hub.published).toEqual([]);
  });

  test("an IPv4-mapped address counts as IPv4", async () => {
    const { call } = publisherFixture();
    expect((await call("/", { from: "::ffff:127.0.0.1" })).status).toBe(200);
    expect((await call("/", { from: "::ffff:192.0.2.1" })).status).toBe(403);
    expect((await call("/", { from: "::1" })).status).toBe(200);
  });

  test("without proxies, forwarding headers count for nothing", async () => {
    const { call } = publisherFixture();
    const headers = { "x-forwarded-for": "127.0.0.1", "cf-connecting-ip": "127.0.0.1" };
    expect((await call("/", { from: "192.0.2.1", headers })).status).toBe(403);
    const outside = { "x-forwarded-for": "192.0.2.1" };
    expect((await call("/", { headers: outside })).status).toBe(200);
  });

  test("a peer whose address is unknown is refused", async () => {
    expect((await publisherFixture().call("/", { from: "" })).status).toBe(403);
  });
});

describe("the proxy gate", () => {
  const proxied = { useProxy: true, trustProxy: ["10.0.0.0/8"], allowedIps: ["198.51.100.0/24"] };

  test("the client behind a trusted proxy is judged, not the proxy", async () => {
    const { call } = publisherFixture(proxied);
    const from = "10.0.0.1";
    const inside = { "x-forwarded-for": "198.51.100.7" };
    expect((await call("/", { from, headers: inside })).status).toBe(200);
    const outside = { "x-forwarded-for": "192.0.2.1" };
    expect((await call("/", { from, headers: outside })).status).toBe(403);
  });

  test("a client cannot spoof an allowed address through the proxy", async () => {
    const { call } = publisherFixture(proxied);
    const headers = {
      "x-forwarded-for": "198.51.100.7, 192.0.2.1",
      "cf-connecting-ip": "198.51.100.7",
    };
    const answer = await call("/api/channels", { from: "10.0.0.1", headers });
    expect(refused(answer)).toEqual([403, "address_forbidden"]);
  });

  test("an allowed client that comes around the proxy is refused", async () => {
    const { call } = publisherFixture(proxied);
    const headers = { "x-forwarded-for": "198.51.100.7" };
    const answer = await call("/api/channels", { from: "198.51.100.7", headers });
    expect(refused(answer)).toEqual([403, "proxy_forbidden"]);
  });
});

describe("paths and methods", () => {
  test("an unknown path is answered 404", async () => {
    const { call } = publisherFixture();
    for (const path of [
      "/api",
      "/api/publish/",
      "//",
      "/API/publish",
      "/constructor",
      "/?/status",
    ]) {
      const answer = await call(path);
      if (path === "/?/status") expect(answer.text).toBe("OK");
      else expect(refused(answer)).toEqual([404, "not_found"]);
    }
  });

  test("a wrong method is answered 405 with what is allowed", async () => {
    const { call } = publisherFixture();
    const cases: [string, string, string][] = [
      ["GET", "/api/publish", "POST"],
      ["PUT", "/api/batch", "POST"],
      ["OPTIONS", "/api/broadcast", "POST"],
      ["DELETE", "/", "GET, HEAD, POST"],
      ["POST", "/status", "GET, HEAD"],
      ["POST", "/api/channels", "GET, HEAD"],
      ["PATCH", "/openapi.json", "GET, HEAD"],
    ];
    for (const [method, path, allow] of cases) {
      const answer = await call(path, { method });
      expect(refused(answer)).toEqual([405, "method_not_allowed"]);
      expect(answer.headers.get("allow")).toBe(allow);
    }
  });

  test("HEAD is answered like GET", async () => {
    const { call } = publisherFixture();
    for (const path of ["/", "/status", "/api/channels", "/openapi.json"]) {
      expect((await call(path, { method: "HEAD" })).status).toBe(200);
    }
  });

  test("no answer offers CORS", async () => {
    const { call } = publisherFixture();
    const headers = { origin: "https://example.org" };
    const answer = await call("/api/publish", { body, headers });
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual(
      [],
    );
  });
});

describe("the API key", () => {
  const apiKeys = [KEY, OTHER_KEY];

  test("every configured key opens the native API", async () => {
    const { call } = publisherFixture({ apiKeys });
    for (const key of apiKeys) {
      expect((await call("/api/publish", { body, headers: bearer(key) })).status).toBe(200);
    }
    const headers = { authorization: `bearer  ${KEY}` };
    expect((await call("/api/publish", { body, headers })).status).toBe(200);
  });

  const wrong = ["", "Bearer", "Bearer ", KEY, `Basic ${KEY}`, `Bearer ${KEY}x`, `Bearer ${KEY} x`];
  wrong.push(`Bearer ${KEY.slice(1)}`, `Bearer ${KEY.toUpperCase()}`, `Bearer ${KEY},${OTHER_KEY}`);
  for (const authorization of wrong) {
    test(`"${authorization}" is answered 401`, async () => {
      const { hub, call } = publisherFixture({ apiKeys });
      for (const path of ["/api/publish", "/api/batch", "/api/broadcast", "/api/disconnect"]) {
        const answer = await call(path, { body, headers: { authorization } });
        expect(refused(answer)).toEqual([401, "unauthorized"]);
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      }
      expect((await call("/api/channels", { headers: { authorization } })).status).toBe(401);
      expect(hub.published).toEqual([]);
    });
  }

  test("a missing header is answered 401, but for the description", async () => {
    const { call } = publisherFixture({ apiKeys });
    expect((await call("/api/publish", { body })).status).toBe(401);
    expect((await call("/openapi.json")).status).toBe(200);
  });

  test("without configured keys none is asked for", async () => {
    expect((await publisherFixture().call("/api/publish", { body })).status).toBe(200);
  });
});

describe("the body limit", () => {
  const exactly = (bytes: number) => `{"channel":"c","data":"${"x".repeat(bytes - 25)}"}`;

  function chunked(text: string): ReadableStream<Uint8Array> {
    const bytes = new TextEncoder().encode(text);
    return new ReadableStream({
      start(controller) {
        for (let from = 0; from < bytes.length; from += 100) {
          controller.enqueue(bytes.slice(from, from + 100));
        }
        controller.close();
      },
    });
  }

  test("a body of the limit passes, one byte more is answered 413", async () => {
    const { hub, call } = publisherFixture({ maxBodyBytes: 1000 });
    expect((await call("/api/publish", { body: exactly(1000) })).status).toBe(200);
    expect((await call("/api/publish", { body: chunked(exactly(1000)) })).status).toBe(200);
    const announced = { body: exactly(1001), headers: { "content-length": "1001" } };
    for (const options of [announced, { body: chunked(exactly(1001)) }]) {
      const answer = await call("/api/publish", options);
      expect(answer.status).toBe(413);
      expect(JSON.parse(answer.text)).toEqual(
        refusalBody(103, "body_too_large", "the body is larger than 1000 bytes"),
      );
    }
    expect(hub.published).toHaveLength(2);
  });

  test("the legacy routes have the same limit", async () => {
    const { call } = publisherFixture({ maxBodyBytes: 100 });
    const large = JSON.stringify({ uuid: UUID, x: "x".repeat(100) });
    expect(refused(await call("/", { body: chunked(large) }))).toEqual([413, "body_too_large"]);
  });

  test("a body that ends in an error is answered 400", async () => {
    const { call, log } = publisherFixture();
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error("connection lost"));
      },
    });
    expect(refused(await call("/api/publish", { body: broken }))).toEqual([400, "invalid_request"]);
    expect(log.lines.filter(([level]) => level === "error")).toEqual([]);
  });
});

describe("the rate limit", () => {
  test("a caller over its rate is answered 429 and told when to come back", async () => {
    const { hub, clock, call } = publisherFixture({ apiRatePerKey: 2 });
    const once = () => call("/api/publish", { body });
    expect([(await once()).status, (await once()).status]).toEqual([200, 200]);
    const answer = await once();
    expect(refused(answer)).toEqual([429, "rate_limited"]);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(hub.published).toHaveLength(2);
    clock.advance(1000);
    expect((await once()).status).toBe(200);
  });

  test("each API key has its own allowance, whatever address it comes from", async () => {
    const { call } = publisherFixture({ apiRatePerKey: 1, apiKeys: [KEY, OTHER_KEY] });
    const with_ = (key: string, from: string) =>
      call("/api/publish", { body, headers: bearer(key), from }).then(({ status }) => status);
    expect(await with_(KEY, "127.0.0.1")).toBe(200);
    expect(await with_(KEY, "127.0.0.2")).toBe(429);
    expect(await with_(OTHER_KEY, "127.0.0.1")).toBe(200);
  });

  test("without keys each address has its own allowance", async () => {
    const { call } = publisherFixture({ apiRatePerKey: 1 });
    const from = (address: string) =>
      call("/api/publish", { body, from: address }).then(({ status }) => status);
    expect(await from("127.0.0.1")).toBe(200);
    expect(await from("::ffff:127.0.0.1")).toBe(429);
    expect(await from("127.0.0.2")).toBe(200);
  });

  test("legacy publications are limited by address; monitoring is not limited", async () => {
    const { call } = publisherFixture({ apiRatePerKey: 1 });
    const legacy = JSON.stringify({ uuid: UUID });
    expect((await call("/", { body: legacy })).status).toBe(200);
    expect((await call("/", { body: legacy })).status).toBe(429);
    for (let index = 0; index < 5; index++) expect((await call("/status")).status).toBe(200);
  });

  test("reading channels and disconnecting are limited, too", async () => {
    const { call } = publisherFixture({ apiRatePerKey: 1 });
    expect((await call("/api/channels")).status).toBe(200);
    expect((await call("/api/channels")).status).toBe(429);
    expect((await call("/api/disconnect", { body: '{"user":"u"}' })).status).toBe(429);
  });
});

describe("the order of the gates", () => {
  test("of several faults the earlier gate's is told", async () => {
    const { call } = publisherFixture({
      apiKeys: [KEY],
      apiRatePerKey: 1,
      maxBodyBytes: 100,
      useProxy: true,
      trustProxy: ["10.0.0.0/8"],
      allowedIps: ["127.0.0.0/8"],
    });
    const large = "{".repeat(101);
    const key = bearer(KEY);
    const client = { "x-forwarded-for": "127.0.0.1" };
    const foreign = { "x-forwarded-for": "192.0.2.1" };
    const from = "10.0.0.1";
    const path = "/api/publish";
    expect((await call(path, { body, from, headers: { ...client, ...key } })).status).toBe(200);

    const names: unknown[] = [];
    for (const options of [
      { body: large, from: "192.0.2.1", headers: client },
      { body: large, from, headers: foreign },
      { body: large, from, headers: client },
      { body: large, from, headers: { ...client, ...key, "content-length": "101" } },
      { body: "{", from, headers: { ...client, ...key } },
      { body: "{}", from, headers: { ...client, ...key } },
      { body, from, headers: { ...client, ...key } },
    ]) {
      names.push(JSON.parse((await call(path, options)).text).error.name);
    }
    expect(names).toEqual([
      "proxy_forbidden",
      "address_forbidden",
      "unauthorized",
      "body_too_large",
      "malformed_json",
      "invalid_request",
      "rate_limited",
    ]);
  });
});

describe("faults of the server", () => {
  test("they are answered 500 without their message, and logged with it", async () => {
    const { hub, call, log } = publisherFixture();
    hub.fault = new TypeError("inner secret");
    const answer = await call("/api/publish", { body });
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toEqual(refusalBody(900, "internal", "internal error"));
    expect(log.lines).toContainEqual(["error", { error: hub.fault }, expect.any(String)]);
  });
});

test("requests and refusals are counted", async () => {
  const { call } = publisherFixture();
  await call("/");
  await call("/nothing");
  await call("/nothing");
  await call("/api/publish", { body: "{}" });
  const stats = await call("/api/stats");
  expect(statsSchema.parse(JSON.parse(stats.text))).toMatchObject({
    hub: { connections: 0, slowConsumers: 0 },
    publisher: { requests: 5, refusals: { not_found: 2, invalid_request: 1 } },
  });
});

test("an invalid address list stops the start", () => {
  expect(() => publisherFixture({ allowedIps: ["10.0.0.0/99"] })).toThrow("10.0.0.0/99");
  expect(() => publisherFixture({ useProxy: true, trustProxy: ["x"] })).toThrow('"x"');
});
