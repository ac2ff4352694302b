import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { AppConfig } from "../hub/namespace.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeHttpClient } from "../testing/fake-http-client.ts";
import { RecordingLog } from "../testing/recording-log.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { Authenticator, type Credentials } from "./authenticator.ts";
import type { Identity } from "./identity.ts";
import { JwtVerifier } from "./jwt.ts";
import { JwtIssuer } from "./jwt-issuer.ts";
import { PublicKeys } from "./public-keys.ts";
import { Webhook } from "./webhook.ts";

const secret = "0123456789abcdef0123456789abcdef";
const apps: ReadonlyMap<string, AppConfig> = new Map([
  ["default", { namespaces: new Map() }],
  ["shop", { namespaces: new Map() }],
]);
const listed = new PublicKeys({ keys: new Map([["k1", "shop"]]) });
const none = new PublicKeys({ keys: new Map() });
const open = new PublicKeys({ keys: new Map(), openApp: "default" });

interface Settings {
  readonly publicKeys?: PublicKeys;
  readonly withJwt?: boolean;
  readonly withWebhook?: boolean;
  readonly anonymousSse?: boolean;
}

async function setUp(settings: Settings = {}) {
  const { publicKeys = listed, withJwt, withWebhook, anonymousSse = false } = settings;
  const clock = new FakeClock();
  const http = new FakeHttpClient();
  http.respond(200, { user: "hooked" });
  const webhook = new Webhook({
    url: "https://hook.example",
    secret: undefined,
    timeoutMs: 2000,
    retries: 0,
    cacheMs: 0,
    concurrency: 10,
    breakerFailures: 5,
    breakerPauseMs: 1000,
    http,
    clock,
    random: new SeededRandom(),
    log: new RecordingLog(),
  });
  const authenticator = new Authenticator({
    apps,
    publicKeys,
    jwt: withJwt ? await JwtVerifier.create({ secret, leewaySeconds: 0, clock }) : undefined,
    webhook: withWebhook ? webhook : undefined,
    anonymousSse,
  });
  const who = (change: Partial<Credentials>) =>
    authenticator
      .authenticate({ protocol: "signalling", address: "192.0.2.1", ...change })
      .then(shown, refused);
  const issuer = new JwtIssuer({ secret, clock });
  const token = async (app: string, user = "ada") =>
    (await issuer.mint({ app, user, ttlSeconds: 60 })).token;
  return { authenticator, clock, http, who, token };
}

const shown = ({ source, app, user }: Identity) => [source, app, user].filter(Boolean).join(" ");
const refused = (error: unknown) =>
  error instanceof StarlingError ? `${error.status} ${error.message}` : String(error);

describe("a public key", () => {
  test("gives its app", async () => {
    const { who } = await setUp();
    expect(await who({ key: "k1" })).toBe("key shop");
    expect(await who({ key: "k1", protocol: "sse" })).toBe("key shop");
  });

  test("that is missing or not accepted refuses a client of the signalling protocol", async () => {
    for (const publicKeys of [listed, none]) {
      const { who } = await setUp({ publicKeys });
      expect(await who({})).toBe("401 publickey must not be empty");
      expect(await who({ key: "" })).toBe("401 publickey must not be empty");
      expect(await who({ key: "k2" })).toBe("403 illegal public key");
    }
  });

  test("may be any where an app takes every key", async () => {
    const { who } = await setUp({ publicKeys: open });
    expect(await who({ key: "whatever" })).toBe("key default");
    expect(await who({})).toBe("401 publickey must not be empty");
  });

  test("of another app than the one that is asked for is refused", async () => {
    const { who } = await setUp();
    expect(await who({ key: "k1", app: "default", protocol: "socket.io" })).toBe(
      "403 the credentials belong to another app",
    );
  });
});

describe("a client without anything", () => {
  test("is left to its own token check where it speaks Socket.IO", async () => {
    const { who } = await setUp();
    expect(await who({ protocol: "socket.io" })).toBe("none default");
    expect(await who({ protocol: "socket.io", app: "shop" })).toBe("none shop");
    expect(await who({ protocol: "socket.io", token: "0".repeat(128) })).toBe("none default");
  });

  test("may read events where that is allowed", async () => {
    const strict = await setUp();
    expect(await strict.who({ protocol: "sse" })).toBe("401 invalid token");
    const open = await setUp({ anonymousSse: true });
    expect(await open.who({ protocol: "sse" })).toBe("none default");
  });
});

describe("a JWT", () => {
  test("decides before everything else, and needs no public key", async () => {
    const { who, token, http } = await setUp({ withJwt: true, withWebhook: true });
    expect(await who({ token: await token("shop") })).toBe("jwt shop ada");
    expect(await who({ token: await token("default"), protocol: "socket.io" })).toBe(
      "jwt default ada",
    );
    expect(http.requests).toEqual([]);
  });

  test("that is refused is not made up for by a key or a webhook", async () => {
    const { who } = await setUp({ withJwt: true, withWebhook: true });
    expect(await who({ token: "a.b.c", key: "k1" })).toStartWith("401 ");
    const { who: later, token, clock } = await setUp({ withJwt: true });
    const old = await token("shop");
    clock.advance(60_000);
    expect(await later({ token: old, key: "k1" })).toBe("401 the token has expired; get a new one");
  });

  test("must be of the app of the key and of the address", async () => {
    const { who, token } = await setUp({ withJwt: true });
    const wrong = "403 the credentials belong to another app";
    expect(await who({ token: await token("default"), key: "k1" })).toBe(wrong);
    expect(await who({ token: await token("shop"), key: "k1" })).toBe("jwt shop ada");
    expect(await who({ token: await token("shop"), key: "k2" })).toBe("403 illegal public key");
    expect(await who({ token: await token("shop"), app: "default" })).toBe(wrong);
  });

  test("stands for a key where none are listed", async () => {
    for (const publicKeys of [none, open]) {
      const { who, token } = await setUp({ withJwt: true, publicKeys });
      expect(await who({ token: await token("shop"), key: "k9" })).toBe("jwt shop ada");
    }
  });

  test("of an app that is not configured is refused", async () => {
    const { who, token } = await setUp({ withJwt: true });
    expect(await who({ token: await token("missing") })).toBe("404 no such app is configured");
  });

  test("is text like any other where JWT is not configured", async () => {
    const { who, token } = await setUp();
    expect(await who({ token: await token("shop"), key: "k1" })).toBe("key shop");
  });
});

describe("the webhook", () => {
  test("decides about a client with an accepted key, and is told its app", async () => {
    const { who, http } = await setUp({ withWebhook: true });
    const credentials = { key: "k1", id: "ada", token: "opaque", origin: "https://a.example" };
    expect(await who(credentials)).toBe("webhook shop hooked");
    expect(JSON.parse(http.requests[0]?.body ?? "")).toMatchObject({
      ...credentials,
      app: "shop",
      address: "192.0.2.1",
      transport: "signalling",
    });
    http.respond(403, { message: "no" });
    expect(await who(credentials)).toBe("403 no");
  });

  test("is not asked about a key that is not among the listed ones, or missing", async () => {
    const { who, http } = await setUp({ withWebhook: true });
    expect(await who({ key: "k2" })).toBe("403 illegal public key");
    expect(await who({})).toBe("401 publickey must not be empty");
    expect(http.requests).toEqual([]);
  });

  test("decides about keys where none are listed", async () => {
    for (const publicKeys of [none, open]) {
      const { who, http } = await setUp({ withWebhook: true, publicKeys });
      http.respond(200, { app: "shop" });
      expect(await who({ key: "k9" })).toBe("webhook shop");
    }
  });

  test("is asked about Socket.IO and SSE clients, and may not move them to another app", async () => {
    const { who, http } = await setUp({ withWebhook: true });
    expect(await who({ protocol: "socket.io", app: "shop" })).toBe("webhook shop hooked");
    expect(await who({ protocol: "sse" })).toBe("webhook default hooked");
    http.respond(200, { app: "default" });
    expect(await who({ protocol: "socket.io", app: "shop" })).toBe(
      "403 the credentials belong to another app",
    );
  });

  test("that gives no answer refuses with its own code", async () => {
    const { who, http } = await setUp({ withWebhook: true });
    http.respond(500, "");
    expect(await who({ key: "k1" })).toStartWith("503 the authentication webhook gave no");
  });
});

describe("a new token for a connection that goes on", () => {
  test("gives it more time, and may change what it was granted", async () => {
    const { authenticator, clock, token } = await setUp({ withJwt: true });
    const current = await authenticator.refresh(
      { app: "shop", user: "ada", source: "webhook" },
      await token("shop"),
    );
    clock.advance(30_000);
    const next = await authenticator.refresh(current, await token("shop"));
    expect(next.expiresAt).toBe((current.expiresAt ?? 0) + 30_000);
  });

  test("is refused where it is for somebody else, or is none", async () => {
    const { authenticator, token } = await setUp({ withJwt: true });
    const current: Identity = { app: "shop", user: "ada", source: "jwt" };
    const refresh = async (text: string) =>
      authenticator.refresh(current, text).then(shown, refused);
    expect(await refresh(await token("shop", "bob"))).toBe(
      "403 the new token belongs to another user",
    );
    expect(await refresh(await token("default"))).toBe("403 the credentials belong to another app");
    expect(await refresh("a.b.c")).toStartWith("401 ");
    const { authenticator: without } = await setUp();
    await expect(without.refresh(current, await token("shop"))).rejects.toThrow(
      "no JWT is accepted",
    );
  });
});

test("what a client brings is of bounded length", async () => {
  const { who } = await setUp({ withJwt: true, withWebhook: true });
  const long = "x".repeat(256);
  expect(await who({ key: long })).toBe("400 key: must have at most 255 characters");
  expect(await who({ key: "k1", id: long })).toBe("400 id: must have at most 255 characters");
  expect(await who({ key: "k1", origin: long })).toBe(
    "400 origin: must have at most 255 characters",
  );
  expect(await who({ key: "k1", token: "x".repeat(8193) })).toStartWith("401 a token has at most");
});
