/** The upgrade from HTTP long-polling to WebSocket (Engine.IO protocol 4, section "Upgrade"). */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually, within } from "../support/deadline.ts";
import { EngineHttp, separator } from "../support/engine-http.ts";
import { PollingLink, WebSocketLink } from "../support/engine-link.ts";
import { type ProtocolApp, startProtocolApp } from "../support/protocol-app.ts";

setDefaultTimeout(30_000);

let app: ProtocolApp;
let http: EngineHttp;

beforeAll(async () => {
  app = await startProtocolApp("engine");
  http = new EngineHttp(`${app.url}/engine.io/`);
});

afterAll(() => app?.kill());

/** A session on WebSocket that began on polling. */
async function upgraded(): Promise<{ sid: string; link: WebSocketLink }> {
  const { sid } = await http.handshake();
  const link = await WebSocketLink.attach(http, sid);
  await link.send("2probe");
  expect(await link.next()).toBe("3probe");
  await link.send("5");
  // The echo shows that the server has taken the upgrade packet.
  await link.send("4upgraded");
  expect(await link.next()).toBe("4upgraded");
  return { sid, link };
}

describe("an upgrade", () => {
  test("is probed, completed and then carries text and binary", async () => {
    const { link: upgradedLink } = await upgraded();
    using link = upgradedLink;
    await link.send("4hello", Uint8Array.of(1, 2, 3));
    expect(await link.next()).toBe("4hello");
    expect(await link.next()).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("releases the waiting GET with a no-op", async () => {
    const released = await eventually("upgrade without a ping between", async () => {
      const { sid } = await http.handshake();
      const waiting = http.poll(sid);
      using link = await WebSocketLink.attach(http, sid);
      await link.send("2probe");
      expect(await link.next()).toBe("3probe");
      const poll = await waiting;
      return poll.body === "2" ? undefined : poll;
    });
    expect(released).toMatchObject({ status: 200, body: "6" });
  });

  test("loses, doubles and reorders nothing that was echoed meanwhile", async () => {
    const { sid } = await http.handshake();
    using link = await WebSocketLink.attach(http, sid);
    await link.send("2probe");
    expect(await link.next()).toBe("3probe");
    await http.post(sid, ["41", "42", "bAQID"].join(separator));
    await http.post(sid, "43");
    await link.send("5", "44");
    expect(await link.next()).toBe("41");
    expect(await link.next()).toBe("42");
    expect(await link.next()).toEqual(Uint8Array.of(1, 2, 3));
    expect(await link.next()).toBe("43");
    expect(await link.next()).toBe("44");
    await link.send("4last");
    expect(await link.next()).toBe("4last");
  });

  test("delivers what was buffered before it began", async () => {
    const { sid } = await http.handshake();
    await http.post(sid, ["4early", "4bird"].join(separator));
    using link = await WebSocketLink.attach(http, sid);
    await link.send("2probe");
    expect(await link.next()).toBe("3probe");
    await link.send("5");
    expect(await link.next()).toBe("4early");
    expect(await link.next()).toBe("4bird");
  });

  test("lets polling go on until it is completed", async () => {
    using polling = await PollingLink.open(http);
    using link = await WebSocketLink.attach(http, polling.handshake.sid);
    await link.send("2probe");
    expect(await link.next()).toBe("3probe");
    await polling.send("4still polling");
    expect(await polling.next()).toBe("4still polling");
    expect(link.unread()).toEqual([]);
  });

  test("keeps the heartbeat going, and its timeout", async () => {
    const heartbeat = await startProtocolApp("heartbeat");
    await using _ = { [Symbol.asyncDispose]: () => heartbeat.kill() };
    const http = new EngineHttp(`${heartbeat.url}/engine.io/`);
    const { sid } = await http.handshake();
    const url = http.webSocketUrl({ EIO: "4", transport: "websocket", sid });
    using link = new WebSocketLink(url, false);
    await link.opened();
    await link.send("2probe");
    expect(await link.next()).toBe("3probe");
    await link.send("5");
    for (let round = 0; round < 3; round++) {
      expect(await link.next()).toBe("2");
      await link.send("3");
    }
    expect(await link.next()).toBe("2");
    await within(link.closed, "end of the session");
  });
});

describe("after an upgrade", () => {
  test("HTTP requests are refused and the WebSocket goes on", async () => {
    const { sid, link: upgradedLink } = await upgraded();
    using link = upgradedLink;
    expect((await http.poll(sid)).status).toBe(400);
    expect((await http.post(sid, "4ignored")).status).toBe(400);
    await link.send("4hello");
    expect(await link.next()).toBe("4hello");
  });

  test("a second WebSocket is closed and the first goes on", async () => {
    const { sid, link: upgradedLink } = await upgraded();
    using link = upgradedLink;
    using second = new WebSocketLink(http.webSocketUrl({ EIO: "4", transport: "websocket", sid }));
    await within(second.closed, "end of the second WebSocket");
    expect(second.unread()).toEqual([]);
    await link.send("4hello");
    expect(await link.next()).toBe("4hello");
  });

  test("the end of the WebSocket is the end of the session", async () => {
    const { sid, link } = await upgraded();
    link.close();
    await within(link.closed, "end of the WebSocket");
    using late = new WebSocketLink(http.webSocketUrl({ EIO: "4", transport: "websocket", sid }));
    await within(late.closed, "refusal of the old session");
    expect((await http.poll(sid)).status).toBe(400);
  });
});

describe("a second WebSocket", () => {
  test("is closed while the first is still probing, and the first completes", async () => {
    using polling = await PollingLink.open(http);
    const { sid } = polling.handshake;
    using first = await WebSocketLink.attach(http, sid);
    await first.send("2probe");
    expect(await first.next()).toBe("3probe");
    using second = new WebSocketLink(http.webSocketUrl({ EIO: "4", transport: "websocket", sid }));
    await within(second.closed, "end of the second WebSocket");
    await first.send("5", "4hello");
    expect(await first.next()).toBe("4hello");
  });

  test("is closed where the session began on WebSocket", async () => {
    using first = await WebSocketLink.handshake(http);
    const { sid } = first.handshake;
    using second = new WebSocketLink(http.webSocketUrl({ EIO: "4", transport: "websocket", sid }));
    await within(second.closed, "end of the second WebSocket");
    await first.send("4hello");
    expect(await first.next()).toBe("4hello");
  });
});

describe("a failed upgrade", () => {
  test("leaves polling alive when the WebSocket ends before the probe", async () => {
    using polling = await PollingLink.open(http);
    using link = await WebSocketLink.attach(http, polling.handshake.sid);
    link.close();
    await within(link.closed, "end of the WebSocket");
    await polling.send("4hello");
    expect(await polling.next()).toBe("4hello");
  });

  test("leaves polling alive when the WebSocket ends after the probe, and may be repeated", async () => {
    using polling = await PollingLink.open(http);
    const { sid } = polling.handshake;
    using failed = await WebSocketLink.attach(http, sid);
    await failed.send("2probe");
    expect(await failed.next()).toBe("3probe");
    failed.close();
    await within(failed.closed, "end of the WebSocket");
    await polling.send("4hello");
    expect(await polling.next()).toBe("4hello");
    // The server learns of the end in its own time, so the next attempt may come too early.
    await eventually("second upgrade", async () => {
      using link = new WebSocketLink(http.webSocketUrl({ EIO: "4", transport: "websocket", sid }));
      try {
        await link.opened();
        await link.send("2probe");
        return (await link.next()) === "3probe" ? true : undefined;
      } catch {
        return undefined;
      }
    });
  });

  test.each([
    ["a message", "4hello"],
    ["a ping that is no probe", "2abc"],
    ["an unknown packet", "abc"],
  ])("leaves polling alive when %s comes in place of the probe", async (_case, packet) => {
    using polling = await PollingLink.open(http);
    using link = await WebSocketLink.attach(http, polling.handshake.sid);
    await link.send(packet);
    await within(link.closed, "end of the WebSocket");
    expect(link.unread()).toEqual([]);
    await polling.send("4alive");
    expect(await polling.next()).toBe("4alive");
  });
});
