/** The subscriber port as HTTP: what it answers, to which origins, and what it announces. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ClientSettings, EngineHttp } from "../support/engine-http.ts";
import { openLink, type TransportName, WebSocketLink } from "../support/engine-link.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { ServerCertificate } from "../support/server-certificate.ts";

setDefaultTimeout(60_000);

const SITE = "https://chat.example";
const FOREIGN = "https://evil.example";
const transports: TransportName[] = ["polling", "websocket"];
const polling = { EIO: "4", transport: "polling" };

const certificate = new ServerCertificate();
afterAll(() => certificate[Symbol.dispose]());

const production = {
  NODE_ENV: "production",
  HOST: "127.0.0.1",
  WEBSOCKET_AUTH: "0",
  ALLOWED_IPS: "127.0.0.0/8",
  CONNECT_RATE_PER_ADDRESS: "0",
};

describe("a production gateway with a list of origins", () => {
  const gateway = new GatewayFixture(() => ({
    ...production,
    ...certificate.environment,
    ALLOWED_ORIGINS: `${SITE}, http://localhost:3000`,
    ENGINE_PING_INTERVAL: "12345",
    ENGINE_PING_TIMEOUT: "6789",
    ENGINE_MAX_PAYLOAD: "54321",
  }));

  function from(origin: string): EngineHttp {
    return gateway.engine(undefined, { origin });
  }

  test("GET / is answered 404 with Cannot GET /", async () => {
    const answer = await gateway.call("/");
    expect([answer.status, answer.text]).toEqual([404, "Cannot GET /"]);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const query = await gateway.call("/?uniqueUserId=x#y");
    expect([query.status, query.text]).toEqual([404, "Cannot GET /"]);
  });

  test("other paths and methods are answered in the same way", async () => {
    const paths = ["/status", "/demo", "/socket.io", "/socket.io/x", "/api/publish", "/a%20b"];
    for (const path of paths) {
      const answer = await gateway.call(path);
      expect([answer.status, answer.text]).toEqual([404, `Cannot GET ${path}`]);
    }
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const answer = await gateway.call("/", { method });
      expect([answer.status, answer.text]).toEqual([404, `Cannot ${method} /`]);
    }
    const head = await gateway.call("/", { method: "HEAD" });
    expect([head.status, head.text]).toEqual([404, ""]);
  });

  test("a page's markup in a path comes back as plain text that no browser takes for HTML", async () => {
    const answer = await gateway.call("/<script>alert(1)</script>");
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test.each(transports)("the handshake over %s announces the timings", async (transport) => {
    using link = await openLink(gateway.engine(), transport);
    expect(link.handshake).toMatchObject({
      pingInterval: 12345,
      pingTimeout: 6789,
      maxPayload: 54321,
      upgrades: transport === "polling" ? ["websocket"] : [],
    });
  });

  test.each([SITE, "http://localhost:3000"])("a page of %s may read polls", async (origin) => {
    const http = from(origin);
    const opened = await http.request(polling);
    const { sid } = JSON.parse(opened.body.slice(1));
    const posted = await http.post(sid, "40");
    const answers = [opened, posted, await http.poll(sid), await http.poll("unknown")];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400]);
    for (const { headers } of answers) {
      expect(headers.get("access-control-allow-origin")).toBe(origin);
      expect(headers.get("vary")).toBe("Origin");
    }
  });

  test("a preflight request of an allowed page names GET and POST and the asked headers", async () => {
    const init = {
      method: "OPTIONS",
      headers: {
        origin: SITE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-mine",
      },
    };
    const { status, headers, body } = await gateway.engine().request(polling, init);
    expect([status, body]).toEqual([204, ""]);
    expect(headers.get("access-control-allow-origin")).toBe(SITE);
    expect(headers.get("access-control-allow-methods")).toBe("GET, POST");
    expect(headers.get("access-control-allow-headers")).toBe("content-type,x-mine");
  });

  test("a page of an allowed origin connects over WebSocket", async () => {
    using link = await openLink(from(SITE), "websocket");
    await link.send("40");
    expect(await link.next()).toStartWith("40{");
  });

  const foreigners = [
    FOREIGN,
    "null",
    "http://chat.example",
    `${SITE}:8443`,
    `${SITE}.evil.example`,
    "https://evil.example/https://chat.example",
  ];
  test.each(foreigners)("a page of %s is refused whatever it asks", async (origin) => {
    const { sid } = await gateway.engine().handshake();
    const http = from(origin);
    const answers = [
      await http.request(polling),
      await http.request(polling, { method: "OPTIONS", headers: { origin } }),
      await http.poll(sid),
      await http.post(sid, "40"),
    ];
    for (const answer of answers) {
      expect(refusal(answer)).toEqual([403, 300, "origin_forbidden"]);
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    }
    using alone = new WebSocketLink(http.webSocket({ EIO: "4", transport: "websocket" }));
    expect(await alone.opened().catch(() => "refused")).toBe("refused");
    using upgrade = new WebSocketLink(http.webSocket({ EIO: "4", transport: "websocket", sid }));
    expect(await upgrade.opened().catch(() => "refused")).toBe("refused");
  });

  test("the refusal of a foreign WebSocket handshake is 403", async () => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      origin: FOREIGN,
    };
    const answer = await gateway.call("/socket.io/?EIO=4&transport=websocket", { headers });
    expect(refusal(answer)).toEqual([403, 300, "origin_forbidden"]);
  });

  test("the stock client of a foreign page is refused, that of no page is not", async () => {
    for (const transport of transports) {
      const options = { transports: [transport] };
      await gateway.clients.refused({ ...options, extraHeaders: { origin: FOREIGN } });
      await gateway.clients.connected({ ...options, extraHeaders: { origin: SITE } });
      await gateway.clients.connected(options);
    }
  });
});

describe("a production gateway without a list of origins", () => {
  const gateway = new GatewayFixture(() => ({ ...production, ...certificate.environment }));

  test("refuses every page but its own host's, and serves what is no page", async () => {
    const foreign = await gateway.engine(undefined, { origin: SITE }).request(polling);
    expect(refusal(foreign)).toEqual([403, 300, "origin_forbidden"]);
    const { origin } = new URL(gateway.process.subscriberUrl);
    expect((await gateway.engine(undefined, { origin }).request(polling)).status).toBe(200);
    expect((await gateway.engine().request(polling)).status).toBe(200);
  });
});

describe("a development gateway", () => {
  const gateway = new GatewayFixture(() => ({}));

  test("lets pages of any origin connect and read", async () => {
    const settings: ClientSettings = { ca: gateway.process.ca, headers: { origin: FOREIGN } };
    const http = new EngineHttp(`${gateway.process.subscriberUrl}/socket.io/`, settings);
    const answer = await http.request(polling);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    using link = await openLink(http, "websocket");
    expect(link.handshake.sid).toBeString();
  });
});
