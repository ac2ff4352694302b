import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Environment } from "./environment.ts";
import { ConfigFolder, DAY, NOW, production, variablesOf } from "./testing/config-folder.ts";

let folder: ConfigFolder;
beforeAll(async () => {
  folder = await ConfigFolder.make();
});
afterAll(() => folder[Symbol.dispose]());

describe("production", () => {
  test("starts with certificate, secret and allow-list, on every address", () => {
    const config = folder.load(production);
    expect(config.tls.certificate).toEqual({
      kind: "files",
      certFile: join(folder.path, "one.pem"),
      keyFile: join(folder.path, "one-key.pem"),
    });
    expect(config.token.required).toBe(true);
    expect(config.host).toBe("::");
    expect(config.allowedOrigins).toEqual([]);
    expect(config.apps.get("default")?.namespaces.size).toBe(0);
    expect(config.apps.get("default")?.signalling).toBe("closed");
    expect(config.publicKeys).toEqual({ keys: new Map(), openApp: undefined });
  });

  test("reports everything that it lacks at once", () => {
    expect(variablesOf(folder.faultsOf({ NODE_ENV: "production" }))).toEqual([
      "PUB_KEY_PATH",
      "PRIV_KEY_PATH",
      "ALLOWED_IPS",
      "AUTH_TOKEN_SECRET",
    ]);
  });

  const withoutSecret = { ...production, AUTH_TOKEN_SECRET: "" };

  test("needs no secret where the token check is switched off by hand", () => {
    const config = folder.load({ ...withoutSecret, WEBSOCKET_AUTH: "0" });
    expect([config.token.required, config.anonymous]).toEqual([false, true]);
  });

  test.each<[Environment]>([
    [{ JWT_SECRET: "a secret of thirty-two bytes, or more" }],
    [{ JWT_JWKS_URL: "https://id.example/keys" }],
    [{ AUTH_WEBHOOK_URL: "https://hook.example/" }],
  ])("needs no secret with %j, and lets nobody in who proves nothing", (proof) => {
    for (const WEBSOCKET_AUTH of ["", "1"]) {
      const config = folder.load({ ...withoutSecret, ...proof, WEBSOCKET_AUTH });
      expect([config.token.required, config.anonymous]).toEqual([false, false]);
    }
  });

  test("needs a secret although there are public keys, which prove nothing", () => {
    const faults = folder.faultsOf({ ...withoutSecret, PUBLIC_KEYS: "k1" });
    expect(variablesOf(faults)).toEqual(["AUTH_TOKEN_SECRET"]);
  });

  test.each(["Production", "PRODUCTION", "prod", "productoin", "production-eu"])(
    "is not what NODE_ENV=%s means, and neither is development",
    (NODE_ENV) => {
      expect(folder.faultsOf({ NODE_ENV })).toEqual([
        {
          variable: "NODE_ENV",
          value: NODE_ENV,
          message: "looks like production; must be production, or anything else for development",
        },
      ]);
    },
  );

  test("is also what NODE_ENV in .env says", () => {
    expect(folder.load({}, { dotEnv: production }).production).toBe(true);
  });

  test("refuses an allow-list without entries", () => {
    expect(variablesOf(folder.faultsOf({ ...production, ALLOWED_IPS: " , " }))).toEqual([
      "ALLOWED_IPS",
    ]);
  });

  test("refuses a certificate that is expired or not valid yet", () => {
    const [expired, ...rest] = folder.faultsOf(production, { now: NOW + 14 * DAY });
    expect(rest).toEqual([]);
    expect(expired?.variable).toBe("PUB_KEY_PATH");
    expect(expired?.message).toMatch(/^expired at 2026-06-14T22:59:59Z$/);
    const [early] = folder.faultsOf(production, { now: NOW - DAY });
    expect(early?.message).toBe("is not valid before 2026-05-31T23:00:00Z");
  });
});

describe("settings that need others", () => {
  test("VERIFY_ORIGIN needs CA_PATH", () => {
    expect(variablesOf(folder.faultsOf({ VERIFY_ORIGIN: "1" }))).toEqual(["CA_PATH"]);
    expect(variablesOf(folder.faultsOf({ ...production, VERIFY_ORIGIN: "1" }))).toEqual([
      "CA_PATH",
    ]);
  });

  test("USE_PROXY needs TRUST_PROXY", () => {
    expect(variablesOf(folder.faultsOf({ USE_PROXY: "1" }))).toEqual(["TRUST_PROXY"]);
  });

  test("a token check that is asked for needs a secret", () => {
    const [fault] = folder.faultsOf({ WEBSOCKET_AUTH: "1" });
    expect(fault?.variable).toBe("AUTH_TOKEN_SECRET");
    expect(fault?.message).toStartWith("WEBSOCKET_AUTH=1 needs");
  });

  test("a client that proves nothing comes in only where it has nothing to prove itself with", () => {
    const anonymous = (environment: Environment) => folder.load(environment).anonymous;
    const JWT_SECRET = "a secret of thirty-two bytes, or more";
    expect(anonymous({})).toBe(true);
    expect(anonymous({ AUTH_TOKEN_SECRET: "s" })).toBe(false);
    expect(anonymous({ JWT_SECRET })).toBe(false);
    expect(anonymous({ JWT_SECRET, WEBSOCKET_AUTH: "0" })).toBe(true);
    expect(anonymous({ AUTH_TOKEN_SECRET: "s", WEBSOCKET_AUTH: "0" })).toBe(true);
  });

  test("the two ports differ, unless the system chooses them", () => {
    const [fault] = folder.faultsOf({ HTTP_PORT: "9000", WEBSOCKET_PORT: "9000" });
    expect(fault?.variable).toBe("WEBSOCKET_PORT");
    expect(folder.faultsOf({ HTTP_PORT: "0", WEBSOCKET_PORT: "0" })).toEqual([]);
  });
});

describe("one port", () => {
  test("is the port of publishers and of subscribers", () => {
    const { singlePort, publisherPort, subscriberPort } = folder.load({ PORT: "443" });
    expect([singlePort, publisherPort, subscriberPort]).toEqual([443, 443, 443]);
    expect(folder.faultsOf({ PORT: "443", PRODUCER_PORT: "443", CONSUMER_PORT: "443" })).toEqual(
      [],
    );
  });

  test("is a fault beside another port", () => {
    const faults = folder.faultsOf({ PORT: "443", HTTP_PORT: "2053", CONSUMER_PORT: "0" });
    expect(variablesOf(faults)).toEqual(["HTTP_PORT", "CONSUMER_PORT"]);
    expect(faults[0]?.message).toBe("is another port than PORT=443, which is the only one");
  });

  test("is a fault where client certificates are asked for", () => {
    const faults = folder.faultsOf({ PORT: "443", VERIFY_ORIGIN: "1", CA_PATH: "two.pem" });
    expect(variablesOf(faults)).toEqual(["PORT"]);
  });
});
