import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "./environment.ts";
import { ConfigFolder, production, variablesOf } from "./testing/config-folder.ts";

let folder: ConfigFolder;
beforeAll(async () => {
  folder = await ConfigFolder.make();
});
afterAll(() => folder[Symbol.dispose]());

describe("an empty environment", () => {
  test("is development on loopback with its own certificate and no token check", () => {
    expect(folder.load({})).toEqual({
      production: false,
      replacedNames: [],
      host: "127.0.0.1",
      singlePort: undefined,
      publisherPort: 2053,
      subscriberPort: 8443,
      webTransport: true,
      denoPath: undefined,
      clusterMode: false,
      clusterInstances: "max",
      presenceLeaseMs: 10_000,
      publicUrls: [],
      region: undefined,
      nats: undefined,
      historyMaxBytes: 67_108_864,
      recoverySeconds: 120,
      drainMs: 25_000,
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
      anonymous: true,
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
      stateDir: join(folder.path, ".starling"),
      messageRate: { ratePerSecond: 200, burst: 400 },
      maxHandshakes: 5_000,
      authTimeoutMs: 10_000,
      engine: { pingIntervalMs: 25_000, pingTimeoutMs: 20_000, maxPayloadBytes: 1_000_000 },
      meshId: "",
      signalling: {
        maxPayloadBytes: 65_536,
        maxStateBytes: 4_096,
        pingIntervalMs: 10_000,
        pingTimeoutMs: 20_000,
      },
      sseHeartbeatMs: 15_000,
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
                  recover: false,
                },
              ],
            ]),
          },
        ],
      ]),
      hooks: new Map(),
      hookSettings: {
        batchEvents: 100,
        batchMs: 100,
        timeoutMs: 5_000,
        queueEvents: 100_000,
        queueBytes: 33_554_432,
        maxAgeMs: 3_600_000,
        vacatedMs: 3_000,
        drainMs: 5_000,
      },
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
    [
      { PRIV_KEY_PATH: "one-key.pem", PUB_KEY_PATH: "one.pem" },
      { KEY_FILE: "one-key.pem", CERT_FILE: "one.pem" },
    ],
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
    const config = folder.load(documented);
    expect(folder.load(last)).toEqual(config);
    expect(config).not.toEqual(folder.load({}));
  });
});

describe("folders", () => {
  test("that cannot be used are faults with the others, and none is made", () => {
    const environment = { STATE_DIR: "garbage.pem", LOGS_DIR: "one.pem/logs", HTTP_PORT: "x" };
    expect(
      folder.faultsOf(environment).map(({ variable, message }) => [variable, message]),
    ).toEqual([
      ["HTTP_PORT", "must be a port number from 0 to 65535"],
      ["STATE_DIR", "is no folder"],
      ["LOGS_DIR", `cannot be made, since ${join(folder.path, "one.pem")} is no folder`],
    ]);
    const before = readdirSync(folder.path);
    expect(folder.faultsOf({ STATE_DIR: "new/state", LOGS_DIR: "new/logs" })).toEqual([]);
    expect(readdirSync(folder.path)).toEqual(before);
  });
});

describe("the demo namespace", () => {
  const namespaces = (text: string, environment: Environment = {}) => {
    folder.write("apps.yaml", text);
    const config = folder.load({ ...environment, CONFIG_FILE: "apps.yaml" });
    return config.apps.get("default")?.namespaces;
  };

  test("is there in development beside those of a file", () => {
    const found = namespaces("namespaces: {news: {subscribe: anyone}}");
    expect([...(found?.keys() ?? [])].sort()).toEqual(["demo", "news"]);
    expect(found?.get("demo")?.subscribe).toBe("anyone");
  });

  test("is the file's own where that declares one", () => {
    expect(namespaces("namespaces: {demo: {}}")?.get("demo")?.subscribe).toBe("token");
  });

  test("is not there in production", () => {
    expect(namespaces("namespaces: {news: {}}", production)?.has("demo")).toBe(false);
  });
});

describe("faults", () => {
  test("name the variable as it was written, its value and what is allowed", () => {
    expect(folder.faultsOf({ WEBSOCKET_PORT: "70000" })).toEqual([
      {
        variable: "WEBSOCKET_PORT",
        value: "70000",
        message: "must be a port number from 0 to 65535",
      },
    ]);
  });

  test("are all in the message, one line each", () => {
    const environment = { LOG_LEVEL: "loud", HTTP_PORT: "x", SLOW_CONSUMER_BYTES: "16383" };
    expect(() => folder.load(environment)).toThrow(
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
    const faults = folder.faultsOf({ ...production, API_KEYS: "hunter2", NODE_ENV: "production" });
    expect(variablesOf(faults)).toEqual(["API_KEYS"]);
    expect(faults[0]?.value).toBe("***");
    expect(JSON.stringify(faults)).not.toContain("hunter2");
  });

  test("of a file that a setting names come with the others", () => {
    folder.write("bad.yaml", "namespaces:\n  demo:\n    subscribe: everyone\n");
    const faults = folder.faultsOf({ CONFIG_FILE: "bad.yaml", HTTP_PORT: "x" });
    expect(variablesOf(faults)).toEqual(["HTTP_PORT", "CONFIG_FILE"]);
    expect(faults[1]?.message).toStartWith(
      `${join(folder.path, "bad.yaml")}:3:16: namespaces.demo.subscribe: `,
    );
  });
});

describe("the log level", () => {
  test("is the one that is chosen, whatever the debug switches say", () => {
    expect(folder.load({ LOG_LEVEL: "warn", ENABLE_DEBUG: "1" }).logLevel).toBe("warn");
  });

  test("does not follow DEBUG of other programs", () => {
    expect(folder.load({ DEBUG: "express:*" }).logLevel).toBe("info");
  });
});

test("unknown variables are ignored", () => {
  expect(folder.load({ PRODUCERPORT: "x" })).toEqual(folder.load({}));
});
