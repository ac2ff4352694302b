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
  apps.set("shop", { namespaces: new Map(), maxConnections: 5 });
  expect(fixedDifferences(now, { ...now, apps })).toEqual(["limits of apps in CONFIG_FILE"]);
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

test("so is the mesh, and the name that a node has in it", () => {
  const alone = loadConfig({ CLUSTER_MODE: "1", MESH_ID: "a" });
  const inMesh = (more: Record<string, string>) =>
    loadConfig({ CLUSTER_MODE: "1", MESH_ID: "a", NATS_URL: "nats://one:4222", ...more });
  const named = ["NATS settings and MESH_ID"];
  expect(fixedDifferences(alone, { ...alone, meshId: "b" })).toEqual([]);
  expect(fixedDifferences(alone, inMesh({}))).toEqual(named);
  expect(fixedDifferences(inMesh({}), inMesh({}))).toEqual([]);
  expect(fixedDifferences(inMesh({}), inMesh({ MESH_ID: "b" }))).toEqual(named);
  expect(fixedDifferences(inMesh({}), inMesh({ NATS_PREFIX: "other" }))).toEqual(named);
});
