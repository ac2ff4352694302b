/**
 * Channels that keep history: whoever comes back gets everything that was acknowledged, once and in one
 * order, over every transport and whatever happened to the node; or is told that it does not.
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FaultFixture } from "../support/faults/fault-fixture.ts";
import type { Load } from "../support/faults/load.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";

setDefaultTimeout(60_000);

const LEASE_MS = 2_000;
const REPLACED_MS = 10_000;
const NOTICED_MS = 10_000;
/** More than any run publishes in one channel. */
const ALL = { history: { historySize: 10_000, historyTtl: 600 } } as const satisfies Plan;
const EVERY_WAY = {
  ...ALL,
  stock: { polling: 4, "polling-kept": 2, websocket: 8, upgrade: 6, switching: 6 },
} as const satisfies Plan;

const fixture = new FaultFixture();

/** What holds in the end where nothing had to be forgotten. */
async function expectAllRecovered(load: Load): Promise<void> {
  await load.allSubscribed();
  await Bun.sleep(load.random.integer(300, 800));
  expect(await load.violations()).toEqual([]);
  expect(await load.keptFaults()).toEqual([]);
  const { complete, incomplete } = load.recoveries;
  expect(incomplete).toBe(0);
  expect(complete).toBeGreaterThan(0);
}

describe.each([
  ["one process", 0],
  ["two workers", 2],
])("with %s", (_name, workers) => {
  test.each(seeds(111))("nothing is missed where nothing happens (seed %i)", async (seed) => {
    const { load } = await fixture.prepare(seed, workers, {}, EVERY_WAY);
    await load.startPublishing();
    await Bun.sleep(1_500);
    expect(await load.violations()).toEqual([]);
    expect(load.recorder.ends).toEqual([]);
    expect(load.recorder.failures).toEqual([]);
    expect(load.recoveries).toEqual({ complete: 0, incomplete: 0 });
  });

  test.each(seeds(121))(
    "all clients lose their connections, come back at once, and have missed nothing (seed %i)",
    async (seed) => {
      const { load } = await fixture.start(seed, workers, {}, EVERY_WAY);
      for (const awayMs of [1_000, 0, load.random.integer(100, 800)]) {
        await Bun.sleep(load.random.integer(200, 600));
        await load.breakAllOff(awayMs);
      }
      await expectAllRecovered(load);
      expect(load.unrecovered).toEqual([]);
      expect(load.resumptions).toBeGreaterThan(0);
      expect(load.recorder.failures.filter(({ publisher }) => !publisher.startsWith("v2"))).toEqual(
        [],
      );
    },
  );
});

describe("with two workers", () => {
  test.each(seeds(131))(
    "clients of a worker that is killed have missed nothing (seed %i)",
    async (seed) => {
      const environment = { PRESENCE_LEASE: String(LEASE_MS) };
      const { node, load } = await fixture.start(seed, 2, environment, EVERY_WAY);
      await Bun.sleep(load.random.integer(500, 1_500));
      const killed = load.random.pick(node.workers());
      process.kill(killed, "SIGKILL");
      await node.replaced(2, [killed], REPLACED_MS);
      await expectAllRecovered(load);
    },
  );

  test.each(seeds(133))(
    "nor have clients of the quic worker that is killed (seed %i)",
    async (seed) => {
      const plan: Plan = { ...EVERY_WAY, quicSilentMs: 2_000 };
      const { node, load } = await fixture.start(seed, 2, {}, plan);
      await Bun.sleep(load.random.integer(500, 1_500));
      process.kill(node.quicWorker(), "SIGKILL");
      await load.allEnded(NOTICED_MS, load.quicMembers);
      await expectAllRecovered(load);
    },
  );

  test.each(seeds(141))("a restart lets nobody miss anything (seed %i)", async (seed) => {
    const { node, load } = await fixture.start(seed, 2, { DRAIN_SECONDS: "2" }, EVERY_WAY);
    await Bun.sleep(load.random.integer(300, 1_000));
    const { code, err } = await node.starling("restart");
    expect([code, err]).toEqual([0, ""]);
    await expectAllRecovered(load);
    expect(load.recorder.failures).toEqual([]);
  });
});

describe("members that change between WebSocket and WebTransport", () => {
  const plan = {
    ...ALL,
    stock: {},
    streams: 0,
    members: 2,
    oldMembers: 0,
    quicMembers: 2,
    switchingMembers: 8,
  } as const satisfies Plan;

  test.each(seeds(161))("miss nothing, however often they do (seed %i)", async (seed) => {
    const { load } = await fixture.start(seed, 2, {}, plan);
    const changing = load.switchingMembers;
    for (let round = 0; round < 5; round++) {
      for (const member of load.random.some(changing, changing.length)) {
        await Bun.sleep(load.random.integer(0, 60));
        member.breakOff(Promise.resolve());
      }
    }
    await expectAllRecovered(load);
    const names = changing.map(({ name }) => name);
    expect(load.unrecovered.filter((name) => names.includes(name))).toEqual([]);
    expect(changing.reduce((sum, { changes }) => sum + changes, 0)).toBeGreaterThan(5);
    const others = load.recorder.ends.filter(({ client }) => !names.includes(client));
    expect(others).toEqual([]);
  });
});

describe("what is not kept for long enough", () => {
  const plan: Plan = { ...EVERY_WAY, history: { historySize: 20, historyTtl: 600 } };

  test.each(seeds(151))("is told to those who missed it (seed %i)", async (seed) => {
    const { load } = await fixture.start(seed, 2, {}, plan);
    await Bun.sleep(load.random.integer(300, 600));
    await load.breakAllOff(2_000);
    await Bun.sleep(500);
    expect(await load.violations()).toEqual([]);
    expect(load.recoveries.incomplete).toBeGreaterThan(0);
  });
});
