import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hookEventTypes } from "@starling/core/hooks/events.ts";
import { ConfigError } from "./fault.ts";
import { loadConfig } from "./load.ts";
import { configWarnings } from "./warnings.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-hooks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const SECRET = "a secret of all hooks";

function load(content: object, environment: Readonly<Record<string, string>> = {}) {
  const path = join(folder, "starling.json");
  writeFileSync(path, JSON.stringify(content));
  return loadConfig({ CONFIG_FILE: path, ...environment });
}

/** What is wrong, without the place in the file. */
function faults(content: object, environment: Readonly<Record<string, string>> = {}): string[] {
  try {
    load(content, environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(({ message }) => message.replace(/^.*\.json:\d+:\d+: /, ""));
  }
  return [];
}

const url = "https://backend.example/hook";

test("a hook has the events, channels and secrets that the file says", () => {
  const { hooks } = load({
    hooks: [{ url, events: ["join"], channels: ["chat:*"], secrets: ["1234567890123456"] }],
    apps: { shop: { hooks: [{ url, secrets: ["6543210987654321"] }] } },
  });
  const [hook] = hooks.get("default") ?? [];
  expect(hook).toMatchObject({ url, events: new Set(["join"]), secrets: ["1234567890123456"] });
  expect(hook?.channels.map(({ text }) => text)).toEqual(["chat:*"]);
  expect([...hooks.keys()]).toEqual(["default", "shop"]);
});

test("without them it has all events, every channel and the secrets of all", () => {
  const environment = { HOOKS_SECRETS: `${SECRET},another secret of all` };
  const [hook] = load({ hooks: [{ url }] }, environment).hooks.get("default") ?? [];
  expect(hook).toEqual({
    url,
    events: new Set(hookEventTypes),
    channels: [],
    secrets: [SECRET, "another secret of all"],
  });
});

test("workers tell of connections only where a hook wants to know", () => {
  const tells = (events: readonly string[]) =>
    load({ hooks: [{ url, events }] }, { HOOKS_SECRETS: SECRET }).apps.get("default")
      ?.tellsConnections;
  expect(tells(["connect"])).toBe(true);
  expect(tells(["join", "disconnect"])).toBe(true);
  expect(tells(["join", "leave", "occupied", "vacated"])).toBeUndefined();
});

test("a hook without any secret is a fault, in each app", () => {
  const apps = { shop: { hooks: [{ url, secrets: ["1234567890123456"] }] } };
  expect(faults({ hooks: [{ url }], apps })).toEqual([
    "a hook of the app default in CONFIG_FILE has no secrets of its own",
  ]);
  expect(faults({ apps: { shop: { hooks: [{ url }] } } })).toEqual([
    "a hook of the app shop in CONFIG_FILE has no secrets of its own",
  ]);
});

test("what is wrong with a hook is said at its place", () => {
  const environment = { HOOKS_SECRETS: SECRET };
  const said = (hook: object) => faults({ hooks: [hook] }, environment);
  expect(said({ url: "ftp://backend.example" })).toEqual([
    "hooks.0.url: is no such address; must be an address that begins with https:// or http://",
  ]);
  expect(said({ url: "https://user:word@backend.example" })[0]).toContain("a password");
  expect(said({ url, events: [] })[0]).toStartWith("hooks.0.events: ");
  expect(said({ url, events: ["joined"] })[0]).toStartWith("hooks.0.events.0: ");
  expect(said({ url, channels: [""] })[0]).toBe(
    "hooks.0.channels.0: a channel pattern must not be empty",
  );
  const [short = ""] = said({ url, secrets: ["too short"] });
  expect(short).toStartWith("hooks.0.secrets.0: ");
  expect(short).not.toContain("too short");
  expect(said({ url, secret: SECRET })).toEqual(["hooks.0.secret: unknown key"]);
  expect(faults({ hooks: [{ url }, { url }] }, environment)[0]).toStartWith("hooks.1.url: ");
});

test("an operator is warned of what everybody on the way can read, and of several nodes", () => {
  const plain = "http://backend.example/hook?key=hidden";
  const config = load({ hooks: [{ url: plain }] }, { HOOKS_SECRETS: SECRET });
  const warnings = (more: object) =>
    configWarnings({ ...config, ...more }, Date.now()).filter((text) => text.includes("hook"));
  expect(warnings({})).toEqual([]);
  const [inTheClear = "", ...others] = warnings({ production: true });
  expect(inTheClear).toContain("http://backend.example is not https");
  expect(inTheClear).not.toContain("hidden");
  expect(others).toEqual([]);
  const { nats } = loadConfig({ NATS_URL: "nats://localhost", MESH_ID: "a" });
  expect(warnings({ nats })[0]).toContain("each node sends what happens on itself");
});
