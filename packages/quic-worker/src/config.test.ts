import { expect, test } from "bun:test";
import { decodeConfig, encodeConfig, type QuicWorkerConfig } from "./config.ts";

test("a configuration is read as it was written, maps and all", () => {
  const rate = { ratePerSecond: 1 };
  const namespace = { subscribe: "anyone", publish: "nobody", volatile: true } as const;
  const config: QuicWorkerConfig = {
    version: "1.2.3",
    worker: 7,
    socket: "/state/broker.sock",
    host: "::",
    port: 8443,
    cert: "-----BEGIN\nüber",
    key: "key",
    rates: { user: rate, address: rate, api: rate },
    settings: {
      apps: new Map([["shop", { namespaces: new Map([["", namespace]]), maxChannels: 5 }]]),
      publicKeys: { keys: new Map([["page", "shop"]]), openApp: undefined },
      jwt: undefined,
      webhook: undefined,
      anonymous: false,
      token: { required: true, secret: "s", renewStartHour: 0, renewIntervalMs: 1, graceMs: 0 },
      eventIdPattern: /^[\w"]+$/i,
      engine: { pingIntervalMs: 1, pingTimeoutMs: 1, maxPayloadBytes: 1 },
      allowedOrigins: ["https://a.example"],
      messageRate: { ratePerSecond: 1, burst: 2 },
      slowConsumerBytes: 1,
      maxHandshakes: 1,
      recoverySeconds: 1,
      meshId: "",
      signalling: {
        maxPayloadBytes: 1,
        maxStateBytes: 1,
        pingIntervalMs: 1,
        pingTimeoutMs: 1,
      },
      logLevel: "info",
      maxChannelsPerConnection: 1,
      authTimeoutMs: 1,
      drainMs: 1,
      presenceLeaseMs: 1,
      nats: undefined,
      node: "",
    },
  };
  const line = encodeConfig(config);
  expect(line).not.toContain("\n");
  expect(decodeConfig(line)).toEqual(config);
});
