import { describe, expect, test } from "bun:test";
import type { Config } from "./config.ts";
import { loadConfig } from "./load.ts";
import { configWarnings } from "./warnings.ts";

const NOW = Date.UTC(2026, 5, 1);
const development = loadConfig({});
const webhook: NonNullable<Config["webhook"]> = {
  url: "https://hook.example/",
  secret: "0123456789abcdef",
  timeoutMs: 2000,
  retries: 1,
  cacheMs: 0,
  concurrency: 100,
  breakerFailures: 5,
  breakerPauseMs: 5000,
};
const jwt = (url: string): Config["jwt"] => ({
  secret: undefined,
  publicKey: undefined,
  keySet: { url, maxAgeMs: 600_000, cooldownMs: 30_000 },
  issuer: undefined,
  audience: undefined,
  leewaySeconds: 5,
});
const sound: Config = {
  ...development,
  publicKeys: { keys: new Map([["k1", "default"]]), openApp: undefined },
  webhook,
  jwt: jwt("https://id.example/jwks"),
  production: true,
  allowedOrigins: ["https://example.org"],
  apiKeys: ["0123456789abcdef"],
  token: { ...development.token, required: true, secret: "0123456789abcdef" },
  anonymous: false,
  tls: {
    ...development.tls,
    certificate: { kind: "files", certFile: "/cert.pem", keyFile: "/key.pem" },
  },
};

describe("a valid configuration", () => {
  test("that is sound gives no warning", () => {
    expect(configWarnings(sound, NOW)).toEqual([]);
  });

  test("of development warns of the token check, the public keys and the certificate", () => {
    const warnings = configWarnings(development, NOW);
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toContain("token check is OFF");
    expect(warnings[1]).toContain("EVERY public key is accepted, for the app default");
    expect(warnings[2]).toContain("self-made");
  });

  test("of development does not warn of keys that the webhook decides about", () => {
    const warnings = configWarnings({ ...development, webhook }, NOW);
    expect(warnings.join()).not.toContain("public key");
  });

  const risks: readonly (readonly [string, Partial<Config>, string])[] = [
    ["no token check", { anonymous: true, webhook: undefined }, "token check is OFF"],
    ["a short secret", { token: { ...sound.token, secret: "short" } }, "fewer than 16"],
    ["no origins", { allowedOrigins: [] }, "ALLOWED_ORIGINS"],
    ["no keys", { apiKeys: [] }, "API_KEYS"],
    ["a webhook on the way", { webhook: { ...webhook, url: "http://10.0.0.1/" } }, "not https"],
    ["an unsigned webhook", { webhook: { ...webhook, secret: undefined } }, "AUTH_WEBHOOK_SECRET"],
    ["a patient webhook", { webhook: { ...webhook, retries: 4 } }, "may take 11500 ms"],
    ["keys on the way", { jwt: jwt("http://id.example/jwks") }, "JWT_JWKS_URL is not https"],
  ];
  test.each(risks)("with %s warns of that alone", (_, change, text) => {
    const warnings = configWarnings({ ...sound, ...change }, NOW);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(text);
    expect(warnings[0]).not.toContain(sound.token.secret);
  });

  test("does not warn of a webhook or keys on this machine", () => {
    for (const host of ["localhost:3000", "127.0.0.1", "[::1]:80"]) {
      const local = {
        webhook: { ...webhook, url: `http://${host}/` },
        jwt: jwt(`http://${host}/`),
      };
      expect(configWarnings({ ...sound, ...local }, NOW)).toEqual([]);
    }
  });
});
