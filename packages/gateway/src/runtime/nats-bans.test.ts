import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as natsConnect } from "@nats-io/transport-node";
import { APP, allIn, BansNode, banOf } from "./testing/bans-fixture.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

setDefaultTimeout(60_000);

const HOUR = 3_600_000;
const MINUTE = 60_000;

const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

/** Another node of a mesh, which has read what is kept. */
async function started(prefix: string, at = server): Promise<BansNode> {
  const node = new BansNode({ server: at, prefix });
  closing.push(() => node.close());
  await until(() => node.link.connection !== undefined);
  return node;
}

async function managed(at = server) {
  const connection = await connectTo(at);
  closing.push(() => connection.close());
  return jetstreamManager(connection);
}

describe("a ban that is kept", () => {
  test("is known to a node that starts when all others have ended, until it is lifted", async () => {
    const [prefix, end] = [ownPrefix(), Date.now() + HOUR];
    const first = await started(prefix);
    const users = ["ada", "", "Grüße. an > alle*", "u".repeat(2_000)];
    for (const user of users) expect(await first.ban(user, end)).toBe("ok");
    await first.close();
    const second = await started(prefix);
    expect(await second.banned()).toEqual(Object.fromEntries(users.map((user) => [user, end])));
    for (const user of users) expect(await second.ban(user, 0)).toBe("ok");
    await second.close();
    expect(await (await started(prefix)).banned()).toEqual({});
  });

  test("survives the server", async () => {
    const [prefix, end] = [ownPrefix(), Date.now() + HOUR];
    const first = await started(prefix);
    await first.ban("ada", end);
    await first.close();
    await server.kill();
    await server.restart();
    expect(await (await started(prefix)).banned()).toEqual({ ada: end });
  });

  test("is the last of what nodes say at the same time, and newer than what this one has not heard of", async () => {
    const [prefix, end] = [ownPrefix(), Date.now() + HOUR];
    const [a, b] = [await started(prefix), await started(prefix)];
    const ends = [1, 2, 3].map((n) => end + n);
    const said = await Promise.all(
      ends.flatMap((each) => [a.ban("ada", each), b.ban("ada", each)]),
    );
    expect(new Set(said)).toEqual(new Set(["ok"]));
    const last = await a.ban("ada", end);
    // It is said with a clock that is behind: the other node has said something later meanwhile.
    const bucket = await b.bucket();
    const kept = await bucket.get(APP, "ada");
    const later = { ...banOf("ada", end + 9), stamp: Date.now() + MINUTE };
    expect(await bucket.put(later, kept?.revision ?? 0)).toBe(true);
    // Nobody puts one in the place of what he has not seen, or where he saw nothing.
    for (const unseen of [kept?.revision ?? 0, 0]) {
      expect(await bucket.put(banOf("ada", 0), unseen)).toBe(false);
    }
    expect([last, await a.ban("ada", end + 10)]).toEqual(["ok", "ok"]);
    expect((await bucket.get(APP, "ada"))?.ban?.stamp).toBe(later.stamp + 1);
    expect(await (await started(prefix)).banned()).toEqual({ ada: end + 10 });
  });

  test("is removed when it is over, but not what was said since", async () => {
    const prefix = ownPrefix();
    const bucket = await (await started(prefix)).bucket();
    const over = Date.now() - 2 * MINUTE;
    for (const user of ["ada", "bob"]) await bucket.put(banOf(user, over), 0);
    const [ofAda] = (await allIn(bucket)).filter(({ ban }) => ban?.user === "ada");
    await bucket.put(banOf("ada", over + 1), ofAda?.revision ?? 0);
    if (ofAda !== undefined) await bucket.remove(ofAda);
    const left = async () => (await allIn(bucket)).map(({ ban }) => ban?.until).sort();
    expect(await left()).toEqual([over, over + 1]);
    await bucket.put(banOf("carol", Date.now() + HOUR), 0);
    await bucket.put(banOf("dave", 0, Date.now()), 0);
    const reader = await started(prefix);
    expect(Object.keys(await reader.banned())).toEqual(["carol"]);
    while ((await left()).length > 2) await Bun.sleep(20);
    const users = (await allIn(bucket)).map(({ ban }) => ban?.user).sort();
    // Others, whose clocks are behind, may want what was over just now.
    expect(users).toEqual(["carol", "dave"]);
    // It can be said anew where nothing is left.
    expect(await reader.ban("ada", Date.now() + HOUR)).toBe("ok");
  });

  test("does not come back in a bucket that was lost and is made anew", async () => {
    const [prefix, end] = [ownPrefix(), Date.now() + HOUR];
    const node = await started(prefix);
    await node.ban("ada", end);
    const manager = await managed();
    await manager.streams.delete(`KV_${prefix}-bans`);
    while ((await node.ban("bob", end)) !== "ok");
    expect(await node.banned()).toEqual({ ada: end, bob: end });
    await node.close();
    expect(await (await started(prefix)).banned()).toEqual({ bob: end });
  });

  test("that is none leaves the others as they are, and may be replaced", async () => {
    const [prefix, end] = [ownPrefix(), Date.now() + HOUR];
    const first = await started(prefix);
    await first.ban("ada", end);
    const connection = await connectTo(server);
    closing.push(() => connection.close());
    for (const [user, value] of [
      ["bob", "{"],
      ["carol", '{"until":1}'],
    ]) {
      await connection.request(`$KV.${prefix}-bans.${APP}.${user}`, value);
    }
    const second = await started(prefix);
    expect(await second.banned()).toEqual({ ada: end });
    expect(await second.ban("bob", end)).toBe("ok");
    expect(await (await started(prefix)).banned()).toEqual({ ada: end, bob: end });
  });
});

test("while NATS is away a ban is refused, the old ones hold, and a worker that starts is told of them", async () => {
  const [prefix, end] = [ownPrefix(), Date.now() + HOUR];
  const node = await started(prefix);
  await node.ban("ada", end);
  await server.kill();
  try {
    await until(() => node.link.connection === undefined);
    expect([await node.ban("bob", end), await node.ban("ada", 0)]).toEqual([
      ...["broker_unavailable", "broker_unavailable"],
    ]);
    expect(await node.banned()).toEqual({ ada: end });
    // One that has never reached it goes without after a while.
    const late = new BansNode({ server, prefix, firstReadMs: 1 });
    closing.push(() => late.close());
    expect(await late.ban("bob", end)).toBe("broker_unavailable");
    expect(await late.banned()).toEqual({});
  } finally {
    await server.restart();
  }
  await until(() => node.link.connection !== undefined);
  while ((await node.ban("bob", end)) !== "ok");
  expect(await node.banned()).toEqual({ ada: end, bob: end });
});

test("where the bucket may not be used a ban is refused, and why is said once", async () => {
  const users = `{ users: [{ user: node, password: secret, permissions: { publish: "starling.>" } }] }`;
  const guarded = await NatsServer.start(`authorization: ${users}`);
  closing.push(() => guarded.stop());
  const connect = () =>
    natsConnect({ servers: guarded.url, user: "node", pass: "secret", ignoreAuthErrorAbort: true });
  const node = new BansNode({ server: guarded, prefix: "starling", connect });
  closing.push(() => node.close());
  await until(() => node.link.connection !== undefined);
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(await node.ban("ada", Date.now() + HOUR)).toBe("broker_unavailable");
  }
  const errors = () =>
    node.log.lines.filter(({ message }) => message.includes("bans cannot be kept"));
  await until(() => errors().length > 0);
  expect(errors()).toEqual([
    expect.objectContaining({ fields: expect.objectContaining({ code: 901 }) }),
  ]);
});

test("where NATS has no JetStream bans are in memory, which is said once, until it has", async () => {
  const plain = await NatsServer.start("", { keeps: false });
  closing.push(() => plain.stop());
  const prefix = ownPrefix();
  const node = await started(prefix, plain);
  const end = Date.now() + HOUR;
  expect(await node.ban("ada", end)).toBe("ok");
  await plain.kill();
  await until(() => node.link.connection === undefined);
  expect(await node.ban("bob", end)).toBe("ok");
  await plain.restart();
  await until(() => node.link.connection !== undefined);
  expect(await node.ban("ada", 0)).toBe("ok");
  expect(await node.banned()).toEqual({ bob: end });
  // Histories need it, so there it is missing, and not unwanted.
  const wanting = new BansNode({ server: plain, prefix, needsJetStream: true });
  closing.push(() => wanting.close());
  await until(() => wanting.link.connection !== undefined);
  expect(await wanting.ban("ada", end)).toBe("broker_unavailable");
  const lines = node.log.lines.filter(({ message }) => message.includes("bans"));
  expect(lines.map(({ message }) => message)).toEqual([
    "NATS has no JetStream: bans are in memory, and end with the last node",
  ]);
  const folder = mkdtempSync(join(tmpdir(), "starling-bans-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  await plain.kill();
  plain.configure(`jetstream: { store_dir: "${folder}" }`);
  await plain.restart();
  const isSaid = (text: string) => node.log.lines.some(({ message }) => message.includes(text));
  await until(() => isSaid("NATS has JetStream now"));
  expect(await node.ban("ada", end)).toBe("ok");
  expect(await (await started(prefix, plain)).banned()).toEqual({ ada: end });
});
