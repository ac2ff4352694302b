/** What a gateway still does, and no longer does, between the signal to stop and its end. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { within } from "../support/deadline.ts";
import { EngineHttp } from "../support/engine-http.ts";
import { refusal } from "../support/gateway-fixture.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";

setDefaultTimeout(60_000);

/** Runs a test on a gateway of its own, which has ended by itself afterwards. */
async function withGateway(
  environment: Readonly<Record<string, string>>,
  run: (gateway: GatewayProcess) => Promise<void>,
): Promise<void> {
  const unlimited = { CONNECT_RATE_PER_USER: "0", CONNECT_RATE_PER_ADDRESS: "0" };
  const gateway = await startGatewayProcess({ ...unlimited, ...environment });
  try {
    await run(gateway);
  } finally {
    expect(await gateway.stop()).toBe(0);
  }
}

/** Sends the signal, and resolves once it was taken note of. */
async function beginStop(gateway: GatewayProcess): Promise<void> {
  gateway.requestStop();
  const { subscriberUrl, ca } = gateway;
  for (let status = 200; status === 200; ) {
    ({ status } = await httpsCall(`${subscriberUrl}/ready`, ca));
  }
}

test("a stop waits for who polls, and turns away who is new", () =>
  withGateway({}, async (gateway) => {
    const { subscriberUrl, publisherUrl, ca } = gateway;
    const channel = crypto.randomUUID();
    const endpoint = `${subscriberUrl}/socket.io/?uniqueUserId=${channel}`;
    const http = new EngineHttp(endpoint, { ca });
    const { sid } = await http.handshake();
    await http.post(sid, "40");
    expect((await http.receive(sid, 1))[0]).toStartWith("40{");
    const body = JSON.stringify({ channel, event: "message", data: "last" });
    const published = await httpsCall(`${publisherUrl}/api/publish`, ca, { body });
    expect(published.text).toBe('{"ok":true,"subscribers":1}');

    await beginStop(gateway);
    const ready = await httpsCall(`${subscriberUrl}/ready`, ca);
    expect([ready.status, ready.text]).toEqual([503, "shutting down"]);
    await expect(httpsCall(`${publisherUrl}/ready`, ca)).rejects.toThrow("ECONNREFUSED");
    const newcomer = await http.request({ EIO: "4", transport: "polling" });
    expect(refusal(newcomer)).toEqual([503, 317, "shutting_down"]);
    const events = `${subscriberUrl}/events?channel=${channel}`;
    expect(refusal(await httpsCall(events, ca))).toEqual([503, 317, "shutting_down"]);
    const stream = await httpsCall(events, ca, { headers: { accept: "text/event-stream" } });
    // At any other status an EventSource would give up for good.
    expect([stream.status, stream.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(stream.text).toMatch(/^event: starling:close\ndata: \{"code":4000,.*\nretry: \d+\n\n$/);
    const query = "v=2&id=someone&publickey=any";
    const signalling = await httpsCall(`${subscriberUrl}/v1?${query}`, ca, {
      headers: { connection: "upgrade", upgrade: "websocket" },
    });
    expect(signalling.status).toBe(503);

    // What it was told ok for is still there, and the end of the session behind it.
    const first = await http.poll(sid);
    expect(first.body).toContain('"last"');
    expect(first.headers.get("connection")).toBe("close");
    expect((await http.poll(sid)).body).toBe("1");
  }));

test("an answer that closes its connection is one of the drain alone", () =>
  withGateway({}, async ({ subscriberUrl, publisherUrl, ca }) => {
    for (const url of [subscriberUrl, publisherUrl]) {
      const headers = { connection: "keep-alive" };
      const answer = await httpsCall(`${url}/ready`, ca, { headers });
      expect([answer.status, answer.headers.get("connection")]).not.toContain("close");
    }
  }));

test("without time to drain everybody is closed at once", () =>
  withGateway({ DRAIN_SECONDS: "0" }, async (gateway) => {
    const url = `${gateway.subscriberUrl}/socket.io/?EIO=4&transport=websocket`;
    const open = async () => {
      const client = await RawWebSocket.open(url, gateway.ca);
      client.send("40");
      expect(await client.text(1)).toStartWith("40{");
      return client;
    };
    const clients = await Promise.all(Array.from({ length: 20 }, open));
    gateway.requestStop();
    for (const client of clients) {
      const ending = await within(client.ended, "close frame");
      expect(ending).toEqual({ code: 4000, reason: "server is shutting down" });
    }
    for (const client of clients) client.destroy();
  }));
