/** The publisher API over real TLS connections, against a gateway in a process of its own. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { io, type Socket } from "socket.io-client";
import { ClientAuthority } from "../support/client-certificates.ts";
import { within } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import {
  endlessCall,
  type HttpsAnswer,
  type HttpsCall,
  httpsCall,
  rawCall,
} from "../support/https.ts";

setDefaultTimeout(60_000);

const KEY = "wire-test-key-0123456789";
const OTHER_KEY = "other-test-key-9876543210";
const LIMIT = 10_000;
/** What a client would send that never stops; a server that reads on is seen by it. */
const ENDLESS_BYTES = 256 * 1_048_576;
const bearer = { authorization: `Bearer ${KEY}` };
const publication = JSON.stringify({ channel: "c", data: { text: "hi" } });

function refusal(answer: HttpsAnswer): [number, unknown, unknown] {
  expect(answer.headers.get("content-type")).toStartWith("application/json");
  const body = JSON.parse(answer.text);
  expect(Object.keys(body)).toEqual(["error"]);
  expect(Object.keys(body.error)).toEqual(["code", "name", "message"]);
  return [answer.status, body.error.code, body.error.name];
}

function plain(answer: HttpsAnswer): [number, string] {
  expect(answer.headers.get("content-type")).toStartWith("text/plain");
  return [answer.status, answer.text];
}

/** Starts a gateway for the tests of one `describe`, and gives back how to call it. */
function gatewayWith(environment: () => Record<string, string>) {
  let gateway: GatewayProcess;
  beforeAll(async () => {
    gateway = await startGatewayProcess(environment());
  });
  afterAll(async () => {
    await gateway?.stop();
  });
  return {
    call: (path: string, options: HttpsCall = {}) =>
      httpsCall(gateway.publisherUrl + path, gateway.ca, options),
    process: () => gateway,
  };
}

describe("an installation without special settings", () => {
  const { call, process } = gatewayWith(() => ({ MAX_BODY_BYTES: String(LIMIT) }));
  const sockets: Socket[] = [];

  afterAll(() => {
    for (const socket of sockets) socket.disconnect();
  });

  async function subscribed(user: string): Promise<Socket> {
    const socket = io(process().subscriberUrl, {
      query: { uniqueUserId: user },
      transports: ["polling"],
      reconnection: false,
      rejectUnauthorized: false,
    });
    sockets.push(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
    await within(promise, "connection of a subscriber");
    return socket;
  }

  function next(socket: Socket, event: string): Promise<unknown> {
    return within(new Promise((resolve) => socket.once(event, resolve)), `event ${event}`);
  }

  test("the monitoring addresses answer OK, to GET and HEAD", async () => {
    for (const path of ["/", "/status"]) {
      expect(plain(await call(path))).toEqual([200, "OK"]);
      const head = await call(path, { method: "HEAD" });
      expect([head.status, head.text, head.headers.get("content-length")]).toEqual([200, "", "2"]);
    }
  });

  test("both legacy requests reach the user's subscriber with the rest of the body", async () => {
    const requests: [string, string, string][] = [
      ["/", "uuid", "00000000-0000-4000-8000-000000000001"],
      ["/publish", "target_id", "00000000-0000-4000-8000-000000000002"],
    ];
    for (const [path, member, user] of requests) {
      const socket = await subscribed(user);
      const received = next(socket, user);
      const body = JSON.stringify({ [member]: user, text: "grüße", list: [1, null] });
      expect(plain(await call(path, { body }))).toEqual([200, "OK"]);
      expect(await received).toEqual({ text: "grüße", list: [1, null] });
    }
  });

  test("a legacy request with a bad id or bad JSON is answered 400 BAD REQUEST", async () => {
    for (const body of ['{"uuid":"x"}', "{}", "{", "", "[1]"]) {
      expect(plain(await call("/", { body }))).toEqual([400, "BAD REQUEST"]);
    }
    const body = '{"target_id":"../etc"}';
    expect(plain(await call("/publish", { body }))).toEqual([400, "BAD REQUEST"]);
  });

  test("the native API publishes, lists channels and disconnects", async () => {
    const user = "00000000-0000-4000-8000-000000000003";
    const socket = await subscribed(user);
    const received = next(socket, "message");
    const body = JSON.stringify({ channel: user, data: { n: 1 } });
    const published = await call("/api/publish", { body });
    expect([published.status, published.text]).toEqual([200, '{"ok":true,"subscribers":1}']);
    expect(await received).toEqual({ n: 1 });

    const listed = await call(`/api/channels?prefix=${user}`);
    expect(JSON.parse(listed.text)).toEqual({
      ok: true,
      channels: [{ channel: user, subscribers: 1 }],
      next: null,
    });

    const gone = next(socket, "disconnect");
    const disconnected = await call("/api/disconnect", { body: JSON.stringify({ user }) });
    expect(disconnected.text).toBe('{"ok":true,"connections":1,"complete":true,"unanswered":[]}');
    await gone;
  });

  test("a batch arrives in order, a broadcast in every channel", async () => {
    const first = "00000000-0000-4000-8000-000000000004";
    const second = "00000000-0000-4000-8000-000000000005";
    const [one, two] = [await subscribed(first), await subscribed(second)];
    const received: unknown[] = [];
    one.on("step", (data: unknown) => received.push(data));
    const last = next(one, "last");
    const publications = [1, 2, 3].map((data) => ({ channel: first, event: "step", data }));
    const body = JSON.stringify({
      publications: [...publications, { ...publications[0], event: "last" }],
    });
    expect((await call("/api/batch", { body })).status).toBe(200);
    await last;
    expect(received).toEqual([1, 2, 3]);

    const both = Promise.all([next(one, "all"), next(two, "all")]);
    const broadcast = { channels: [first, second], event: "all", data: "x" };
    const answer = await call("/api/broadcast", { body: JSON.stringify(broadcast) });
    expect(answer.text).toBe('{"ok":true,"channels":2,"subscribers":2}');
    expect(await both).toEqual(["x", "x"]);
  });

  test("a request repeated with its idempotencyKey is delivered once", async () => {
    const user = "00000000-0000-4000-8000-000000000006";
    const socket = await subscribed(user);
    const received: unknown[] = [];
    socket.on("once", (data: unknown) => received.push(data));
    const end = next(socket, "end");
    const keyed = { channel: user, event: "once", data: 1, idempotencyKey: "k" };
    const first = await call("/api/publish", { body: JSON.stringify(keyed) });
    const again = await call("/api/publish", { body: JSON.stringify(keyed) });
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    const changed = await call("/api/publish", { body: JSON.stringify({ ...keyed, data: 2 }) });
    expect(refusal(changed)).toEqual([409, 107, "idempotency_conflict"]);
    await call("/api/publish", { body: JSON.stringify({ channel: user, event: "end", data: 1 }) });
    await end;
    expect(received).toEqual([1]);
  });

  test("an address outside the allow-list is refused, in words of the route's generation", async () => {
    const from = "127.0.0.2";
    expect((await call("/", { from })).status).toBe(200);
    const strict = await startGatewayProcess({ ALLOWED_IPS: "127.0.0.1,10.0.0.0/8" });
    try {
      const reach = (path: string, options: HttpsCall) =>
        httpsCall(strict.publisherUrl + path, strict.ca, options);
      expect(plain(await reach("/", { from }))).toEqual([403, "Forbidden"]);
      expect(plain(await reach("/publish", { from, body: "{}" }))).toEqual([403, "Forbidden"]);
      for (const path of ["/api/publish", "/openapi.json", "/nothing"]) {
        expect(refusal(await reach(path, { from }))).toEqual([403, 200, "address_forbidden"]);
      }
      const headers = { "x-forwarded-for": "127.0.0.1", "cf-connecting-ip": "127.0.0.1" };
      expect((await reach("/", { from, headers })).status).toBe(403);
      expect((await reach("/", {})).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });

  test("a body of the limit passes; a longer one is answered 413, announced or chunked", async () => {
    const sized = (bytes: number) => `{"channel":"c","data":"${"x".repeat(bytes - 25)}"}`;
    const parts = (text: string) => text.match(/.{1,999}/gs) ?? [];
    for (const body of [sized(LIMIT), parts(sized(LIMIT))]) {
      expect((await call("/api/publish", { body })).status).toBe(200);
    }
    for (const body of [sized(LIMIT + 1), parts(sized(LIMIT + 1))]) {
      expect(refusal(await call("/api/publish", { body }))).toEqual([413, 103, "body_too_large"]);
      expect(refusal(await call("/", { body }))).toEqual([413, 103, "body_too_large"]);
    }
  });

  test("an endless body is answered 413 long before it ends, and is not read on", async () => {
    const url = `${process().publisherUrl}/api/publish`;
    const { status, sentBytes } = await endlessCall(url, process().ca, ENDLESS_BYTES);
    expect(status).toBe(413);
    expect(sentBytes).toBeLessThan(ENDLESS_BYTES);
    expect((await call("/")).status).toBe(200);
  });

  test("every fault of a request has its own error", async () => {
    const cases: [string, HttpsCall, [number, number, string]][] = [
      ["/api/publish", { body: '{"channel":"c",}' }, [400, 100, "malformed_json"]],
      ["/api/publish", { body: '{"channel":"c"}' }, [400, 101, "invalid_request"]],
      ["/api/publish", { body: Buffer.from([0x22, 0xff, 0x22]) }, [400, 102, "invalid_encoding"]],
      ["/api/publish", { body: '{"channel":"c","data":1,"app":"x"}' }, [404, 106, "unknown_app"]],
      ["/api/nothing", {}, [404, 104, "not_found"]],
      ["/api/publish", { method: "GET" }, [405, 105, "method_not_allowed"]],
      ["/api/channels?limit=0", {}, [400, 101, "invalid_request"]],
      ["/api/disconnect", { body: "{}" }, [400, 101, "invalid_request"]],
    ];
    for (const [path, options, expected] of cases) {
      expect(refusal(await call(path, options))).toEqual(expected);
    }
    const many = Array.from({ length: 1001 }, () => 0);
    const body = JSON.stringify({ publications: many });
    expect(refusal(await call("/api/batch", { body }))).toEqual([400, 109, "batch_too_large"]);
  });

  test("a request without a Host header finds its path like any other", async () => {
    const { publisherUrl, ca } = process();
    const send = (line: string, host = "") =>
      rawCall(publisherUrl, ca, `${line} HTTP/1.0\r\n${host}Content-Length: 2\r\n\r\n{}`);
    expect(await send("POST /api/publish")).toContain('"invalid_request"');
    expect(await send("POST /x/api/publish")).toContain('"not_found"');
    expect(await send("POST /x/publish", "Host: a/b\r\n")).toContain('"not_found"');
    expect(await send("POST /publish", "Host: a b?\r\n")).toContain("BAD REQUEST");
  });

  test("the message names the path of the fault", async () => {
    const publications = [
      { channel: "c", data: 1 },
      { channel: "", data: 1 },
    ];
    const answer = await call("/api/batch", { body: JSON.stringify({ publications }) });
    expect(JSON.parse(answer.text).error.message).toStartWith("publications[1].channel: ");
  });

  test("a wrong method is told what is allowed", async () => {
    expect((await call("/api/publish")).headers.get("allow")).toBe("POST");
    expect((await call("/", { method: "PUT", body: "{}" })).headers.get("allow")).toBe(
      "GET, HEAD, POST",
    );
  });

  test("the description is JSON of OpenAPI 3.1", async () => {
    const answer = await call("/openapi.json");
    expect(answer.headers.get("content-type")).toStartWith("application/json");
    const { openapi, paths } = JSON.parse(answer.text);
    expect(openapi).toBe("3.1.0");
    expect(Object.keys(paths)).toContain("/api/publish");
  });
});

describe("with API keys and a rate", () => {
  const { call } = gatewayWith(() => ({
    API_KEYS: `${KEY},${OTHER_KEY}`,
    API_RATE_PER_KEY: "2",
  }));

  test("the native API asks for a key; the description and the legacy routes do not", async () => {
    for (const headers of [{}, { authorization: `Bearer ${KEY}x` }, { authorization: KEY }]) {
      const answer = await call("/api/publish", { body: publication, headers });
      expect(refusal(answer)).toEqual([401, 202, "unauthorized"]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
    expect(refusal(await call("/api/channels"))).toEqual([401, 202, "unauthorized"]);
    expect((await call("/openapi.json")).status).toBe(200);
    const body = '{"uuid":"00000000-0000-4000-8000-000000000001"}';
    expect((await call("/", { body })).status).toBe(200);
    expect((await call("/api/publish", { body: publication, headers: bearer })).status).toBe(200);
  });

  test("a key over its rate is answered 429 with Retry-After, another key is not", async () => {
    const headers = { authorization: `Bearer ${OTHER_KEY}` };
    const burst = await Promise.all(
      Array.from({ length: 12 }, () => call("/api/publish", { body: publication, headers })),
    );
    const limited = burst.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThan(0);
    expect(burst.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(2);
    for (const answer of limited) {
      expect(refusal(answer)).toEqual([429, 108, "rate_limited"]);
      expect(answer.headers.get("retry-after")).toBe("1");
    }
  });
});

describe("behind proxies", () => {
  const proxy = "127.0.0.9";
  const { call } = gatewayWith(() => ({
    USE_PROXY: "1",
    TRUST_PROXY: "127.0.0.9,127.0.0.10",
    ALLOWED_IPS: "198.51.100.0/24",
  }));
  const through = (headers: NonNullable<HttpsCall["headers"]>, path = "/api/channels") =>
    call(path, { from: proxy, headers });

  test("the client that the trusted proxy names is judged", async () => {
    expect((await through({ "x-forwarded-for": "198.51.100.7" })).status).toBe(200);
    expect((await through({ "cf-connecting-ip": "198.51.100.7" })).status).toBe(200);
    expect((await through({ "x-forwarded-for": "198.51.100.7, 127.0.0.10" })).status).toBe(200);
    const outside = await through({ "x-forwarded-for": "192.0.2.1" });
    expect(refusal(outside)).toEqual([403, 200, "address_forbidden"]);
  });

  test("a client that writes an allowed address into its own headers is refused", async () => {
    const spoofs = [
      { "x-forwarded-for": "198.51.100.7, 192.0.2.1" },
      { "x-forwarded-for": "198.51.100.7, 192.0.2.1, 127.0.0.10" },
      { "x-forwarded-for": "192.0.2.1", "cf-connecting-ip": "198.51.100.7" },
      { "x-forwarded-for": ["198.51.100.7", "192.0.2.1"] },
    ];
    for (const headers of spoofs) {
      expect(refusal(await through(headers))).toEqual([403, 200, "address_forbidden"]);
      expect(plain(await through(headers, "/"))).toEqual([403, "Forbidden"]);
    }
  });

  test("a peer that is no trusted proxy is refused, whatever it claims", async () => {
    const headers = { "x-forwarded-for": "198.51.100.7" };
    const answer = await call("/api/channels", { from: "127.0.0.8", headers });
    expect(refusal(answer)).toEqual([403, 201, "proxy_forbidden"]);
  });

  test("a proxy that names no client, or garbage, is refused", async () => {
    for (const headers of [{}, { "x-forwarded-for": "unknown" }, { "cf-connecting-ip": "1, 2" }]) {
      expect(refusal(await through(headers))).toEqual([403, 201, "proxy_forbidden"]);
    }
  });
});

describe("with mutual TLS", () => {
  const authority = new ClientAuthority("publishers");
  const foreign = new ClientAuthority("publishers");
  afterAll(() => {
    authority[Symbol.dispose]();
    foreign[Symbol.dispose]();
  });
  const { call } = gatewayWith(() => ({ VERIFY_ORIGIN: "1", CA_PATH: authority.file }));

  test("a client certificate of the authority is let in", async () => {
    const identity = authority.issue("backend");
    expect((await call("/", { identity })).text).toBe("OK");
    expect((await call("/api/publish", { identity, body: publication })).status).toBe(200);
  });

  test("no client certificate is refused", async () => {
    await expect(call("/")).rejects.toThrow();
    await expect(call("/api/publish", { body: publication })).rejects.toThrow();
  });

  test("a client certificate of a foreign authority of the same name is refused", async () => {
    const identity = foreign.issue("backend");
    await expect(call("/", { identity })).rejects.toThrow();
    await expect(call("/api/publish", { identity, body: publication })).rejects.toThrow();
  });
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

if (hasIpv6) {
  describe("on an IPv6 socket", () => {
    const { process } = gatewayWith(() => ({ HOST: "::", ALLOWED_IPS: "127.0.0.1" }));
    const at = (host: string, from?: string) => {
      const url = new URL(process().publisherUrl);
      const options = from === undefined ? {} : { from };
      return httpsCall(`https://${host}:${url.port}/`, process().ca, options);
    };

    test("an IPv4-mapped peer counts as IPv4", async () => {
      expect((await at("127.0.0.1")).status).toBe(200);
      expect((await at("127.0.0.1", "127.0.0.2")).status).toBe(403);
    });

    test("an IPv6 peer that is not on the list is refused", async () => {
      expect((await at("[::1]")).status).toBe(403);
    });
  });
}
