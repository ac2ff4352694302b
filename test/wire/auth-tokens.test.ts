/** Tokens by secret, public key and key set, by every way to bring them. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  connectError,
  expectKnown,
  expectUnknown,
  SECRET,
  websocket,
} from "../support/credentials.ts";
import { patience } from "../support/deadline.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { httpsCall } from "../support/https.ts";
import {
  issuerKey,
  jwkOf,
  pemOf,
  signToken,
  signWithSecret,
  unsecuredToken,
} from "../support/jwt.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import { unlimited } from "../support/signalling-room.ts";
import { ask, once } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

/** Between two fetches of the keys: more than what must not cause one takes on a busy machine. */
const COOLDOWN_MS = 3_000;

describe("a token by a shared secret", () => {
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    JWT_SECRET: SECRET,
    JWT_ISSUER: "the tests",
    JWT_LEEWAY: "0",
  }));
  const iss = "the tests";

  test("is known by every way to bring it, whoever made it", async () => {
    await expectKnown(gateway, signWithSecret(SECRET, { sub: "ada", iss }), "ada");
    const minted = JSON.parse(await gateway.post("/api/token", { user: "bob" }));
    expect(minted).toEqual({ ok: true, token: expect.any(String), expiresAt: expect.any(Number) });
    await expectKnown(gateway, minted.token, "bob");
  });

  test.each([
    ["of another secret", 306, () => signWithSecret(`${SECRET}!`, { iss })],
    ["of another issuer", 306, () => signWithSecret(SECRET, { iss: "others" })],
    ["that has expired", 305, () => signWithSecret(SECRET, { iss, exp: 1_000_000_000 })],
    ["that never expires", 306, () => signWithSecret(SECRET, { iss, exp: undefined })],
    ["of the future", 306, () => signWithSecret(SECRET, { iss, nbf: 9_999_999_999 })],
    ["without a signature", 306, () => unsecuredToken({ iss })],
    ["of another algorithm", 306, () => signToken(issuerKey("ES256"), { iss })],
    ["with a faulty user", 306, () => signWithSecret(SECRET, { iss, sub: "a\nb" })],
    [
      "with faulty permissions",
      306,
      () => signWithSecret(SECRET, { iss, starling: { publish: 1 } }),
    ],
    ["that is no JSON", 306, () => "e30.e30.e30"],
  ])("%s is refused with error %i", async (_what, code, token) => {
    await expectUnknown(gateway, token(), 401, code);
  });

  test("names its user, and the handshake may name no other", async () => {
    const token = signWithSecret(SECRET, { sub: "ada", iss });
    const [, code] = await connectError(gateway, { uniqueUserId: crypto.randomUUID() }, { token });
    expect(code).toBe(310);
  });

  test("can be renewed in place over Socket.IO, and else ends the connection", async () => {
    const mint = async (request: object) =>
      String(JSON.parse(await gateway.post("/api/token", request)).token);
    const ofEve = await mint({ user: "eve" });
    const fresh = await mint({
      user: "ada",
      ttlSeconds: 60,
      permissions: { subscribe: ["new:*"] },
    });
    const auth = { token: await mint({ user: "ada", ttlSeconds: 6 }) };
    const socket = await gateway.clients.connected({ ...websocket, auth });
    const other = await gateway.clients.connected({ ...websocket, auth });
    const polling = await gateway.clients.connected({ transports: ["polling"], auth });
    const ended = [other, polling].map((each) => once(each, "disconnect", 2 * patience));
    expect(await ask(socket, "authenticate", { token: ofEve })).toMatchObject({
      error: { code: 310, name: "wrong_user" },
    });
    for (const token of ["nonsense", 1, undefined, `${auth.token}A`]) {
      const answer = Object(await ask(socket, "authenticate", { token }));
      expect(answer.error.code).toBe(306);
    }
    expect(await ask(socket, "subscribe", { channel: "new:x" })).toMatchObject({
      error: { code: 203 },
    });
    const answer = Object(await ask(socket, "authenticate", { token: fresh }));
    expect(answer).toEqual({ ok: true, expiresAt: expect.any(Number) });
    expect(answer.expiresAt).toBeGreaterThan(Date.now() + 50_000);
    expect(await ask(socket, "subscribe", { channel: "new:x" })).toMatchObject({ ok: true });
    for (const each of ended) await each;
    expect(socket.connected).toBe(true);
    expect((await gateway.stats()).connections).toBe(1);
  });
});

describe.each(["ES256", "RS256", "EdDSA"] as const)(
  "a token by the public key of %s",
  (algorithm) => {
    const key = issuerKey(algorithm);
    const gateway = new GatewayFixture(() => ({ ...unlimited, JWT_PUBLIC_KEY: pemOf(key) }));

    test("is known, and one of another key is not", async () => {
      await expectKnown(gateway, signToken(key, { sub: "ada" }), "ada");
      await expectUnknown(gateway, signToken(issuerKey(algorithm), { sub: "ada" }), 401, 306);
      await expectUnknown(gateway, signWithSecret(pemOf(key), { sub: "ada" }), 401, 306);
      await expectUnknown(gateway, unsecuredToken({ sub: "ada" }), 401, 306);
    });

    test("cannot be made here", async () => {
      const { publisherUrl, ca } = gateway.process;
      const answer = await httpsCall(`${publisherUrl}/api/token`, ca, { body: "{}" });
      expect(refusal(answer)).toEqual([501, 112, "minting_off"]);
    });
  },
);

describe("a token by a key set", () => {
  const [first, second, third] = [
    issuerKey("ES256", "first"),
    issuerKey("RS256", "second"),
    issuerKey("EdDSA", "third"),
  ];
  let keys = [first, second];
  let isBroken = true;
  let fetches = 0;
  const certificate = new ServerCertificate();
  const issuer = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: Bun.file(certificate.certFile), key: Bun.file(certificate.keyFile) },
    fetch() {
      fetches++;
      if (isBroken) return new Response("broken", { status: 500 });
      return Response.json({ keys: keys.map(jwkOf) });
    },
  });
  afterAll(async () => {
    await issuer.stop(true);
    certificate[Symbol.dispose]();
  });
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    JWT_JWKS_URL: `https://127.0.0.1:${issuer.port}/keys`,
    JWT_JWKS_COOLDOWN: String(COOLDOWN_MS),
    NODE_EXTRA_CA_CERTS: certificate.certFile,
  }));

  test("is refused with a number of its own while the keys cannot be fetched", async () => {
    await expectUnknown(gateway, signToken(first, { sub: "ada" }), 503, 315);
  });

  test("is known by the keys of the set, which are fetched once", async () => {
    isBroken = false;
    await Bun.sleep(COOLDOWN_MS + 100);
    await expectKnown(gateway, signToken(first, { sub: "ada" }), "ada");
    const before = fetches;
    await expectKnown(gateway, signToken(second, { sub: "bob" }), "bob");
    expect(fetches).toBe(before);
    const forged = { ...issuerKey("ES256"), id: "first" };
    await expectUnknown(gateway, signToken(forged, { sub: "ada" }), 401, 306);
  });

  test("is known by a key that is new in the set, and an unknown one is asked for seldom", async () => {
    await Bun.sleep(COOLDOWN_MS + 100);
    keys = [second, third];
    await expectKnown(gateway, signToken(third, { sub: "cy" }), "cy");
    const before = fetches;
    await expectUnknown(gateway, signToken(issuerKey("ES256", "none"), {}), 401, 306);
    expect(fetches).toBe(before);
    isBroken = true;
    await expectKnown(gateway, signToken(second, { sub: "bob" }), "bob");
  });
});
