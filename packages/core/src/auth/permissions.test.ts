import { describe, expect, test } from "bun:test";
import {
  type AppConfig,
  type Audience,
  audiences,
  type NamespaceConfig,
} from "../hub/namespace.ts";
import { channelActions, type Identity, readPermissions } from "./identity.ts";
import { type ClientProtocol, may } from "./permissions.ts";

const optionsFor = (audience: Audience): NamespaceConfig => ({
  subscribe: audience,
  publish: audience,
  presence: audience,
  volatile: false,
});
const namespaces = new Map(audiences.map((audience) => [audience, optionsFor(audience)]));
const apps: ReadonlyMap<string, AppConfig> = new Map<string, AppConfig>([
  ["open", { namespaces, signalling: "open" }],
  ["closed", { namespaces, signalling: "closed" }],
  ["unsaid", { namespaces }],
  ["catching", { namespaces: new Map([["", optionsFor("nobody")]]), signalling: "open" }],
]);
const protocols: readonly ClientProtocol[] = ["socket.io", "signalling", "sse"];

const granted = readPermissions({ subscribe: ["*"], publish: ["*"], presence: ["*"] });
const everybody: Readonly<Record<string, Omit<Identity, "app">>> = {
  none: { source: "none" },
  key: { source: "key" },
  rotating: { source: "rotating", user: "ada" },
  jwt: { source: "jwt", user: "ada" },
  webhook: { source: "webhook", user: "ada" },
  grantedJwt: { source: "jwt", user: "ada", permissions: granted },
  grantedWebhook: { source: "webhook", permissions: granted },
};
const all = Object.keys(everybody);

describe("who may do something in a channel of a declared namespace", () => {
  const table: readonly (readonly [Audience, readonly string[]])[] = [
    ["nobody", []],
    ["token", ["grantedJwt", "grantedWebhook"]],
    ["authenticated", ["rotating", "jwt", "webhook", "grantedJwt", "grantedWebhook"]],
    ["anyone", all],
  ];
  test.each(table)("for %s: %p, whatever the action, the protocol and the app", (name, allowed) => {
    for (const app of ["open", "closed", "unsaid"]) {
      for (const action of channelActions) {
        for (const protocol of protocols) {
          const found = all.filter((who) =>
            may({ app, source: "none", ...everybody[who] }, action, `${name}:x`, apps, protocol),
          );
          expect(found).toEqual([...allowed]);
        }
      }
    }
  });
});

describe("a channel whose namespace is not declared", () => {
  const bearers = ["grantedJwt", "grantedWebhook"];
  const anybody = (app: string, protocol: ClientProtocol, channel = "room:1") =>
    all.filter((who) =>
      may({ app, source: "none", ...everybody[who] }, "publish", channel, apps, protocol),
    );

  test("is open to every client of the signalling protocol where the app says so", () => {
    expect(anybody("open", "signalling")).toEqual(all);
    expect(anybody("closed", "signalling")).toEqual(bearers);
    expect(anybody("unsaid", "signalling")).toEqual(bearers);
  });

  test("takes a permission with the other protocols", () => {
    expect(anybody("open", "socket.io")).toEqual(bearers);
    expect(anybody("open", "sse")).toEqual(bearers);
  });

  test("has the options of the app's default namespace where that is declared", () => {
    expect(anybody("catching", "signalling")).toEqual([]);
    expect(anybody("catching", "socket.io", "room")).toEqual([]);
  });
});

describe("a permission", () => {
  const permissions = readPermissions({ subscribe: ["token:a*"], presence: ["token:b"] });
  const bearer: Identity = { app: "closed", source: "jwt", permissions };
  const allowed = (channel: string) =>
    channelActions.filter((action) => may(bearer, action, channel, apps, "socket.io"));

  test("holds for its own action and its own channels", () => {
    expect(allowed("token:a1")).toEqual(["subscribe"]);
    expect(allowed("token:b")).toEqual(["presence"]);
    expect(allowed("token:c")).toEqual([]);
  });

  test("does not narrow what others may do as well", () => {
    expect(allowed("anyone:c")).toEqual([...channelActions]);
  });
});

describe("the owner of a channel", () => {
  const owner = (source: Identity["source"], user: string): Identity => ({
    app: "closed",
    source,
    user,
  });
  const allowed = (identity: Identity, channel: string) =>
    channelActions.filter((action) => may(identity, action, channel, apps, "socket.io"));

  test("may subscribe to it and nothing else", () => {
    for (const source of ["none", "rotating", "jwt", "webhook"] as const) {
      expect(allowed(owner(source, "ada"), "ada")).toEqual(["subscribe"]);
      expect(allowed(owner(source, "ada"), "bob")).toEqual([]);
    }
  });

  test("is nobody for a channel of a namespace, unless the operator's pattern let the id through", () => {
    expect(allowed(owner("jwt", "nobody:x"), "nobody:x")).toEqual([]);
    expect(allowed(owner("webhook", "nobody:x"), "nobody:x")).toEqual([]);
    expect(allowed(owner("rotating", "nobody:x"), "nobody:x")).toEqual(["subscribe"]);
  });
});

test("nobody may do anything in an app that is not configured", () => {
  for (const who of all) {
    const identity: Identity = { source: "none", ...everybody[who], app: "missing" };
    expect(may(identity, "subscribe", "ada", apps, "signalling")).toBe(false);
  }
});

test("presence that a namespace does not mention takes a permission", () => {
  const without = new Map([
    ["n", { subscribe: "anyone", publish: "anyone", volatile: false } as const],
  ]);
  const identity: Identity = { app: "a", source: "none" };
  expect(may(identity, "presence", "n:x", new Map([["a", { namespaces: without }]]), "sse")).toBe(
    false,
  );
});
