import { expect, test } from "bun:test";
import { defaultNamespace } from "@starling/core/hub/namespace.ts";
import { loadConfig } from "../config/load.ts";
import { fixedDifferences } from "./restart-workers.ts";

const now = loadConfig({ CLUSTER_MODE: "1" });
const differences = (environment: Record<string, string>) =>
  fixedDifferences(now, loadConfig({ CLUSTER_MODE: "1", ...environment }));

test("a restart takes what a worker alone goes by", () => {
  expect(differences({})).toEqual([]);
  expect(
    differences({ AUTH_TOKEN_SECRET: "0123456789abcdef", MAX_BODY_BYTES: "5", LOG_LEVEL: "debug" }),
  ).toEqual([]);
});

test("a restart names every setting that it cannot change", () => {
  expect(
    differences({ WEBSOCKET_PORT: "9443", STATE_DIR: "elsewhere", DRAIN_SECONDS: "1" }),
  ).toEqual(["STATE_DIR", "CONSUMER_PORT", "DRAIN_SECONDS"]);
  expect(differences({ CLUSTER_INSTANCES: "3" })).toEqual(["CLUSTER_INSTANCES"]);
});

test("limits that the node keeps for all workers are among them", () => {
  expect(differences({ HOST: "0.0.0.0", API_RATE_PER_KEY: "7" })).toEqual([
    "HOST",
    "API_RATE_PER_KEY",
  ]);
  const apps = new Map([...now.apps, ["shop", { namespaces: new Map() }] as const]);
  expect(fixedDifferences(now, { ...now, apps })).toEqual([]);
  for (const limit of [{ maxConnections: 5 }, { maxConnectionsPerUser: 5 }, { maxChannels: 5 }]) {
    apps.set("shop", { namespaces: new Map(), ...limit });
    expect(fixedDifferences(now, { ...now, apps })).toEqual(["limits of apps in CONFIG_FILE"]);
  }
});

test("so is whether channels keep history, but not how much", () => {
  expect(differences({ HISTORY_MAX_BYTES: "70000" })).toEqual(["HISTORY_MAX_BYTES"]);
  const withHistory = (size: number) => {
    const chat = { ...defaultNamespace, history: { size, ttlMs: 1000 } };
    return { ...now, apps: new Map([["default", { namespaces: new Map([["chat", chat]]) }]]) };
  };
  expect(fixedDifferences(now, withHistory(1))).toEqual(["historySize in CONFIG_FILE"]);
  expect(fixedDifferences(withHistory(1), now)).toEqual(["historySize in CONFIG_FILE"]);
  expect(fixedDifferences(withHistory(1), withHistory(2))).toEqual([]);
});

test("so is which mesh the node is in, and how its streams are", () => {
  const url = "nats://user:secret@nats.example:4222";
  const mesh = loadConfig({ CLUSTER_MODE: "1", NATS_URL: url, MESH_ID: "a" });
  const meshDifferences = (environment: Record<string, string>) =>
    fixedDifferences(
      mesh,
      loadConfig({ CLUSTER_MODE: "1", NATS_URL: url, MESH_ID: "a", ...environment }),
    );
  expect(differences({ NATS_URL: url, MESH_ID: "a" })).toEqual(["MESH_ID", "NATS_URL"]);
  expect(fixedDifferences(mesh, now)).toEqual(["MESH_ID", "NATS_URL"]);
  expect(meshDifferences({})).toEqual([]);
  expect(
    meshDifferences({
      ...{ NATS_USER: "other", NATS_PREFIX: "p", NATS_REPLICAS: "3", NATS_STORAGE: "memory" },
    }),
  ).toEqual(["NATS_PREFIX", "NATS_REPLICAS", "NATS_STORAGE"]);
  expect(meshDifferences({ MESH_ID: "b" })).toEqual(["MESH_ID"]);
  expect(differences({ MESH_ID: "b" })).toEqual(["MESH_ID"]);
});

test("how the mesh is reached can change, and with what the node proves who it is", () => {
  const nats = {
    ...{ servers: ["nats.example:4222"], prefix: "starling", user: "u", password: "p", token: "t" },
    ...{ credentials: "c", tls: { ca: "a", cert: "b", key: "k" } },
    streams: { replicas: 1, storage: "file" as const, idempotencyWindowMs: 1_000 },
  };
  const mesh = { ...now, nats };
  const meshDifferences = (changed: object) =>
    fixedDifferences(mesh, { ...mesh, nats: { ...nats, ...changed } });
  expect(meshDifferences({})).toEqual([]);
  const servers = ["other.example:4222"];
  const proofs = { user: "new", password: "new", token: "new", credentials: "new" };
  const tls = { ca: "new", cert: "new", key: "new" };
  expect(meshDifferences({ servers, ...proofs, tls })).toEqual([]);
  expect(meshDifferences({ tls: undefined })).toEqual([]);
});

test("how hooks send is among them, but not which hooks there are", () => {
  expect(differences({ HOOKS_TIMEOUT: "70", HOOKS_QUEUE_EVENTS: "7" })).toEqual([
    "HOOKS_TIMEOUT",
    "HOOKS_QUEUE_EVENTS",
  ]);
  const every = Object.keys(now.hookSettings).map((field) => {
    const hookSettings = { ...now.hookSettings, [field]: 1 };
    return fixedDifferences(now, { ...now, hookSettings }).length;
  });
  expect(every).toEqual(every.map(() => 1));
  const hooks = new Map([["default", []]]);
  expect(fixedDifferences(now, { ...now, hooks })).toEqual([]);
});
