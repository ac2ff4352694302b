import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Environment } from "./environment.ts";
import { ConfigError } from "./fault.ts";
import { loadConfig } from "./load.ts";

const secret = "0123456789abcdef0123456789abcdef";
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-auth-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const load = (environment: Environment) => loadConfig(environment, { folder });
function faultsOf(environment: Environment): readonly string[] {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.faults.map(({ variable, message }) => `${variable}: ${message}`);
    }
    throw error;
  }
  return [];
}
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return name;
};
const spki = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();

describe("public keys", () => {
  test("bring their apps with them, open to clients of the signalling protocol", () => {
    const { publicKeys, apps } = load({ PUBLIC_KEYS: "k1:shop,k2" });
    expect([...publicKeys.keys]).toEqual([
      ["k1", "shop"],
      ["k2", "default"],
    ]);
    expect(publicKeys.openApp).toBeUndefined();
    expect([...apps].map(([app, { signalling }]) => [app, signalling])).toEqual([
      ["default", "open"],
      ["shop", "open"],
    ]);
  });

  test("that are none are every key in development, unless the list is written and empty", () => {
    expect(load({}).publicKeys.openApp).toBe("default");
    const { publicKeys, apps } = load({ PUBLIC_KEYS: "," });
    expect(publicKeys.openApp).toBeUndefined();
    expect(apps.get("default")?.signalling).toBe("closed");
  });

  test("of the configuration file and of the variable come together", () => {
    const CONFIG_FILE = file("keys.yaml", "keys: [k1]\napps: {shop: {keys: [k2]}}");
    const { publicKeys } = load({ CONFIG_FILE, PUBLIC_KEYS: "k3:other,k2:shop" });
    expect(Object.fromEntries(publicKeys.keys)).toEqual({ k1: "default", k2: "shop", k3: "other" });
    expect(load({ CONFIG_FILE }).publicKeys.openApp).toBeUndefined();
    expect(faultsOf({ CONFIG_FILE, PUBLIC_KEYS: "k2:other" })).toEqual([
      'PUBLIC_KEYS: "k2" belongs to the app shop in CONFIG_FILE',
    ]);
  });

  test("are told apart from what is none", () => {
    expect(faultsOf({ PUBLIC_KEYS: "k 1" })[0]).toStartWith('PUBLIC_KEYS: "k 1": a public key is');
  });
});

describe("JSON Web Tokens", () => {
  test("are off without a key", () => {
    expect(load({ JWT_ISSUER: "https://id.example" }).jwt).toBeUndefined();
  });

  test("are checked with a secret, and as issuer, audience and leeway say", () => {
    const environment = {
      JWT_SECRET: secret,
      JWT_ISSUER: "id",
      JWT_AUDIENCE: "us",
      JWT_LEEWAY: "0",
    };
    expect(load(environment).jwt).toEqual({
      secret,
      publicKey: undefined,
      keySet: undefined,
      issuer: "id",
      audience: "us",
      leewaySeconds: 0,
    });
  });

  test("are not checked with a short secret, which is not told", () => {
    const faults = faultsOf({ JWT_SECRET: "hunter2" });
    expect(faults).toEqual([
      "JWT_SECRET: has 7 bytes; must be text of at least 32 bytes that is hard to guess",
    ]);
  });

  test("are checked with a key set", () => {
    expect(load({ JWT_JWKS_URL: "https://id.example/jwks" }).jwt?.keySet).toEqual({
      url: "https://id.example/jwks",
      maxAgeMs: 600_000,
      cooldownMs: 30_000,
    });
  });

  test("are checked with a public key, from its file or written out in whatever form", () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = spki(publicKey);
    const path = file("key.pem", publicKey.export({ type: "pkcs1", format: "pem" }).toString());
    for (const text of [path, join(folder, path), pem, pem.replaceAll("\n", "\\n")]) {
      expect(load({ JWT_PUBLIC_KEY: text, JWT_SECRET: secret }).jwt?.publicKey).toBe(pem);
    }
    for (const namedCurve of ["P-256", "P-384", "P-521"]) {
      const pair = generateKeyPairSync("ec", { namedCurve });
      expect(load({ JWT_PUBLIC_KEY: spki(pair.publicKey) }).jwt?.publicKey).toBe(
        spki(pair.publicKey),
      );
    }
    const { publicKey: edwards } = generateKeyPairSync("ed25519");
    expect(load({ JWT_PUBLIC_KEY: spki(edwards) }).jwt?.publicKey).toBe(spki(edwards));
  });

  test("are not checked with what is no fit public key", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const weak = spki(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey);
    const agreement = spki(generateKeyPairSync("x25519").publicKey);
    const wrong: readonly (readonly [string, string])[] = [
      ["missing.pem", "cannot be read (ENOENT)"],
      [file("no.pem", "no PEM"), "is no public key in PEM"],
      [pem, "is a private key"],
      [weak, "is an RSA key of 1024 bits"],
      [agreement, "is a key of the kind x25519"],
    ];
    for (const [text, message] of wrong) {
      expect(faultsOf({ JWT_PUBLIC_KEY: text })[0]).toStartWith(`JWT_PUBLIC_KEY: ${message}`);
    }
  });

  test("are not checked with two kinds of public keys", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const environment = { JWT_PUBLIC_KEY: spki(publicKey), JWT_JWKS_URL: "https://id.example/" };
    expect(faultsOf(environment)).toEqual([
      "JWT_PUBLIC_KEY: cannot be set together with JWT_JWKS_URL",
    ]);
  });
});

describe("the webhook", () => {
  test("is nobody without an address", () => {
    expect(load({ AUTH_WEBHOOK_SECRET: secret }).webhook).toBeUndefined();
  });

  test("has limits that can be set", () => {
    const AUTH_WEBHOOK_URL = "https://hook.example/auth";
    expect(load({ AUTH_WEBHOOK_URL }).webhook).toEqual({
      url: AUTH_WEBHOOK_URL,
      secret: undefined,
      timeoutMs: 2000,
      retries: 1,
      cacheMs: 0,
      concurrency: 100,
      breakerFailures: 5,
      breakerPauseMs: 5000,
    });
    const set = {
      AUTH_WEBHOOK_SECRET: secret,
      AUTH_WEBHOOK_TIMEOUT: "10",
      AUTH_WEBHOOK_RETRIES: "0",
      AUTH_WEBHOOK_CACHE: "1000",
      AUTH_WEBHOOK_CONCURRENCY: "1",
      AUTH_WEBHOOK_BREAKER_FAILURES: "2",
      AUTH_WEBHOOK_BREAKER_PAUSE: "100",
    };
    expect(load({ AUTH_WEBHOOK_URL, ...set }).webhook).toEqual({
      url: AUTH_WEBHOOK_URL,
      secret,
      timeoutMs: 10,
      retries: 0,
      cacheMs: 1000,
      concurrency: 1,
      breakerFailures: 2,
      breakerPauseMs: 100,
    });
  });
});
