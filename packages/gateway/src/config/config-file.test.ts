import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultNamespace, type NamespaceConfig } from "@starling/core/hub/namespace.ts";
import { completeApps, readConfigFile } from "./config-file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-config-file-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string, name = "starling.yaml") {
  const path = join(folder, name);
  writeFileSync(path, text);
  return readConfigFile(path, "CONFIG_FILE", name);
}
const messages = (text: string) =>
  read(text).faults.map((fault) => fault.message.replace(`${folder}/`, ""));

describe("a configuration file", () => {
  test("declares namespaces of the default app and of others, with defaults for the rest", () => {
    const { apps, faults } = read(
      [
        "namespaces:",
        "  news: {subscribe: anyone}",
        "apps:",
        "  shop:",
        "    namespaces:",
        '      "": {publish: anyone, volatile: true}',
      ].join("\n"),
    );
    expect(faults).toEqual([]);
    expect(apps?.get("default")?.namespaces.get("news")).toEqual({
      subscribe: "anyone",
      publish: "token",
      presence: "token",
      presenceDebounceMs: 0,
      conflateMs: 0,
      volatile: false,
      recover: false,
    });
    expect(apps?.get("shop")?.namespaces.get("")).toEqual({
      ...defaultNamespace,
      publish: "anyone",
      volatile: true,
    });
  });

  test("may be JSON, also with tabs", () => {
    const { apps } = read('{\n\t"apps": {\n\t\t"shop": {}\n\t}\n}\n', "starling.json");
    expect([...(apps?.keys() ?? [])]).toEqual(["default", "shop"]);
  });

  test("that is empty declares nothing", () => {
    expect(read("# nothing\n").apps?.get("default")?.namespaces.size).toBe(0);
  });

  test("sets every option of a namespace", () => {
    const options: NamespaceConfig = {
      subscribe: "authenticated",
      publish: "token",
      presence: "anyone",
      presenceDebounceMs: 3000,
      conflateMs: 50,
      volatile: true,
      recover: false,
    };
    const { apps } = read(JSON.stringify({ namespaces: { room: options } }));
    expect(apps?.get("default")?.namespaces.get("room")).toEqual(options);
  });

  test("lets channels keep history, for five minutes unless it says otherwise", () => {
    const { apps, faults } = read(
      [
        "namespaces:",
        "  chat: {historySize: 200, historyTtl: 3600, recover: true}",
        "  news: {historySize: 1}",
        "  none: {historySize: 0, historyTtl: 10}",
      ].join("\n"),
    );
    expect(faults).toEqual([]);
    const namespaces = apps?.get("default")?.namespaces;
    expect(namespaces?.get("chat")).toEqual({
      ...defaultNamespace,
      history: { size: 200, ttlMs: 3_600_000 },
      recover: true,
    });
    expect(namespaces?.get("news")?.history).toEqual({ size: 1, ttlMs: 300_000 });
    expect(namespaces?.get("none")).toEqual(defaultNamespace);
  });

  test("refuses history of what may be dropped, and recovery without history", () => {
    expect(messages("namespaces: {a: {volatile: true, historySize: 1}}")).toEqual([
      "starling.yaml:1:28: namespaces.a.volatile: messages that may be dropped have no history: leave out historySize",
    ]);
    expect(messages("namespaces: {a: {recover: true}}")).toEqual([
      "starling.yaml:1:27: namespaces.a.recover: there is nothing to recover without historySize",
    ]);
    expect(messages("namespaces: {a: {historySize: 10001, historyTtl: 0}}")).toHaveLength(2);
    expect(messages("namespaces: {a: {historyTtl: 86401}}")).toHaveLength(1);
  });

  test("limits the connections and channels of an app", () => {
    const { apps = new Map(), faults } = read(
      "limits: {connections: 10}\napps: {shop: {limits: {connections: 0, channels: 5}}, free: {}}",
    );
    expect(faults).toEqual([]);
    const complete = completeApps(apps, { keys: new Map(), openApp: undefined });
    expect(complete.get("default")).toMatchObject({ maxConnections: 10 });
    expect(complete.get("default")).not.toHaveProperty("maxChannels");
    expect(complete.get("shop")).toMatchObject({ maxConnections: 0, maxChannels: 5 });
    expect(complete.get("free")).toEqual({ namespaces: new Map(), signalling: "closed" });
    const limited = read("limits: {connectionsPerUser: 5}").apps?.get("default");
    expect(limited).toMatchObject({ maxConnectionsPerUser: 5, tellsConnections: true });
    const free = read("limits: {connectionsPerUser: 0}").apps?.get("default");
    expect(free).not.toHaveProperty("tellsConnections");
    expect(messages("limits: {connections: -1}")[0]).toContain("limits.connections: ");
    expect(messages("limits: {users: 1}")[0]).toContain("limits.users: unknown key");
  });

  test("gives public keys to the default app and to others", () => {
    const { apps, keys, faults } = read("keys: [k1]\napps: {shop: {keys: [k2, k3]}}");
    expect(faults).toEqual([]);
    expect([...(keys ?? [])]).toEqual([
      ["k1", "default"],
      ["k2", "shop"],
      ["k3", "shop"],
    ]);
    expect([...(apps?.keys() ?? [])]).toEqual(["default", "shop"]);
  });

  test("says where signalling is open or closed, and leaves it open where it does not", () => {
    const { apps } = read("signalling: closed\napps: {shop: {signalling: open}, plain: {}}");
    expect(apps?.get("default")?.signalling).toBe("closed");
    expect(apps?.get("shop")?.signalling).toBe("open");
    expect(apps?.get("plain")).toEqual({ namespaces: new Map() });
  });

  test("may write everything of the default app under apps", () => {
    const { apps, keys } = read("apps: {default: {keys: [k1], signalling: closed}}");
    expect(keys?.get("k1")).toBe("default");
    expect(apps?.get("default")?.signalling).toBe("closed");
  });

  test("may write the default app's namespaces under apps", () => {
    const { apps } = read("apps: {default: {namespaces: {news: {subscribe: anyone}}}}");
    expect(apps?.get("default")?.namespaces.has("news")).toBe(true);
  });
});

describe("a faulty configuration file", () => {
  test("is told with place, path and what is allowed, every fault at once", () => {
    const found = messages(
      ["namespaces:", "  demo:", "    subscribe: all", "    history: 1", "extra: 1"].join("\n"),
    );
    expect(found).toHaveLength(3);
    expect(found[0]).toStartWith("starling.yaml:3:16: namespaces.demo.subscribe: ");
    expect(found[0]).toContain('"nobody"|"token"|"authenticated"|"anyone"');
    expect(found[1]).toBe("starling.yaml:4:14: namespaces.demo.history: unknown key");
    expect(found[2]).toBe("starling.yaml:5:8: extra: unknown key");
  });

  test("is told where its syntax is wrong, and where a key is repeated", () => {
    expect(messages("namespaces: [")[0]).toStartWith("starling.yaml:1:");
    expect(messages("apps: {}\napps: {}")[0]).toStartWith("starling.yaml:2:1: ");
  });

  test("may not name a namespace with a colon or an app with nothing", () => {
    expect(messages("namespaces: {'a:b': {}}")[0]).toContain("namespaces.a:b: a name is");
    expect(messages("apps: {'': {}}")[0]).toContain("a name is");
  });

  test("may not give the default app's namespaces twice", () => {
    expect(messages("apps: {default: {namespaces: {}}}\nnamespaces: {}")[0]).toContain(
      "apps.default.namespaces: ",
    );
  });

  test("may not give a section of the default app twice, or a key to two apps", () => {
    const found = messages(
      "keys: [a]\nsignalling: open\napps: {default: {keys: [b], signalling: open}}",
    );
    expect(found).toHaveLength(2);
    expect(found[0]).toContain("apps.default.keys: ");
    expect(found[1]).toContain("apps.default.signalling: ");
    const [fault] = messages("keys: [a]\napps: {shop: {keys: [b, a]}}");
    expect(fault).toStartWith(
      "starling.yaml:2:25: apps.shop.keys.1: the key belongs to the app default",
    );
  });

  test("may not hold a key that a query string would change", () => {
    expect(messages("keys: ['a b']")[0]).toContain("keys.0: a public key is 1 to 255");
  });

  test("may not have a window of time that is negative, broken or long", () => {
    for (const value of ["-1", "0.5", "60001", "soon"]) {
      const [fault] = messages(`namespaces: {a: {conflateMs: ${value}}}`);
      expect(fault).toContain("namespaces.a.conflateMs: ");
    }
  });

  test("that cannot be read names the variable, as it was written, and the file", () => {
    const path = join(folder, "missing.yaml");
    expect(readConfigFile(path, "CONFIG_FILE", "missing.yaml").faults).toEqual([
      {
        variable: "CONFIG_FILE",
        value: "missing.yaml",
        message: `${path} cannot be read (ENOENT)`,
      },
    ]);
  });
});

describe("the apps that there are", () => {
  const declared = new Map([
    ["default", { namespaces: new Map() }],
    ["quiet", { namespaces: new Map(), signalling: "closed" } as const],
    ["loud", { namespaces: new Map(), signalling: "open" } as const],
  ]);
  const policies = (keys: readonly (readonly [string, string])[], openApp?: string) =>
    Object.fromEntries(
      [...completeApps(declared, { keys: new Map(keys), openApp })].map(([app, { signalling }]) => [
        app,
        signalling,
      ]),
    );

  test("are the declared ones, closed to clients of the signalling protocol", () => {
    expect(policies([])).toEqual({ default: "closed", quiet: "closed", loud: "open" });
  });

  test("are also those of public keys, and open where nothing else is said", () => {
    expect(
      policies([
        ["k1", "shop"],
        ["k2", "quiet"],
      ]),
    ).toEqual({ default: "closed", quiet: "closed", loud: "open", shop: "open" });
  });

  test("are open where every key leads", () => {
    expect(policies([], "default")).toMatchObject({ default: "open", quiet: "closed" });
  });
});
