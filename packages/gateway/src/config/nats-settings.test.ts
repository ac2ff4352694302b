import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/nats-core";
import { loadConfig } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "starling-nats-settings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const url = "nats://us%40er:p%3Aw@one.example,tls://two.example:4333";

test("several servers are one system; a user and a password stand in the first address, or of their own", () => {
  expect(loadConfig({}).nats).toBeUndefined();
  expect(loadConfig({ NATS_URL: url }).nats).toMatchObject({
    servers: ["one.example:4222", "two.example:4333"],
    ...{ user: "us@er", password: "p:w", tls: {}, prefix: "starling" },
  });
  const own = { NATS_USER: "other", NATS_PASSWORD: "secret", NATS_REPLICAS: "3" };
  expect(loadConfig({ NATS_URL: url, ...own }).nats).toMatchObject({
    ...{ user: "other", password: "secret", streams: { replicas: 3 } },
  });
});

test("a credentials file without the seed of a user is a fault", () => {
  const file = join(folder, "node.creds");
  const load = () => loadConfig({ NATS_URL: url, NATS_CREDENTIALS: file }).nats;
  writeFileSync(file, new TextDecoder().decode(nkeys.createUser().getSeed()));
  expect(load()?.credentials).toMatch(/^SU/);
  writeFileSync(file, new TextDecoder().decode(nkeys.createAccount().getSeed()));
  expect(load).toThrow("holds no seed of a user");
  rmSync(file);
  expect(load).toThrow("cannot be read");
});
