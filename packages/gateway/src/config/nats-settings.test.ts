import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/nats-core";
import { loadConfig } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "starling-nats-settings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MESH_ID = "eu-1";
const url = "nats://us%40er:p%3Aw@one.example,tls://two.example:4333";

test("several servers are one system; a user and a password stand in the first address, or of their own", () => {
  expect(loadConfig({}).nats).toBeUndefined();
  expect(loadConfig({ MESH_ID, NATS_URL: url }).nats).toMatchObject({
    servers: ["one.example:4222", "two.example:4333"],
    ...{ user: "us@er", password: "p:w", tls: {}, prefix: "starling" },
  });
  const own = { NATS_USER: "other", NATS_PASSWORD: "secret", NATS_REPLICAS: "3" };
  expect(loadConfig({ MESH_ID, NATS_URL: url, ...own }).nats).toMatchObject({
    ...{ user: "other", password: "secret", streams: { replicas: 3 } },
  });
});

test("a credentials file without the seed of a user is a fault", () => {
  const file = join(folder, "node.creds");
  const load = () => loadConfig({ MESH_ID, NATS_URL: url, NATS_CREDENTIALS: file }).nats;
  writeFileSync(file, new TextDecoder().decode(nkeys.createUser().getSeed()));
  expect(load()?.credentials).toMatch(/^SU/);
  writeFileSync(file, new TextDecoder().decode(nkeys.createAccount().getSeed()));
  expect(load).toThrow("holds no seed of a user");
  rmSync(file);
  expect(load).toThrow("cannot be read");
});

test("a node of a mesh has a name of its own, without which it does not start", () => {
  expect(() => loadConfig({ NATS_URL: url })).toThrow(
    "MESH_ID (not set): NATS_URL needs the name of this node in its mesh",
  );
  expect(loadConfig({ NATS_URL: url, MESH_ID: "eu-1.example:4" }).meshId).toBe("eu-1.example:4");
  expect(loadConfig({}).meshId).toBe("");
});

test.each(["two words", "m\u00fcnchen", "m".repeat(65), "tab\tbed"])(
  "%j names no node, and that is the only fault",
  (meshId) => {
    const load = () => loadConfig({ NATS_URL: url, MESH_ID: meshId });
    expect(load).toThrow("1 to 64 printable ASCII characters, without spaces");
    expect(load).toThrow("the configuration has 1 fault");
  },
);
