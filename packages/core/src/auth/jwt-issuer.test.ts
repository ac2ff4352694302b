import { describe, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import { FakeClock } from "../testing/fake-clock.ts";
import { JwtVerifier } from "./jwt.ts";
import { JwtIssuer, MAX_TTL_SECONDS } from "./jwt-issuer.ts";

const secret = "0123456789abcdef0123456789abcdef";
const clock = new FakeClock(Date.UTC(2026, 0, 1) + 999);
const start = Date.UTC(2026, 0, 1);

describe("a minted token", () => {
  test("is one that the verifier with the same settings accepts, with all that was asked for", async () => {
    const settings = { secret, issuer: "starling", audience: "chat", clock };
    const issuer = new JwtIssuer(settings);
    const { token, expiresAt } = await issuer.mint({
      app: "shop",
      user: "ada",
      permissions: { subscribe: ["chat:*"], presence: ["chat:*", "lobby"] },
      ttlSeconds: 60,
    });
    expect(expiresAt).toBe(start + 60_000);
    const verifier = await JwtVerifier.create({ ...settings, leewaySeconds: 0 });
    const identity = await verifier.verify(token);
    expect(identity).toMatchObject({ app: "shop", user: "ada", expiresAt });
    const { subscribe, publish, presence } = identity.permissions ?? {};
    expect(subscribe?.map(({ text }) => text)).toEqual(["chat:*"]);
    expect(publish).toEqual([]);
    expect(presence?.map(({ text }) => text)).toEqual(["chat:*", "lobby"]);
  });

  test("says no more than was asked for", async () => {
    const { token } = await new JwtIssuer({ secret, clock }).mint({ ttlSeconds: 1 });
    expect(decodeJwt(token)).toEqual({ app: "default", iat: start / 1000, exp: start / 1000 + 1 });
  });
});

describe("a token that the verifier would refuse", () => {
  const issuer = new JwtIssuer({ secret, clock });
  const long = Array.from({ length: 100 }, (_, index) => `${index}:${"x".repeat(200)}`);
  const requests: readonly (readonly [string, Parameters<JwtIssuer["mint"]>[0], string])[] = [
    ["without time", { ttlSeconds: 0 }, "ttlSeconds must be"],
    ["for half a second", { ttlSeconds: 0.5 }, "ttlSeconds must be"],
    ["for too long", { ttlSeconds: MAX_TTL_SECONDS + 1 }, "ttlSeconds must be"],
    ["for an empty user id", { ttlSeconds: 1, user: "" }, "a user id must not be empty"],
    ["with an empty pattern", { ttlSeconds: 1, permissions: { publish: [""] } }, "publish[0]"],
    ["with too much in it", { ttlSeconds: 1, permissions: { publish: long } }, "the token would"],
  ];
  test.each(requests)("%s is not minted", async (_, request, message) => {
    const error = await issuer.mint(request).catch((e: unknown) => e);
    expect(error).toMatchObject({ errorName: "invalid_request" });
    expect(String(error)).toContain(message);
  });
});

test("a short secret is refused", () => {
  expect(() => new JwtIssuer({ secret: secret.slice(1), clock })).toThrow("fewer than 32 bytes");
});
