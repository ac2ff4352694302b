import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { developmentCertificate } from "../certificates/development.ts";
import type { Environment } from "./environment.ts";
import { ConfigError, type ConfigFault } from "./fault.ts";
import { type LoadOptions, loadConfig } from "./load.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
let folder: string;
let options: LoadOptions;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "starling-config-"));
  options = { folder, now: NOW };
  for (const name of ["one", "two"]) {
    await developmentCertificate(join(folder, name), { now: () => NOW });
    copyFileSync(join(folder, name, "dev-cert.pem"), join(folder, `${name}.pem`));
    copyFileSync(join(folder, name, "dev-key.pem"), join(folder, `${name}-key.pem`));
  }
  writeFileSync(join(folder, "garbage.pem"), "no PEM at all\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

const production: Environment = {
  NODE_ENV: "production",
  PUB_KEY_PATH: "one.pem",
  PRIV_KEY_PATH: "one-key.pem",
  AUTH_TOKEN_SECRET: "a long and random secret",
  ALLOWED_IPS: "192.0.2.0/24",
};

function faultsOf(environment: Environment, extra: LoadOptions = {}): readonly ConfigFault[] {
  try {
    loadConfig(environment, { ...options, ...extra });
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}
const variablesOf = (faults: readonly ConfigFault[]) => faults.map((fault) => fault.variable);

describe("an empty environment", () => {
  test("is development on loopback with its own certificate and no token check", () => {
    expect(loadConfig({}, options)).toEqual({
      production: false,
      host: "127.0.0.1",
      publisherPort: 2053,
      subscriberPort: 8443,
      clusterMode: false,
      clusterInstances: "max",
      allowedOrigins: ["*"],
      allowedIps: ["127.0.0.0/8", "::1/128"],
      useProxy: false,
      trustProxy: [],
      tls: { certificate: { kind: "development" }, caFile: undefined, verifyOrigin: false },
      token: {
        required: false,
        secret: "",
        renewStartHour: 0,
        renewIntervalMs: 86_400_000,
        graceMs: 300_000,
      },
      publicKeys: { keys: new Map(), openApp: "default" },
      jwt: undefined,
      webhook: undefined,
      logsDir: undefined,
      logLevel: "info",
      eventIdPattern:
        /^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$/,
      connectRatePerUser: 1,
      connectRatePerAddress: 50,
      apiRatePerKey: 0,
      maxBodyBytes: 1_048_576,
      slowConsumerBytes: 1_048_576,
      maxChannelsPerConnection: 128,
      apiKeys: [],
      idempotencyWindowMs: 300_000,
      stateDir: join(folder, ".starling"),
      maxHandshakes: 5_000,
      authTimeoutMs: 10_000,
      engine: { pingIntervalMs: 25_000, pingTimeoutMs: 20_000, maxPayloadBytes: 1_000_000 },
      apps: new Map([
        [
          "default",
          {
            signalling: "open",
            namespaces: new Map([
              [
                "demo",
                {
                  subscribe: "anyone",
                  publish: "anyone",
                  presence: "anyone",
                  presenceDebounceMs: 0,
                  conflateMs: 0,
                  volatile: false,
                },
              ],
            ]),
          },
        ],
      ]),
    });
  });
});

describe("both generations' names", () => {
  const pairs: readonly (readonly [Environment, Environment])[] = [
    [{ PRODUCER_PORT: "1" }, { HTTP_PORT: "1" }],
    [{ CONSUMER_PORT: "1" }, { WEBSOCKET_PORT: "1" }],
    [{ CONSUMER_PORT: "1" }, { STANDALONE_PORT: "1" }],
    [{ ALLOWED_ORIGINS: "https://a.example" }, { TRUST_ORIGIN_LIST: "https://a.example" }],
    [{ ALLOWED_IPS: "192.0.2.1" }, { TRUST_CIDR_LIST: "192.0.2.1" }],
    [
      { USE_PROXY: "1", TRUST_PROXY: "192.0.2.1" },
      { USE_PROXY: "1", TRUST_PROXY_LIST: "192.0.2.1" },
    ],
    [{ AUTH_TOKEN_SECRET: "s" }, { WEBSOCKET_AUTH_TOKEN_SECRET: "s" }],
    [{ IO_TOKEN_RENEW_START_HOUR: "4" }, { WEBSOCKET_AUTH_TOKEN_RENEW_START_HOUR: "4" }],
    [{ IO_TOKEN_RENEW_INTERVAL: "3600000" }, { WEBSOCKET_AUTH_TOKEN_RENEW_INTERVAL: "3600000" }],
    [{ DEBUG: "*" }, { ENABLE_DEBUG: "1" }],
  ];
  const nameOf = (environment: Environment) => Object.keys(environment).at(-1);
  test.each(
    pairs.map(([documented, last]) => ({
      documented,
      last,
      names: `${nameOf(documented)} and ${nameOf(last)}`,
    })),
  )("$names mean the same", ({ documented, last }) => {
    const config = loadConfig(documented, options);
    expect(loadConfig(last, options)).toEqual(config);
    expect(config).not.toEqual(loadConfig({}, options));
  });
});

describe("production", () => {
  test("starts with certificate, secret and allow-list, on every address", () => {
    const config = loadConfig(production, options);
    expect(config.tls.certificate).toEqual({
      kind: "files",
      certFile: join(folder, "one.pem"),
      keyFile: join(folder, "one-key.pem"),
    });
    expect(config.token.required).toBe(true);
    expect(config.host).toBe("::");
    expect(config.allowedOrigins).toEqual([]);
    expect(config.apps.get("default")?.namespaces.size).toBe(0);
    expect(config.apps.get("default")?.signalling).toBe("closed");
    expect(config.publicKeys).toEqual({ keys: new Map(), openApp: undefined });
  });

  test("reports everything that it lacks at once", () => {
    expect(variablesOf(faultsOf({ NODE_ENV: "production" }))).toEqual([
      "PUB_KEY_PATH",
      "PRIV_KEY_PATH",
      "ALLOWED_IPS",
      "AUTH_TOKEN_SECRET",
    ]);
  });

  test("needs no secret where the token check is switched off by hand", () => {
    const environment = { ...production, AUTH_TOKEN_SECRET: "", WEBSOCKET_AUTH: "0" };
    expect(loadConfig(environment, options).token.required).toBe(false);
  });

  test("is also what NODE_ENV in .env says", () => {
    expect(loadConfig({}, { ...options, dotEnv: production }).production).toBe(true);
  });

  test("refuses an allow-list without entries", () => {
    expect(variablesOf(faultsOf({ ...production, ALLOWED_IPS: " , " }))).toEqual(["ALLOWED_IPS"]);
  });

  test("refuses a certificate that is expired or not valid yet", () => {
    const [expired, ...rest] = faultsOf(production, { now: NOW + 14 * DAY });
    expect(rest).toEqual([]);
    expect(expired?.variable).toBe("PUB_KEY_PATH");
    expect(expired?.message).toMatch(/^expired at 2026-06-14T22:59:59Z$/);
    const [early] = faultsOf(production, { now: NOW - DAY });
    expect(early?.message).toBe("is not valid before 2026-05-31T23:00:00Z");
  });
});

describe("certificate files", () => {
  const files = (cert: string, key: string): Environment => ({
    PUB_KEY_PATH: cert,
    PRIV_KEY_PATH: key,
  });

  test("that cannot be read or are no PEM are faults, each with its own", () => {
    expect(faultsOf(files("missing.pem", "garbage.pem"))).toEqual([
      { variable: "PUB_KEY_PATH", value: "missing.pem", message: "cannot be read (ENOENT)" },
      {
        variable: "PRIV_KEY_PATH",
        value: "garbage.pem",
        message: "is no PEM private key without a password",
      },
    ]);
    expect(faultsOf(files("garbage.pem", "one-key.pem"))[0]?.message).toBe("is no PEM certificate");
  });

  test("that do not belong together are a fault", () => {
    const [fault] = faultsOf(files("one.pem", "two-key.pem"));
    expect(fault?.variable).toBe("PRIV_KEY_PATH");
    expect(fault?.message).toBe("is not the private key of the certificate");
  });

  test("come in pairs in development too", () => {
    expect(variablesOf(faultsOf({ PUB_KEY_PATH: "one.pem" }))).toEqual(["PRIV_KEY_PATH"]);
    expect(variablesOf(faultsOf({ PRIV_KEY_PATH: "one-key.pem" }))).toEqual(["PUB_KEY_PATH"]);
  });

  test("may be expired in development", () => {
    expect(faultsOf(files("one.pem", "one-key.pem"), { now: NOW + 30 * DAY })).toEqual([]);
  });

  test("of authorities must hold a certificate", () => {
    const environment = { VERIFY_ORIGIN: "1", CA_PATH: "garbage.pem" };
    expect(faultsOf(environment)[0]?.message).toBe("holds no PEM certificate");
    expect(faultsOf({ ...environment, CA_PATH: "two.pem" })).toEqual([]);
  });
});

describe("settings that need others", () => {
  test("VERIFY_ORIGIN needs CA_PATH", () => {
    expect(variablesOf(faultsOf({ VERIFY_ORIGIN: "1" }))).toEqual(["CA_PATH"]);
    expect(variablesOf(faultsOf({ ...production, VERIFY_ORIGIN: "1" }))).toEqual(["CA_PATH"]);
  });

  test("USE_PROXY needs TRUST_PROXY", () => {
    expect(variablesOf(faultsOf({ USE_PROXY: "1" }))).toEqual(["TRUST_PROXY"]);
  });

  test("a token check that is asked for needs a secret", () => {
    const [fault] = faultsOf({ WEBSOCKET_AUTH: "1" });
    expect(fault?.variable).toBe("AUTH_TOKEN_SECRET");
    expect(fault?.message).toStartWith("WEBSOCKET_AUTH=1 needs");
  });

  test("the two ports differ, unless the system chooses them", () => {
    const [fault] = faultsOf({ HTTP_PORT: "9000", WEBSOCKET_PORT: "9000" });
    expect(fault?.variable).toBe("WEBSOCKET_PORT");
    expect(faultsOf({ HTTP_PORT: "0", WEBSOCKET_PORT: "0" })).toEqual([]);
  });
});

describe("faults", () => {
  test("name the variable as it was written, its value and what is allowed", () => {
    expect(faultsOf({ WEBSOCKET_PORT: "70000" })).toEqual([
      {
        variable: "WEBSOCKET_PORT",
        value: "70000",
        message: "must be a port number from 0 to 65535",
      },
    ]);
  });

  test("are all in the message, one line each", () => {
    const environment = { LOG_LEVEL: "loud", HTTP_PORT: "x", SLOW_CONSUMER_BYTES: "16383" };
    expect(() => loadConfig(environment, options)).toThrow(
      [
        "the configuration has 3 faults:",
        '  PRODUCER_PORT="x": must be a port number from 0 to 65535',
        '  SLOW_CONSUMER_BYTES="16383": must be a whole number from 16384 to 1073741824',
        '  LOG_LEVEL="loud": must be one of trace, debug, info, warn, error, silent',
      ]
        .join("\n")
        .replace("PRODUCER_PORT", "HTTP_PORT"),
    );
  });

  test("never show a secret", () => {
    const faults = faultsOf({ ...production, API_KEYS: "hunter2", NODE_ENV: "production" });
    expect(variablesOf(faults)).toEqual(["API_KEYS"]);
    expect(faults[0]?.value).toBe("***");
    expect(JSON.stringify(faults)).not.toContain("hunter2");
  });

  test("of a file that a setting names come with the others", () => {
    writeFileSync(join(folder, "bad.yaml"), "namespaces:\n  demo:\n    subscribe: everyone\n");
    const faults = faultsOf({ CONFIG_FILE: "bad.yaml", HTTP_PORT: "x" });
    expect(variablesOf(faults)).toEqual(["HTTP_PORT", "CONFIG_FILE"]);
    expect(faults[1]?.message).toStartWith(
      `${join(folder, "bad.yaml")}:3:16: namespaces.demo.subscribe: `,
    );
  });
});

describe("the log level", () => {
  test("is the one that is chosen, whatever the debug switches say", () => {
    expect(loadConfig({ LOG_LEVEL: "warn", ENABLE_DEBUG: "1" }, options).logLevel).toBe("warn");
  });

  test("does not follow DEBUG of other programs", () => {
    expect(loadConfig({ DEBUG: "express:*" }, options).logLevel).toBe("info");
  });
});

test("unknown variables are ignored", () => {
  expect(loadConfig({ PRODUCERPORT: "x" }, options)).toEqual(loadConfig({}, options));
});
