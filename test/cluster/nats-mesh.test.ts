/** Two nodes on NATS whose clients come back, on any of them, while everybody publishes in every way there is. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { MeshFixture } from "../support/faults/mesh-fixture.ts";
import { expectNothingMissed, expectRefusalsOnly } from "../support/faults/nats-outcomes.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { NatsServer } from "../support/nats-server.ts";

setDefaultTimeout(60_000);

const REPLACED_MS = 20_000;
/** What the channels keep that do not keep enough. */
const SIZE = 20;
/** The node that has workers, and how many. */
const [CLUSTER, WORKERS] = [1, 2];

const PLAIN = {
  stock: { polling: 3, "polling-kept": 2, websocket: 6, upgrade: 4 },
  streams: 4,
  members: 6,
  oldMembers: 2,
  publishers: 1,
  backends: 2,
} as const satisfies Plan;
/** More than any run publishes in one channel. */
const KEPT = {
  ...PLAIN,
  stock: { ...PLAIN.stock, switching: 4 },
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;

const fixture = new MeshFixture();

describe("all clients lose their connections", () => {
  test.each(seeds(271))("come back at once, and have missed nothing (seed %i)", async (seed) => {
    const { load } = await fixture.start(await NatsServer.start(), seed, KEPT);
    for (const awayMs of [1_000, 0, load.random.integer(100, 800)]) {
      await Bun.sleep(load.random.integer(200, 600));
      await load.breakAllOff(awayMs);
    }
    await expectNothingMissed(load);
    expect(load.unrecovered).toEqual([]);
    expect(load.resumptions).toBeGreaterThan(0);
    expectRefusalsOnly(load);
  });

  test.each(seeds(272))(
    "come back to the other node with another transport, and have missed nothing (seed %i)",
    async (seed) => {
      const plan = { ...KEPT, isRoaming: true };
      const { load } = await fixture.start(await NatsServer.start(), seed, plan);
      for (const awayMs of [0, load.random.integer(100, 800), 0]) {
        await Bun.sleep(load.random.integer(200, 600));
        await load.breakAllOff(awayMs);
      }
      await expectNothingMissed(load);
      expect(load.unrecovered).toEqual([]);
      const { stays } = load.recorder.history();
      const visits = Map.groupBy(stays, ({ client }) => client);
      for (const [client, theirs] of visits) {
        const nodes = new Set(theirs.map(({ node }) => node));
        expect([client, nodes.size]).toEqual([client, 2]);
      }
      expectRefusalsOnly(load);
    },
  );
});

describe("a worker is killed", () => {
  test.each(seeds(281))("and its clients have missed nothing (seed %i)", async (seed) => {
    const { load, nodes } = await fixture.start(await NatsServer.start(), seed, KEPT);
    await Bun.sleep(load.random.integer(500, 1_500));
    const node = nodes[CLUSTER];
    if (node === undefined) throw new Error("there is no such node");
    const killed = load.random.pick(node.workers());
    process.kill(killed, "SIGKILL");
    await node.replaced(WORKERS, [killed], REPLACED_MS);
    await load.allSubscribed();
    await Bun.sleep(load.random.integer(300, 800));
    await expectNothingMissed(load);
    expect(load.recoveries.complete).toBeGreaterThan(0);
  });

  test.each(seeds(282))(
    "and nobody else notices it where nothing is kept (seed %i)",
    async (seed) => {
      const { load, nodes } = await fixture.start(await NatsServer.start(), seed, PLAIN);
      await Bun.sleep(load.random.integer(500, 1_500));
      const node = nodes[CLUSTER];
      if (node === undefined) throw new Error("there is no such node");
      const killed = load.random.pick(node.workers());
      process.kill(killed, "SIGKILL");
      await node.replaced(WORKERS, [killed], REPLACED_MS);
      await load.allSubscribed();
      await Bun.sleep(load.random.integer(300, 800));
      expect(await load.violations()).toEqual([]);
      const { stays } = load.recorder.history();
      const cut = stays.filter(({ ending }) => ending !== undefined);
      expect(cut.filter((stay) => stay.node !== CLUSTER || stay.ending !== "broken")).toEqual([]);
      expect(new Set(cut.map(({ client }) => client)).size).toBeGreaterThan(0);
    },
  );
});

describe("what is not kept for long enough", () => {
  const plan: Plan = {
    ...KEPT,
    // As often as there is something for every channel.
    publishers: 2,
    isRoaming: true,
    history: { historySize: SIZE, historyTtl: 600 },
  };

  test.each(seeds(291))("is told to those who missed it (seed %i)", async (seed) => {
    const { load } = await fixture.start(await NatsServer.start(), seed, plan);
    for (let round = 0; round < 2; round++) {
      await Bun.sleep(load.random.integer(200, 500));
      await load.breakAllOffUntilOverrun(SIZE + 1);
    }
    await Bun.sleep(load.random.integer(200, 500));
    expect(await load.violations()).toEqual([]);
    const { complete, incomplete } = load.recoveries;
    expect(complete).toBe(0);
    expect(incomplete).toBeGreaterThan(0);
    expectRefusalsOnly(load);
  });
});
