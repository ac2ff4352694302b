/** What holds before a client has authenticated: rates by address, behind proxies too, and budgets. */

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Socket } from "socket.io-client";
import { eventually, within } from "../support/deadline.ts";
import type { EngineHttp } from "../support/engine-http.ts";
import {
  type EngineLink,
  openLink,
  type TransportName,
  WebSocketLink,
} from "../support/engine-link.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { once } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const transports: TransportName[] = ["polling", "websocket"];
const polling = { EIO: "4", transport: "polling" };
const handshakePath = "/socket.io/?EIO=4&transport=polling";
/** Attempts after which a rate of one a second would certainly have refused. */
const ATTEMPTS = 60;

/** Repeats a handshake until it is refused, which it is unless every one takes a second. */
async function untilRefused<A extends { status: number }>(
  attempt: (index: number) => Promise<A>,
): Promise<A> {
  for (let index = 0; index < ATTEMPTS; index++) {
    const answer = await attempt(index);
    if (answer.status === 429) return answer;
    expect(answer.status).toBe(200);
  }
  throw new Error(`${ATTEMPTS} handshakes were let in`);
}

/** Opens a WebSocket; its client learns only whether it was let in. */
async function openSocket(http: EngineHttp): Promise<{ status: number }> {
  using link = new WebSocketLink(http.webSocket({ EIO: "4", transport: "websocket" }));
  const isOpen = await link.opened().then(
    () => true,
    () => false,
  );
  return { status: isOpen ? 200 : 429 };
}

describe("the rate by address", () => {
  const gateway = new GatewayFixture(() => ({
    CONNECT_RATE_PER_ADDRESS: "1",
    CONNECT_RATE_PER_USER: "0",
  }));

  test("is answered 429 before there is a session, and another address is let in", async () => {
    const from = (address: string) => gateway.call(handshakePath, { from: address });
    const answer = await untilRefused(() => from("127.0.0.2"));
    expect(refusal(answer)).toEqual([429, 302, "rate_limit_block"]);
    expect((await from("127.0.0.3")).status).toBe(200);
  });

  test("holds for WebSocket handshakes, too", async () => {
    await untilRefused(() => openSocket(gateway.engine()));
  });

  test.each(transports)(
    "lets the stock client in over %s, which tries again by itself",
    async (transport) => {
      const statuses: unknown[] = [];
      const connections = Array.from({ length: 4 }, () => {
        const socket = gateway.clients.open({
          transports: [transport],
          reconnection: true,
          reconnectionDelay: 200,
          reconnectionDelayMax: 400,
        });
        socket.on("connect_error", (error) => {
          statuses.push("context" in error ? Object(error.context).status : undefined);
        });
        return once(socket, "connect", 20_000);
      });
      await Promise.all(connections);
      expect(statuses.length).toBeGreaterThan(0);
      if (transport === "polling") expect(new Set(statuses)).toEqual(new Set([429]));
    },
  );

  test("does not count the requests of a session that exists", async () => {
    const http = gateway.engine();
    const { sid } = await eventually("a handshake", () => http.handshake().catch(() => undefined));
    await http.post(sid, "40");
    expect((await http.poll(sid)).body).toStartWith("40{");
    for (let index = 0; index < 10; index++) {
      expect((await http.post(sid, `42${index}["unknown"]`)).status).toBe(200);
      expect((await http.poll(sid)).body).toStartWith(`43${index}[`);
    }
  });
});

describe("behind proxies", () => {
  const gateway = new GatewayFixture(() => ({
    CONNECT_RATE_PER_ADDRESS: "1",
    CONNECT_RATE_PER_USER: "0",
    USE_PROXY: "1",
    TRUST_PROXY: "127.0.0.0/30,10.0.0.0/8",
  }));

  function via(headers: Record<string, string>, from = "127.0.0.1") {
    return gateway.call(handshakePath, { headers, from });
  }

  test("the rate goes by the client that the proxy names, in either header", async () => {
    for (const [name, net] of [
      ["x-forwarded-for", "198.51.100"],
      ["cf-connecting-ip", "203.0.113"],
    ] as const) {
      await untilRefused(() => via({ [name]: `${net}.1` }));
      expect((await via({ [name]: `${net}.2` })).status).toBe(200);
    }
  });

  test("what a client wrote left of its own address does not help it", async () => {
    await untilRefused((index) => via({ "x-forwarded-for": `192.0.2.${index}, 198.51.100.3` }));
  });

  test("the chain is walked past every trusted proxy", async () => {
    await untilRefused((index) => via({ "x-forwarded-for": `198.51.100.4, 10.0.0.${index}` }));
  });

  test("the addresses of one IPv6 line share a rate", async () => {
    await untilRefused((index) => via({ "x-forwarded-for": `2001:db8:1:2::${index}` }));
    expect((await via({ "x-forwarded-for": "2001:db8:1:3::1" })).status).toBe(200);
  });

  test("the WebSocket handshake is judged by the same header", async () => {
    const attempt = (address: string) =>
      openSocket(gateway.engine(undefined, { "x-forwarded-for": address }));
    await untilRefused(() => attempt("198.51.100.5"));
    expect((await attempt("198.51.100.6")).status).toBe(200);
  });

  test("a proxy that names no client, or garbage, is refused", async () => {
    for (const headers of [{}, { "x-forwarded-for": "somebody" }, { "x-forwarded-for": ", ," }]) {
      expect(refusal(await via(headers))).toEqual([403, 201, "proxy_forbidden"]);
    }
  });

  test("who comes directly is judged by its own address, whatever it claims", async () => {
    await untilRefused((index) => via({ "x-forwarded-for": `192.0.2.${index}` }, "127.0.0.9"));
  });
});

describe("the budget of clients that have not authenticated", () => {
  const gateway = new GatewayFixture(() => ({
    MAX_PENDING_HANDSHAKES: "3",
    AUTH_TIMEOUT: "600000",
    CONNECT_RATE_PER_ADDRESS: "0",
  }));
  const links: EngineLink[] = [];
  afterEach(() => {
    for (const link of links.splice(0)) link[Symbol.dispose]();
  });

  test("is answered 503 once it is used up, and the stock client gets in later", async () => {
    const http = gateway.engine();
    const [first, second] = [await openLink(http, "websocket"), await openLink(http, "polling")];
    links.push(first, second, await openLink(http, "websocket"));
    expect(refusal(await http.request(polling))).toEqual([503, 304, "too_many_handshakes"]);
    using refused = new WebSocketLink(http.webSocket({ EIO: "4", transport: "websocket" }));
    expect(await refused.opened().catch(() => "refused")).toBe("refused");

    const stock: Socket = gateway.clients.open({
      transports: ["websocket"],
      reconnection: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 100,
    });
    await once(stock, "connect_error");
    // One of the three authenticates, and makes room for one other.
    await first.send("40");
    expect(await first.next()).toStartWith("40{");
    await once(stock, "connect");

    links.push(await openLink(http, "polling"));
    expect((await http.request(polling)).status).toBe(503);
    // Whoever goes away without having authenticated makes room, too.
    await second.send("1");
    links.push(await openLink(http, "polling"));
    expect((await http.request(polling)).status).toBe(503);
  });
});

describe("the time to authenticate", () => {
  const gateway = new GatewayFixture(() => ({
    // Clients that say something say it in less, on a busy machine too.
    AUTH_TIMEOUT: "1500",
    AUTH_TOKEN_SECRET: "secret",
    CONNECT_RATE_PER_ADDRESS: "0",
  }));

  test("ends a WebSocket that stays silent, with the code that says why", async () => {
    const { subscriberUrl, ca } = gateway.process;
    const url = `${subscriberUrl}/socket.io/?EIO=4&transport=websocket`;
    const client = await RawWebSocket.open(url, ca);
    const ending = await within(client.ended, "close frame");
    expect(ending).toEqual({ code: 4003, reason: "authentication timeout" });
    client.destroy();
  });

  test.each(transports)("ends a client over %s whose every token was wrong", async (transport) => {
    const before = await gateway.stats();
    using link = await openLink(gateway.engine(), transport);
    await link.send('40{"token":"wrong"}');
    expect(await link.next()).toStartWith('44{"message":"invalid token"');
    await within(link.closed, "end of the session");
    const after = await gateway.stats();
    expect(after.authenticationTimeouts).toBe(before.authenticationTimeouts + 1);
    expect(after.connections).toBe(0);
  });

  test("closes a polling client that collects nothing, whose id is then unknown", async () => {
    const http = gateway.engine();
    const { sid } = await http.handshake();
    expect(await http.pollUntilGone(sid)).toEqual(["1"]);
  });
});

describe("without a limit", () => {
  const gateway = new GatewayFixture(() => ({
    CONNECT_RATE_PER_ADDRESS: "0",
    CONNECT_RATE_PER_USER: "0",
  }));

  test("one user may connect from one address as often as it likes", async () => {
    const query = { uniqueUserId: crypto.randomUUID() };
    const options = { transports: ["websocket"], query };
    await Promise.all(Array.from({ length: 60 }, () => gateway.clients.connected(options)));
    expect((await gateway.stats()).connections).toBe(60);
  });
});
