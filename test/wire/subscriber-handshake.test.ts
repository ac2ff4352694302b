/** Who may subscribe: the rotating token, the id, and how often one may connect. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { eventually, patience } from "../support/deadline.ts";
import { type EngineLink, openLink, type TransportName } from "../support/engine-link.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import { once } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const SECRET = "a secret of the wire tests";
const transports: TransportName[] = ["polling", "websocket"];

const certificate = new ServerCertificate();
afterAll(() => certificate[Symbol.dispose]());

/** The token as an installation's own backend computes it: date in UTC, no leading zeros. */
function token(secret = SECRET, date = new Date()): string {
  const day = `${date.getUTCFullYear()}-${date.getUTCMonth() + 1}-${date.getUTCDate()}`;
  return createHash("sha512").update(`${secret}${day}`).digest("hex");
}

const gateway = new GatewayFixture(() => ({
  NODE_ENV: "production",
  HOST: "127.0.0.1",
  ALLOWED_IPS: "127.0.0.0/8",
  AUTH_TOKEN_SECRET: SECRET,
  CONNECT_RATE_PER_ADDRESS: "0",
  ...certificate.environment,
  // The token follows UTC wherever the process believes itself to be.
  TZ: "Pacific/Kiritimati",
}));

describe.each(transports)("over %s", (transport) => {
  /** The stock client's options for that user with that auth object. */
  function options(uniqueUserId: string | undefined, auth: Record<string, unknown>) {
    const query = uniqueUserId === undefined ? {} : { uniqueUserId };
    return { transports: [transport], query, auth };
  }

  test("today's token lets a client in, and it hears its id", async () => {
    const user = crypto.randomUUID();
    const socket = await gateway.clients.connected(options(user, { token: token() }));
    const received = once(socket, user);
    expect(await gateway.post("/", { uuid: user, text: "hi" })).toBe("OK");
    expect(await received).toEqual([{ text: "hi" }]);
  });

  const wrong: [string, Record<string, unknown>][] = [
    ["no token", {}],
    ["an empty token", { token: "" }],
    ["a token of another secret", { token: token("another secret") }],
    ["a token of last year", { token: token(SECRET, new Date(Date.now() - 365 * 86_400_000)) }],
    ["today's token in upper case", { token: token().toUpperCase() }],
    ["today's token with more behind it", { token: `${token()}0` }],
    ["the beginning of today's token", { token: token().slice(0, 64) }],
    ["the secret itself", { token: SECRET }],
    ["a number", { token: 1 }],
    ["a list that holds the token", { token: [token()] }],
    ["null", { token: null }],
    ["an object", { token: { token: token() } }],
  ];
  test.each(wrong)("%s is refused with invalid token", async (_what, auth) => {
    const error = await gateway.clients.refused(options(crypto.randomUUID(), auth));
    expect(error.message).toBe("invalid token");
    expect(error).toHaveProperty("data", { code: 301, name: "invalid_token" });
  });

  test("a token in the query counts for nothing", async () => {
    const query = { uniqueUserId: crypto.randomUUID(), token: token() };
    const error = await gateway.clients.refused({ transports: [transport], query });
    expect(error.message).toBe("invalid token");
  });

  test("the token is asked before the id is looked at", async () => {
    const error = await gateway.clients.refused(options("not an id", {}));
    expect(error.message).toBe("invalid token");
  });

  const badIds: [string, string][] = [
    ["of words", "not an id"],
    ["that is empty", ""],
    ["like a path", "../etc"],
    ["with a space behind it", `${crypto.randomUUID()} `],
    ["of thousands of characters", "é".repeat(2_000)],
  ];
  test.each(badIds)("an id %s is refused", async (_what, id) => {
    const error = await gateway.clients.refused(options(id, { token: token() }));
    expect(error.message).toStartWith("uniqueUserId does not match");
    expect(error).toHaveProperty("data", { code: 303, name: "invalid_user_id" });
  });

  test("a client without an id is connected, and in no channel", async () => {
    const socket = await gateway.clients.connected(options(undefined, { token: token() }));
    expect(socket.connected).toBe(true);
    expect(await gateway.post("/api/publish", { channel: "undefined", data: 1 })).toBe(
      '{"ok":true,"subscribers":0}',
    );
  });

  test("a refused client hears nothing", async () => {
    const user = crypto.randomUUID();
    await gateway.clients.refused(options(user, {}));
    expect(await gateway.post("/api/publish", { channel: user, data: 1 })).toBe(
      '{"ok":true,"subscribers":0}',
    );
  });

  async function connect(link: EngineLink): Promise<string> {
    await link.send(`40${JSON.stringify({ token: token() })}`);
    return String(await link.next());
  }

  test("a second connection of one id within a second is refused, another id's is not", async () => {
    const refused = await eventually("two connections within one second", async () => {
      const user = crypto.randomUUID();
      using first = await openLink(gateway.engine(user), transport);
      using second = await openLink(gateway.engine(user), transport);
      using other = await openLink(gateway.engine(crypto.randomUUID()), transport);
      const start = Date.now();
      expect(await connect(first)).toStartWith('40{"sid":');
      const answer = await connect(second);
      expect(await connect(other)).toStartWith('40{"sid":');
      // A machine that was busy for a second has proved nothing.
      return Date.now() - start < 1_000 ? answer : undefined;
    });
    expect(refused).toBe(
      '44{"message":"rate limit block","data":{"code":302,"name":"rate_limit_block"}}',
    );
  });

  test("the stock client is told rate limit block, and gets in a second later", async () => {
    const socket = await eventually("a client that was refused", async () => {
      const user = crypto.randomUUID();
      const [start, accepted] = [
        Date.now(),
        await gateway.clients.connected(options(user, { token: token() })),
      ];
      const later = gateway.clients.open(options(user, { token: token() }));
      let first: unknown;
      later.once("connect_error", (error) => {
        first = error;
      });
      later.on("connect_error", () => setTimeout(() => later.connect(), 50));
      await once(later, "connect", patience);
      if (first === undefined) return undefined;
      expect(first).toHaveProperty("message", "rate limit block");
      expect(Date.now() - start).toBeGreaterThanOrEqual(999);
      expect(accepted.connected).toBe(true);
      return later;
    });
    expect(socket.connected).toBe(true);
  });

  test("whoever lacks the token does not use up the rate of an id", async () => {
    const user = crypto.randomUUID();
    for (let attempt = 0; attempt < 3; attempt++) {
      await gateway.clients.refused(options(user, { token: "wrong" }));
    }
    await gateway.clients.connected(options(user, { token: token() }));
  });
});

test("the rate of an id is one for both transports", async () => {
  const answer = await eventually("two connections within one second", async () => {
    const http = gateway.engine(crypto.randomUUID());
    using first = await openLink(http, "polling");
    using second = await openLink(http, "websocket");
    const start = Date.now();
    for (const link of [first, second]) await link.send(`40${JSON.stringify({ token: token() })}`);
    const answers = [String(await first.next()), String(await second.next())];
    return Date.now() - start < 1_000 ? answers.sort() : undefined;
  });
  expect(answer).toEqual([
    expect.stringMatching(/^40\{/),
    expect.stringMatching(/^44\{"message":"rate limit block"/),
  ]);
});

test("neither the secret nor a token is ever logged", async () => {
  expect(JSON.stringify(gateway.process.logLines)).not.toContain(SECRET);
  expect(JSON.stringify(gateway.process.logLines)).not.toContain(token());
});
