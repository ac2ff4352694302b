import { expect, test } from "bun:test";
import { parseEnv } from "node:util";
import { ChannelPattern } from "@starling/core/auth/channel-pattern.ts";
import { defaultNamespace } from "@starling/core/hub/namespace.ts";
import { describeConfig } from "./effective.ts";
import type { Environment } from "./environment.ts";
import { configOf, loadConfig } from "./load.ts";
import { readSettings } from "./settings.ts";

const settings = readSettings({
  environment: { HTTP_PORT: "9000", AUTH_TOKEN_SECRET: "hunter2", LOGS_DIR: "my logs" },
  ".env": { API_KEYS: "0123456789abcdef", LOG_LEVEL: "warn" },
});
const text = describeConfig(configOf(settings), settings);

test("the effective configuration tells each value and where it comes from", () => {
  expect(text).toContain("\nPRODUCER_PORT=9000 # HTTP_PORT in environment\n");
  expect(text).toContain("\nLOG_LEVEL=warn # .env\n");
  expect(text).toContain("\nCONSUMER_PORT=8443 # default\n");
  expect(text).toContain("\n# CA_PATH is not set: ");
  expect(text).toContain("# app default: every public key, signalling open\n");
  expect(text).toContain("# app default, namespace demo: subscribe anyone, publish anyone");
});

test("the effective configuration tells what channels keep", () => {
  const chat = { ...defaultNamespace, history: { size: 5, ttlMs: 7000 }, recover: true };
  const apps = new Map([["default", { namespaces: new Map([["chat", chat]]) }]]);
  const described = describeConfig({ ...configOf(settings), apps }, settings);
  expect(described).toContain("recover true, historySize 5, historyTtl 7");
});

test("the effective configuration tells of hooks without their secrets", () => {
  const hook = {
    url: "https://backend.example/secret-path?key=hidden",
    events: new Set(["join", "leave"] as const),
    channels: [new ChannelPattern("chat:*")],
    secrets: ["a long secret of it", "an old secret of it"],
  };
  const hooks = new Map([["default", [hook, { ...hook, channels: [] }]]]);
  const described = describeConfig({ ...configOf(settings), hooks }, settings);
  expect(described).toContain(
    "# app default, hook at https://backend.example: join, leave of chat:*, secrets: 2\n",
  );
  expect(described).toContain("join, leave of every channel, secrets: 2\n");
  for (const secret of ["secret-path", "hidden", "a long", "an old"]) {
    expect(described).not.toContain(secret);
  }
});

test("the effective configuration masks secrets", () => {
  expect(text).toContain("\nAUTH_TOKEN_SECRET=*** # environment\n");
  expect(text).toContain("\nAPI_KEYS=*** # .env\n");
  expect(text).not.toContain("hunter2");
  expect(text).not.toContain("0123456789abcdef");
});

test("the effective configuration can be read as .env again", () => {
  const { AUTH_TOKEN_SECRET: _, API_KEYS: __, ...dotEnv } = parseEnv(text);
  const again = loadConfig(
    { AUTH_TOKEN_SECRET: "hunter2", API_KEYS: "0123456789abcdef" },
    { dotEnv },
  );
  expect(again).toEqual(configOf(settings));
});

test("the effective configuration tells what follows from other settings", () => {
  const lines = (environment: Environment) => {
    const settings = readSettings({ environment, ".env": {} });
    return describeConfig(configOf(settings), settings).split("\n");
  };
  expect(lines({ DEBUG: "*" })).toContain("LOG_LEVEL=debug # follows from other settings");
  expect(lines({})).toContain("WEBSOCKET_AUTH=0 # follows from other settings");
  expect(lines({ AUTH_TOKEN_SECRET: "s" })).toContain(
    "WEBSOCKET_AUTH=1 # follows from other settings",
  );
});

test("the effective configuration with one port can be read as .env again", () => {
  const settings = readSettings({ environment: { PORT: "8000" }, ".env": {} });
  const text = describeConfig(configOf(settings), settings);
  expect(text).toContain("\n# PRODUCER_PORT is replaced: there is one port\n");
  expect(loadConfig({}, { dotEnv: { ...parseEnv(text) } })).toEqual(configOf(settings));
});

test("the effective configuration tells how many public keys each app has", () => {
  const settings = readSettings({ environment: { PUBLIC_KEYS: "k1:shop,k2:shop" }, ".env": {} });
  const text = describeConfig(configOf(settings), settings);
  expect(text).toContain("# app default: public keys: 0, signalling closed\n");
  expect(text).toContain("# app shop: public keys: 2, signalling open\n");
});
