/** `starling restart` takes new credentials for NATS: every link of the node has them, or none. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/nats-core";
import { eventually } from "../support/deadline.ts";
import { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";

setDefaultTimeout(90_000);

const WORKERS = 2;
const PATIENCE_MS = 40_000;

const newUser = () => {
  const user = nkeys.createUser();
  return { name: user.getPublicKey(), seed: new TextDecoder().decode(user.getSeed()) };
};
const [first, second, stranger] = [newUser(), newUser(), newUser()];

function admitting(...users: readonly { name: string }[]): string {
  return `authorization { users: [ ${users.map(({ name }) => `{ nkey: ${name} }`).join(", ")} ] }`;
}

/** Whether all links of the node are up. */
async function isLinked({ process: { publisherUrl, ca } }: NodeUnderTest): Promise<boolean> {
  const { text } = await httpsCall(`${publisherUrl}/metrics`, ca);
  const names = ["starling_nats_links", "starling_mesh_presence_links"];
  const links = names.map((name) => new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  return links.join() === `${WORKERS},1`;
}

async function linked(node: NodeUnderTest, isUp = true): Promise<void> {
  const look = async () => ((await isLinked(node)) === isUp ? true : undefined);
  await eventually(`a node whose links are ${isUp ? "up" : "not up"}`, look, PATIENCE_MS);
}

test("a node takes other credentials without a stop, and refuses those that NATS refuses", async () => {
  const folder = mkdtempSync(join(tmpdir(), "starling-credentials-"));
  const file = join(folder, "user.nk");
  writeFileSync(file, first.seed);
  const nats = await NatsServer.start(admitting(first, second));
  const node = await NodeUnderTest.start(WORKERS, {
    ...{ NATS_URL: nats.url, NATS_CREDENTIALS: file, MESH_ID: "here", DRAIN_SECONDS: "1" },
  });
  try {
    await linked(node);
    const before = node.workers();
    writeFileSync(file, stranger.seed);
    const refused = await node.starling("restart");
    expect([refused.code, refused.out]).toEqual([69, ""]);
    expect(refused.err).toContain("NATS cannot be reached with its new settings");
    expect(refused.err).not.toContain(stranger.seed);
    expect(node.workers()).toEqual(before);
    expect(await isLinked(node)).toBe(true);

    writeFileSync(file, second.seed);
    expect(await node.starling("restart")).toMatchObject({ code: 0, err: "" });
    expect(node.workers().filter((pid) => before.includes(pid))).toEqual([]);
    await linked(node);
    // Whoever still had the first ones would not come back.
    await nats.kill();
    await linked(node, false);
    nats.configure(admitting(second));
    await nats.restart();
    await linked(node);
  } finally {
    expect(await node.stop()).toBe(0);
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
