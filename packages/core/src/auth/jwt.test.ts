import { beforeAll, describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import {
  base64url,
  CompactSign,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeHttpClient } from "../testing/fake-http-client.ts";
import { RecordingLog } from "../testing/recording-log.ts";
import { RemoteKeySet } from "./jwks.ts";
import { JwtVerifier, type JwtVerifierOptions, looksLikeJwt, MAX_JWT_LENGTH } from "./jwt.ts";

const secret = "0123456789abcdef0123456789abcdef";
const clock = new FakeClock();
const now = clock.now() / 1000;
const bytes = (text: string) => new TextEncoder().encode(text);

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
const pairs = new Map<string, KeyPair>();
const pairOf = (algorithm: string): KeyPair => {
  const pair = pairs.get(algorithm);
  if (pair === undefined) throw new Error(`there is no key for ${algorithm}`);
  return pair;
};
const pemOf = (algorithm: string) => exportSPKI(pairOf(algorithm).publicKey);

const asymmetric = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
];

beforeAll(async () => {
  for (const algorithm of asymmetric) {
    pairs.set(algorithm, await generateKeyPair(algorithm, { extractable: true }));
  }
});

const verifier = (options: Partial<JwtVerifierOptions> = {}) =>
  JwtVerifier.create({ leewaySeconds: 5, clock, ...options });
const bySecret = (options: Partial<JwtVerifierOptions> = {}) => verifier({ secret, ...options });

type Key = Parameters<SignJWT["sign"]>[0];
function sign(claims: JWTPayload, key: Key = bytes(secret), alg = "HS256", header = {}) {
  return new SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(key);
}
const good: JWTPayload = { sub: "ada", exp: now + 60 };

/** The name of the error that a token is refused with, and its message. */
async function refusalOf(subject: JwtVerifier, token: string): Promise<StarlingError> {
  const error = await subject.verify(token).catch((e: unknown) => e);
  if (error instanceof StarlingError) return error;
  throw new Error(`it was not refused: ${JSON.stringify(error)}`);
}
const nameOf = async (subject: JwtVerifier, token: string) =>
  (await refusalOf(subject, token)).errorName;

describe("a signed token", () => {
  test("tells app, user, permissions and its end", async () => {
    const claims = {
      ...good,
      app: "shop",
      starling: { subscribe: ["chat:*"], publish: ["chat:ada"] },
    };
    const identity = await (await bySecret()).verify(await sign(claims));
    expect(identity).toMatchObject({
      app: "shop",
      user: "ada",
      source: "jwt",
      expiresAt: (now + 65) * 1000,
    });
    expect(identity.permissions?.subscribe.map(({ text }) => text)).toEqual(["chat:*"]);
    expect(identity.permissions?.publish.map(({ text }) => text)).toEqual(["chat:ada"]);
    expect(identity.permissions?.presence).toEqual([]);
  });

  test("may name no app, no user and no permissions", async () => {
    expect(await (await bySecret()).verify(await sign({ exp: now + 60 }))).toEqual({
      app: "default",
      user: undefined,
      permissions: undefined,
      expiresAt: (now + 65) * 1000,
      source: "jwt",
    });
  });

  test("is accepted with each HMAC of the secret", async () => {
    const subject = await bySecret();
    for (const alg of ["HS256", "HS384", "HS512"]) {
      expect((await subject.verify(await sign(good, bytes(secret), alg))).user).toBe("ada");
    }
  });

  test("is accepted with each algorithm of the public key", async () => {
    for (const alg of asymmetric) {
      const subject = await verifier({ publicKey: await pemOf(alg) });
      const token = await sign(good, pairOf(alg).privateKey, alg);
      expect((await subject.verify(token)).user).toBe("ada");
    }
  });

  test("is refused when one character of it is another", async () => {
    const subject = await bySecret();
    const token = await sign(good);
    for (let index = 0; index < token.length - 1; index += 7) {
      const other = token[index] === "A" ? "B" : "A";
      const changed = token.slice(0, index) + other + token.slice(index + 1);
      expect(await nameOf(subject, changed)).toBe("invalid_jwt");
    }
  });

  test("is refused when another key signed it", async () => {
    const other = bytes("another secret, as long as the first");
    expect(await nameOf(await bySecret(), await sign(good, other))).toBe("invalid_jwt");
    const { privateKey } = await generateKeyPair("ES256");
    const subject = await verifier({ publicKey: await pemOf("ES256") });
    expect(await nameOf(subject, await sign(good, privateKey, "ES256"))).toBe("invalid_jwt");
  });
});

describe("the algorithm of a token", () => {
  test("is one of the key's own kind", async () => {
    const algorithmsOf = async (options: Partial<JwtVerifierOptions>) =>
      (await verifier(options)).algorithms;
    expect(await algorithmsOf({ secret })).toEqual(["HS256", "HS384", "HS512"]);
    const rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    expect(await algorithmsOf({ publicKey: await pemOf("RS256") })).toEqual(rsa);
    expect(await algorithmsOf({ publicKey: await pemOf("ES256") })).toEqual(["ES256"]);
    expect(await algorithmsOf({ publicKey: await pemOf("ES384") })).toEqual(["ES384"]);
    expect(await algorithmsOf({ publicKey: await pemOf("ES512") })).toEqual(["ES512"]);
    expect(await algorithmsOf({ publicKey: await pemOf("EdDSA") })).toEqual(["EdDSA", "Ed25519"]);
  });

  test("cannot be HMAC with the public key as the secret", async () => {
    for (const alg of ["RS256", "ES256", "EdDSA"]) {
      const pem = await pemOf(alg);
      for (const options of [{ publicKey: pem }, { publicKey: pem, secret }]) {
        const subject = await verifier(options);
        for (const text of [pem, pem.trim(), `${pem}\n`]) {
          expect(await nameOf(subject, await sign(good, bytes(text)))).toBe("invalid_jwt");
        }
      }
    }
  });

  test("cannot be none", async () => {
    const token = new UnsecuredJWT(good).encode();
    expect(await nameOf(await bySecret(), token)).toBe("invalid_jwt");
    expect(await nameOf(await bySecret(), `${token}AAAA`)).toBe("invalid_jwt");
  });

  test("chooses between the secret and the public key where there are both", async () => {
    const subject = await bySecret({ publicKey: await pemOf("ES256") });
    expect((await subject.verify(await sign(good))).user).toBe("ada");
    const token = await sign(good, pairOf("ES256").privateKey, "ES256");
    expect((await subject.verify(token)).user).toBe("ada");
  });
});

describe("the time of a token", () => {
  const expiry = (exp: number) => sign({ exp });

  test("ends after the leeway, with a code of its own", async () => {
    const subject = await bySecret();
    expect((await subject.verify(await expiry(now - 4))).expiresAt).toBe((now + 1) * 1000);
    const error = await refusalOf(subject, await expiry(now - 5));
    expect([error.errorName, error.status]).toEqual(["token_expired", 401]);
  });

  test("ends by the clock that comes in", async () => {
    const own = new FakeClock();
    const subject = await bySecret({ clock: own });
    const token = await expiry(now + 60);
    await subject.verify(token);
    own.advance(65_000);
    expect(await nameOf(subject, token)).toBe("token_expired");
  });

  test("must have an end, and one that is a number", async () => {
    const subject = await bySecret();
    const { message } = await refusalOf(subject, await sign({ sub: "ada" }));
    expect(message).toContain('"exp"');
    const token = await new CompactSign(bytes('{"exp":"tomorrow"}'))
      .setProtectedHeader({ alg: "HS256" })
      .sign(bytes(secret));
    expect((await refusalOf(subject, token)).message).toContain('"exp" claim must be a number');
  });

  test("may begin later", async () => {
    const subject = await bySecret();
    const early = await sign({ ...good, nbf: now + 6 });
    expect(await nameOf(subject, early)).toBe("invalid_jwt");
    await subject.verify(await sign({ ...good, nbf: now + 5 }));
  });

  test("may lie further ahead than a number can count", async () => {
    const identity = await (await bySecret()).verify(await expiry(1e308));
    expect(identity.expiresAt).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("the claims of a token", () => {
  test("must name the issuer and the audience that are configured", async () => {
    const subject = await bySecret({ issuer: "https://id.example", audience: "starling" });
    const iss = "https://id.example";
    const aud = ["other", "starling"];
    expect((await subject.verify(await sign({ ...good, iss, aud }))).user).toBe("ada");
    const wrong: readonly JWTPayload[] = [
      { iss: "https://evil.example", aud },
      { aud },
      { iss, aud: "other" },
      { iss },
    ];
    for (const claims of wrong) {
      expect(await nameOf(subject, await sign({ ...good, ...claims }))).toBe("invalid_jwt");
    }
  });

  const faulty: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ["a user id that is no text", { sub: 7 }, "a user id must be a string"],
    ["an empty user id", { sub: "" }, "a user id must not be empty"],
    ["an app that is no text", { app: ["shop"] }, '"app" must be a string'],
    ["permissions that are no object", { starling: ["chat:*"] }, "must be an object"],
    ["a faulty pattern", { starling: { publish: [""] } }, "publish[0]"],
  ];
  test.each(faulty)("are refused with %s", async (_, change, message) => {
    const error = await refusalOf(await bySecret(), await sign({ ...good, ...change }));
    expect(error.errorName).toBe("invalid_jwt");
    expect(error.message).toContain(message);
  });
});

describe("what is no token", () => {
  test("is refused, whatever it is", async () => {
    const subject = await bySecret();
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => base64url.encode(text)),
      fc
        .constantFrom('{"alg":"HS256"}', '{"alg":"none"}', "{}")
        .map((text) => base64url.encode(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        expect(await nameOf(subject, parts.join("."))).toBe("invalid_jwt");
      }),
    );
  });

  test("is refused unread where it is too long", async () => {
    const { message } = await refusalOf(await bySecret(), "a".repeat(MAX_JWT_LENGTH + 1));
    expect(message).toContain(String(MAX_JWT_LENGTH));
  });

  test("is told apart by its two dots", () => {
    expect(looksLikeJwt("a.b.c")).toBe(true);
    for (const text of ["", "abc", "a.b", "a.b.c.d", ".".repeat(100_000)]) {
      expect(looksLikeJwt(text)).toBe(false);
    }
  });
});

describe("a key set", () => {
  test("checks tokens of each of its keys, whether they name it or not, and no HMAC", async () => {
    const http = new FakeHttpClient();
    const keys = await Promise.all(
      ["RS256", "ES256", "EdDSA"].map(async (alg) => ({
        ...(await exportJWK(pairOf(alg).publicKey)),
        kid: alg,
      })),
    );
    const second = await generateKeyPair("ES256", { extractable: true });
    const twin = { ...(await exportJWK(second.publicKey)), kid: "twin" };
    http.respond(200, { keys: [...keys, twin] });
    const keySet = new RemoteKeySet({
      url: "https://id.example/jwks",
      maxAgeMs: 600_000,
      cooldownMs: 30_000,
      http,
      clock,
      log: new RecordingLog(),
    });
    const subject = await verifier({ keySet });
    for (const alg of ["RS256", "ES256", "EdDSA"]) {
      for (const header of [{ kid: alg }, {}]) {
        const token = await sign(good, pairOf(alg).privateKey, alg, header);
        expect((await subject.verify(token)).user).toBe("ada");
      }
    }
    expect((await subject.verify(await sign(good, second.privateKey, "ES256"))).user).toBe("ada");
    const foreign = await generateKeyPair("ES256");
    expect(await nameOf(subject, await sign(good, foreign.privateKey, "ES256"))).toBe(
      "invalid_jwt",
    );
    expect(
      await nameOf(subject, await sign(good, second.privateKey, "ES256", { kid: "ES256" })),
    ).toBe("invalid_jwt");
    expect(await nameOf(subject, await sign(good))).toBe("invalid_jwt");
    const expired = await sign({ exp: now - 60 }, second.privateKey, "ES256");
    expect(await nameOf(subject, expired)).toBe("token_expired");
  });
});

test("a verifier without a key, with two public ones, or with a useless one is refused", async () => {
  const keySet = new RemoteKeySet({
    url: "",
    maxAgeMs: 0,
    cooldownMs: 0,
    http: new FakeHttpClient(),
    clock,
    log: new RecordingLog(),
  });
  await expect(verifier()).rejects.toThrow("there is no key");
  await expect(verifier({ publicKey: await pemOf("ES256"), keySet })).rejects.toThrow("only one");
  await expect(verifier({ secret: secret.slice(1) })).rejects.toThrow("fewer than 32 bytes");
  await expect(verifier({ publicKey: "no PEM" })).rejects.toThrow("in PEM");
});
