import { describe, expect, test } from "bun:test";
import type { Config } from "./config.ts";
import { loadConfig } from "./load.ts";
import { configWarnings } from "./warnings.ts";

const development = loadConfig({});
const sound: Config = {
  ...development,
  production: true,
  allowedOrigins: ["https://example.org"],
  apiKeys: ["0123456789abcdef"],
  token: { ...development.token, required: true, secret: "0123456789abcdef" },
  tls: {
    ...development.tls,
    certificate: { kind: "files", certFile: "/cert.pem", keyFile: "/key.pem" },
  },
};

describe("a valid configuration", () => {
  test("that is sound gives no warning", () => {
    expect(configWarnings(sound)).toEqual([]);
  });

  test("of development warns of the token check and of the certificate", () => {
    const warnings = configWarnings(development);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain("token check is OFF");
    expect(warnings[1]).toContain("self-made");
  });

  const risks: readonly (readonly [string, Partial<Config>, string])[] = [
    ["no token check", { token: { ...sound.token, required: false } }, "token check is OFF"],
    ["a short secret", { token: { ...sound.token, secret: "short" } }, "fewer than 16"],
    ["no origins", { allowedOrigins: [] }, "ALLOWED_ORIGINS"],
    ["no keys", { apiKeys: [] }, "API_KEYS"],
    ["a cluster", { clusterMode: true }, "CLUSTER_MODE=1 has no effect"],
  ];
  test.each(risks)("with %s warns of that alone", (_, change, text) => {
    const warnings = configWarnings({ ...sound, ...change });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(text);
    expect(warnings[0]).not.toContain(sound.token.secret);
  });
});
