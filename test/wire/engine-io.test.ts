/** Engine.IO protocol 4 over HTTP long-polling and over WebSocket, as its document states it. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually, within } from "../support/deadline.ts";
import { type Answer, EngineHttp, parseOpenPacket, separator } from "../support/engine-http.ts";
import { openLink, type TransportName, WebSocketLink } from "../support/engine-link.ts";
import { type ProtocolApp, startProtocolApp } from "../support/protocol-app.ts";
import { RawHttp, requestHead } from "../support/raw-http.ts";

setDefaultTimeout(30_000);

let app: ProtocolApp;
let http: EngineHttp;

beforeAll(async () => {
  app = await startProtocolApp("engine");
  http = new EngineHttp(`${app.url}/engine.io/`);
});

afterAll(() => app?.kill());

const session = { EIO: "4", transport: "polling" };
const everyByte = Uint8Array.from({ length: 256 }, (_, value) => value);
const key = Uint8Array.from({ length: 16 }, (_, value) => value).toBase64();
const transports: TransportName[] = ["polling", "websocket"];

describe("a handshake over polling", () => {
  test("is answered with the open packet and the five announced parameters", async () => {
    const answer = await http.request(session);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")?.toLowerCase()).toBe("text/plain; charset=utf-8");
    const handshake = parseOpenPacket(answer.body);
    expect(handshake).toEqual({
      sid: expect.any(String),
      upgrades: ["websocket"],
      pingInterval: 300,
      pingTimeout: 20_000,
      maxPayload: 1_000_000,
    });
    expect(handshake.sid).not.toBe("");
  });

  test("gives every session its own id", async () => {
    const handshakes = await Promise.all(Array.from({ length: 20 }, () => http.handshake()));
    expect(new Set(handshakes.map(({ sid }) => sid)).size).toBe(20);
  });

  test("is not disturbed by query parameters that the protocol does not know", async () => {
    const answer = await http.request({ ...session, t: "N8hyd6w", user: "ada" });
    expect(answer.status).toBe(200);
  });

  test.each([
    ["no query parameters", {}],
    ["no EIO", { transport: "polling" }],
    ["an empty EIO", { EIO: "", transport: "polling" }],
    ["the protocol version before", { EIO: "3", transport: "polling" }],
    ["a version that is no number", { EIO: "abc", transport: "polling" }],
    ["no transport", { EIO: "4" }],
    ["an unknown transport", { EIO: "4", transport: "abc" }],
    ["a transport named like an object's method", { EIO: "4", transport: "toString" }],
    ["the WebSocket transport but no upgrade", { EIO: "4", transport: "websocket" }],
  ])("with %s is refused", async (_case, query) => {
    expect((await http.request(query)).status).toBe(400);
  });

  test.each(["POST", "PUT", "PATCH", "DELETE"])("by %s is refused", async (method) => {
    expect((await http.request(session, { method })).status).toBe(400);
  });
});

describe("a handshake over WebSocket", () => {
  test("is answered with the open packet and no further upgrade", async () => {
    using link = await WebSocketLink.handshake(http);
    expect(link.handshake).toEqual({
      sid: expect.any(String),
      upgrades: [],
      pingInterval: 300,
      pingTimeout: 20_000,
      maxPayload: 1_000_000,
    });
  });

  test.each([
    ["no query parameters", {}],
    ["no EIO", { transport: "websocket" }],
    ["the protocol version before", { EIO: "3", transport: "websocket" }],
    ["a version that is no number", { EIO: "abc", transport: "websocket" }],
    ["no transport", { EIO: "4" }],
    ["an unknown transport", { EIO: "4", transport: "abc" }],
    ["the polling transport", { EIO: "4", transport: "polling" }],
    ["an unknown session id", { EIO: "4", transport: "websocket", sid: "unknown" }],
  ])("with %s is closed before any packet", async (_case, query) => {
    using link = new WebSocketLink(http.webSocketUrl(query));
    await within(link.closed, "end of the WebSocket");
    expect(link.unread()).toEqual([]);
  });

  test.each([
    ["without a key", [400], ["Sec-WebSocket-Version: 13"]],
    [
      "with a key of the wrong length",
      [400],
      ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YQ=="],
    ],
    [
      "in an unknown version",
      [400, 426],
      ["Sec-WebSocket-Version: 99", `Sec-WebSocket-Key: ${key}`],
    ],
  ])("%s is an error of the client, not an upgrade", async (_case, statuses, fields) => {
    using raw = new RawHttp(app.url);
    const url = http.url({ EIO: "4", transport: "websocket" });
    const upgrade = ["Connection: Upgrade", "Upgrade: websocket", ...fields];
    await raw.write(requestHead("GET", url, upgrade));
    expect(await raw.status()).toBeOneOf(statuses);
  });
});

describe("requests for a session", () => {
  test.each(["unknown", "__proto__", "toString"])("with the id %p are refused", async (sid) => {
    expect((await http.poll(sid)).status).toBe(400);
    expect((await http.post(sid, "4hello")).status).toBe(400);
  });

  test.each([
    ["EIO", { EIO: undefined }],
    ["transport", { transport: undefined }],
  ])("without %s are refused", async (_case, missing) => {
    const { sid } = await http.handshake();
    const query = { ...session, ...missing, sid };
    expect((await http.request(query)).status).toBe(400);
    expect((await http.request(query, { method: "POST", body: "4hello" })).status).toBe(400);
  });

  test.each(["PUT", "DELETE"])("by %s carry no message", async (method) => {
    using link = await openLink(http, "polling");
    const { sid } = link.handshake;
    const answer = await http.request({ ...session, sid }, { method, body: "4lost" });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    await link.send("4kept");
    expect(await link.next()).toBe("4kept");
  });
});

describe("messages over polling", () => {
  test("are accepted with 200 and ok, and come back in the body of a GET", async () => {
    const { sid } = await http.handshake();
    expect(await http.post(sid, "4hello")).toMatchObject({ status: 200, body: "ok" });
    expect(await http.receive(sid, 1)).toEqual(["4hello"]);
  });

  test("are sent as plain text", async () => {
    using link = await openLink(http, "polling");
    await link.send("4hello");
    expect(await link.next()).toBe("4hello");
    const answer = await http.request(session);
    expect(answer.headers.get("content-type")?.toLowerCase()).toBe("text/plain; charset=utf-8");
  });

  test("may share one payload in either direction", async () => {
    const { sid } = await http.handshake();
    const payload = ["4first", "4second", "4third"].join(separator);
    expect(await http.post(sid, payload)).toMatchObject({ status: 200, body: "ok" });
    const answer = await http.poll(sid);
    const packets = answer.body.split(separator).filter((packet) => packet !== "2");
    expect(packets).toEqual(["4first", "4second", "4third"]);
  });

  test("may mix text and base64 encoded binary", async () => {
    const { sid } = await http.handshake();
    const packets = ["4hello", "bAQIDBA==", "4world", `b${everyByte.toBase64()}`];
    await http.post(sid, packets.join(separator));
    expect(await http.receive(sid, packets.length)).toEqual(packets);
  });

  test("may be empty", async () => {
    const { sid } = await http.handshake();
    await http.post(sid, "4");
    expect(await http.receive(sid, 1)).toEqual(["4"]);
  });

  test("are UTF-8", async () => {
    const { sid } = await http.handshake();
    await http.post(sid, "4€ żółw 🐢 \u0000");
    expect(await http.receive(sid, 1)).toEqual(["4€ żółw 🐢 \u0000"]);
  });

  test("are text where no content type says otherwise", async () => {
    using link = await openLink(http, "polling");
    using raw = new RawHttp(app.url);
    const url = http.url({ ...session, sid: link.handshake.sid });
    await raw.write(`${requestHead("POST", url, ["Content-Length: 6"])}4plain`);
    expect(await raw.status()).toBe(200);
    expect(await link.next()).toBe("4plain");
  });

  test("survive a body that arrives in pieces, one character cut in two", async () => {
    using link = await openLink(http, "polling");
    using raw = new RawHttp(app.url);
    const body = new TextEncoder().encode("4a🐢b");
    const url = http.url({ ...session, sid: link.handshake.sid });
    await raw.write(requestHead("POST", url, [`Content-Length: ${body.length}`]));
    for (const byte of body) await raw.write(Uint8Array.of(byte));
    expect(await raw.status()).toBe(200);
    expect(await link.next()).toBe("4a🐢b");
  });

  test("are not delivered where the body breaks off", async () => {
    using link = await openLink(http, "polling");
    {
      using raw = new RawHttp(app.url);
      const url = http.url({ ...session, sid: link.handshake.sid });
      await raw.write(`${requestHead("POST", url, ["Content-Length: 10"])}4half`);
    }
    // The server may end the session or go on with it, but must not make up a message.
    await link.send("4whole");
    const outcome = await link.next().catch(async () => {
      await within(link.closed, "end of the session");
      return "ended";
    });
    expect(outcome).toBeOneOf(["4whole", "ended"]);
    using other = await openLink(http, "polling");
    await other.send("4hello");
    expect(await other.next()).toBe("4hello");
  });

  test("end the GET request that waits for them", async () => {
    const { sid } = await http.handshake();
    const waiting = http.receive(sid, 1);
    await http.post(sid, "4hello");
    expect(await waiting).toEqual(["4hello"]);
  });

  test.each([
    ["an unknown type", "abc"],
    ["a type that no packet has", "9"],
    ["nothing at all", ""],
    ["an unknown type behind a message", `4hello${separator}abc`],
    ["an empty packet behind a message", `4hello${separator}`],
  ])("of %s end the session", async (_case, body) => {
    const { sid } = await http.handshake();
    // The protocol leaves open how such a request is answered, so only its effect counts.
    await http.post(sid, body).catch(() => {});
    expect((await http.poll(sid)).status).toBe(400);
  });
});

describe("messages over WebSocket", () => {
  test("are echoed, text as text and binary as binary", async () => {
    using link = await WebSocketLink.handshake(http);
    await link.send("4hello", everyByte, "4€ żółw 🐢", "4");
    expect(await link.next()).toBe("4hello");
    expect(await link.next()).toEqual(everyByte);
    expect(await link.next()).toBe("4€ żółw 🐢");
    expect(await link.next()).toBe("4");
  });

  test("are one packet a frame, whatever separators they contain", async () => {
    using link = await WebSocketLink.handshake(http);
    await link.send(`4one${separator}4still one`);
    expect(await link.next()).toBe(`4one${separator}4still one`);
  });

  test.each([
    ["an unknown type", "abc"],
    ["a type that no packet has", "9"],
    ["nothing at all", ""],
  ])("of %s end the session", async (_case, frame) => {
    using link = await WebSocketLink.handshake(http);
    await link.send(frame);
    await within(link.closed, "end of the session");
    expect((await http.poll(link.handshake.sid)).status).toBe(400);
  });
});

describe.each(transports)("a session over %s", (transport) => {
  test("keeps the order of many messages", async () => {
    using link = await openLink(http, transport);
    const messages = Array.from({ length: 200 }, (_, index) => `4${index}`);
    for (let start = 0; start < messages.length; start += 20) {
      await link.send(...messages.slice(start, start + 20));
    }
    for (const message of messages) expect(await link.next()).toBe(message);
  });

  test("receives nothing that was meant for another session", async () => {
    using one = await openLink(http, transport);
    using other = await openLink(http, transport);
    await one.send("4for one");
    await other.send("4for the other");
    expect(await one.next()).toBe("4for one");
    expect(await other.next()).toBe("4for the other");
    await one.send("4again for one");
    expect(await one.next()).toBe("4again for one");
  });
});

describe("the heartbeat", () => {
  let app: ProtocolApp;
  let http: EngineHttp;

  beforeAll(async () => {
    app = await startProtocolApp("heartbeat");
    http = new EngineHttp(`${app.url}/engine.io/`);
  });

  afterAll(() => app?.kill());

  test("comes again and again over polling", async () => {
    const { sid } = await http.handshake();
    for (let round = 0; round < 4; round++) {
      expect((await http.poll(sid)).body).toBe("2");
      expect(await http.post(sid, "3")).toMatchObject({ status: 200, body: "ok" });
    }
    await http.post(sid, "4alive");
    expect(await http.receive(sid, 1)).toEqual(["4alive"]);
  });

  test("comes again and again over WebSocket", async () => {
    using link = await WebSocketLink.handshake(http, false);
    for (let round = 0; round < 4; round++) {
      expect(await link.next()).toBe("2");
      await link.send("3");
    }
    await link.send("4alive");
    expect(await link.next()).toBe("4alive");
  });

  test("that stays unanswered over polling ends the session", async () => {
    const { sid } = await http.handshake();
    const packets = await http.pollUntilGone(sid);
    expect(packets[0]).toBe("2");
    expect((await http.post(sid, "4late")).status).toBe(400);
  });

  test("that stays unanswered over WebSocket ends the session", async () => {
    using link = await WebSocketLink.handshake(http, false);
    await within(link.closed, "end of the session");
    expect(new Set(link.unread())).toEqual(new Set(["2"]));
  });

  test("that was answered once but not again ends the session", async () => {
    using link = await WebSocketLink.handshake(http, false);
    expect(await link.next()).toBe("2");
    await link.send("3");
    expect(await link.next()).toBe("2");
    await within(link.closed, "end of the session");
  });

  test("ends a session of which nobody collects the ping", async () => {
    const { sid } = await http.handshake();
    const url = http.webSocketUrl({ EIO: "4", transport: "websocket", sid });
    // A GET would collect the ping, so refused upgrades show that the session is gone.
    await eventually("end of the session", async () => {
      await Bun.sleep(100);
      using probe = new WebSocketLink(url);
      const refused = await Promise.race([probe.closed.then(() => true), probe.opened()]);
      return refused === true ? true : undefined;
    });
  });
});

describe("a close packet", () => {
  test("over polling ends the session and its waiting GET", async () => {
    const closing = await eventually("close without a ping between", async () => {
      const { sid } = await http.handshake();
      const waiting = http.poll(sid);
      const post = await http.post(sid, "1");
      const poll = await waiting;
      return poll.body === "2" ? undefined : { sid, poll, post };
    });
    expect(closing.post).toMatchObject({ status: 200, body: "ok" });
    expect(closing.poll).toMatchObject({ status: 200, body: "6" });
    expect((await http.poll(closing.sid)).status).toBe(400);
    expect((await http.post(closing.sid, "4late")).status).toBe(400);
  });

  test("over WebSocket ends the session and the connection", async () => {
    using link = await WebSocketLink.handshake(http);
    await link.send("1");
    await within(link.closed, "end of the WebSocket");
    expect((await http.poll(link.handshake.sid)).status).toBe(400);
  });
});

describe("two requests of one kind at a time", () => {
  test("a second GET is refused and ends the session", async () => {
    const { sid, answers } = await eventually("two GETs without a ping between", async () => {
      const opened = await http.handshake();
      const both = await Promise.all([http.poll(opened.sid), http.poll(opened.sid)]);
      if (both.some(({ body }) => body === "2")) return undefined;
      return { sid: opened.sid, answers: both.toSorted((a, b) => a.status - b.status) };
    });
    expect(answers[0]).toMatchObject({ status: 200, body: "1" });
    expect(answers[1]).toMatchObject({ status: 400 });
    expect((await http.poll(sid)).status).toBe(400);
  });

  test("a second POST is refused and ends the session", async () => {
    const { sid } = await http.handshake();
    using slow = new RawHttp(app.url);
    await slow.write(requestHead("POST", http.url({ ...session, sid }), ["Content-Length: 10"]));
    await slow.write("4neve");
    // The two travel on different connections, so the server may see the whole one first.
    const refused = await eventually<Answer>("refusal of the second POST", async () => {
      const answer = await http.post(sid, "4");
      return answer.status === 200 ? undefined : answer;
    });
    expect(refused.status).toBe(400);
    await slow.write("r sent");
    expect(await slow.status()).not.toBe(200);
    expect((await http.poll(sid)).status).toBe(400);
  });
});

describe("the maximum payload", () => {
  const largest = `4${"a".repeat(999_999)}`;

  test.each(transports)("itself is echoed over %s", async (transport) => {
    using link = await openLink(http, transport);
    await link.send(largest);
    expect((await link.next()) === largest).toBe(true);
  });

  test.each([
    ["one byte more", `${largest}a`],
    ["fewer characters but more bytes", `4${"é".repeat(500_000)}`],
  ])("is kept over polling: 413 for %s", async (_case, body) => {
    const { sid } = await http.handshake();
    expect((await http.post(sid, body)).status).toBe(413);
  });

  test("is kept over polling where no length is declared", async () => {
    const { sid } = await http.handshake();
    using raw = new RawHttp(app.url);
    const url = http.url({ ...session, sid });
    await raw.write(requestHead("POST", url, ["Transfer-Encoding: chunked"]));
    const chunk = `${(100_000).toString(16)}\r\n${"4".repeat(100_000)}\r\n`;
    for (let sent = 0; sent < 11; sent++) raw.write(chunk).catch(() => {});
    expect(await raw.status()).toBe(413);
  });

  test("is kept over WebSocket by closing the connection", async () => {
    using link = await WebSocketLink.handshake(http);
    await link.send(`${largest}a`);
    await within(link.closed, "end of the WebSocket");
    expect(link.unread()).toEqual([]);
  });
});

describe("pages of other origins", () => {
  const fromElsewhere = { headers: { Origin: "https://example.com" } };

  test("may read a handshake, a poll, a post and a refusal", async () => {
    const opened = await http.request(session, fromElsewhere);
    const { sid } = parseOpenPacket(opened.body);
    const posted = await http.request(
      { ...session, sid },
      { ...fromElsewhere, method: "POST", body: "4hello" },
    );
    const polled = await http.request({ ...session, sid }, fromElsewhere);
    const refused = await http.request({ ...session, sid: "unknown" }, fromElsewhere);
    for (const answer of [opened, posted, polled, refused]) {
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    }
  });

  test("get an answer to their preflight requests", async () => {
    const preflight = await http.request(
      { ...session, sid: "any" },
      {
        method: "OPTIONS",
        headers: {
          Origin: "https://example.com",
          "Access-Control-Request-Method": "POST",
          "Access-Control-Request-Headers": "content-type",
        },
      },
    );
    expect([200, 204]).toContain(preflight.status);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("content-type");
  });
});
