/**
 * Two nodes on one NATS system under load: nothing is lost, doubled or out of order, whatever happens to NATS,
 * but for those who are told.
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { longMs, outageMs } from "../support/faults/long-runs.ts";
import { allReady, allUnready, MeshFixture } from "../support/faults/mesh-fixture.ts";
import {
  expectGapsTold,
  expectNothingMissed,
  expectRefusalsOnly,
} from "../support/faults/nats-outcomes.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { NatsServer } from "../support/nats-server.ts";

setDefaultTimeout(60_000 + longMs);

/** How long it may take until all clients have heard of a gap, ms. */
const TOLD_MS = 20_000;
/** Longer than a publication waits for an answer, and shorter than a link does. */
const SILENT_MS = [5_500, 7_000] as const;
/** Publications that say that a node goes on. */
const SOME = 50;

const PLAIN = {
  stock: { polling: 3, "polling-kept": 2, websocket: 6, upgrade: 4 },
  streams: 4,
  members: 4,
  oldMembers: 2,
  quicMembers: 2,
  switchingMembers: 2,
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

describe.each<[string, Plan]>([
  ["without history", PLAIN],
  ["with history", KEPT],
])("nothing happens %s", (_name, plan) => {
  test.each(seeds(211))("and nothing is lost, doubled or out of order (seed %i)", async (seed) => {
    const { load } = await fixture.prepare(await NatsServer.start(), seed, plan);
    await load.startPublishing();
    await Bun.sleep(2_000);
    expect(await load.violations()).toEqual([]);
    if (plan.history !== undefined) expect(await load.keptFaults()).toEqual([]);
    expect(load.recorder.ends).toEqual([]);
    expect(load.recorder.failures).toEqual([]);
  });
});

describe("NATS is killed and started again", () => {
  test.each(seeds(221))("and channels with history miss nothing (seed %i)", async (seed) => {
    const { load, nats, nodes } = await fixture.start(await NatsServer.start(), seed, KEPT);
    for (const awayMs of [0, load.random.integer(500, 1_500)]) {
      await Bun.sleep(load.random.integer(500, 1_000));
      await nats.kill();
      await Bun.sleep(awayMs);
      await nats.restart();
      await allReady(nodes);
    }
    await Bun.sleep(500);
    await load.breakAllOff(load.random.integer(0, 500));
    await expectNothingMissed(load);
    expect(load.unrecovered).toEqual([]);
    expectRefusalsOnly(load);
  });

  test.each(seeds(231))("and those without history are told of the gap (seed %i)", async (seed) => {
    const { load, nats, nodes } = await fixture.start(await NatsServer.start(), seed, PLAIN);
    await Bun.sleep(load.random.integer(500, 1_000));
    await nats.kill();
    await Bun.sleep(load.random.integer(0, 1_500));
    await nats.restart();
    await allReady(nodes);
    await load.allEnded(TOLD_MS);
    await load.allSubscribed();
    await Bun.sleep(1_000);
    await expectGapsTold(load);
    expectRefusalsOnly(load);
  });
});

describe("NATS is started again without its histories", () => {
  test.each(seeds(236))(
    "and everybody is told, and goes on in the new ones (seed %i)",
    async (seed) => {
      const nats = await NatsServer.start();
      const { load, nodes } = await fixture.start(nats, seed, KEPT, { NATS_STORAGE: "memory" });
      const { recorder } = load;
      await Bun.sleep(load.random.integer(500, 1_000));
      const goneAt = recorder.now();
      await nats.kill();
      recorder.renewed(goneAt);
      await Bun.sleep(load.random.integer(0, 1_000));
      await nats.restart();
      await allReady(nodes);
      await load.allEnded(TOLD_MS);
      await load.allSubscribed();
      await load.allKeptAgain(goneAt, TOLD_MS);
      const renewedAt = recorder.now();
      const { complete } = load.recoveries;
      await load.breakAllOff(load.random.integer(0, 500));
      load.takeEndsForMissed();
      expect(await load.violations()).toEqual([]);
      expect(await load.keptFaults(renewedAt)).toEqual([]);
      expect(complete).toBe(0);
      expect(load.unrecovered).toEqual([]);
      expectRefusalsOnly(load);
    },
  );
});

describe("NATS refuses connections for long", () => {
  test.each(seeds(241))(
    "and what was answered is there, what was not is refused with a number (seed %i)",
    async (seed) => {
      const { load, nats, nodes } = await fixture.start(await NatsServer.start(), seed, KEPT);
      await Bun.sleep(load.random.integer(500, 1_000));
      const away = Bun.sleep(outageMs(load.random));
      await nats.kill();
      await allUnready(nodes);
      await load.until("a refusal", () => load.recorder.failures.length > 0, TOLD_MS);
      await away;
      await nats.restart();
      await allReady(nodes);
      await Bun.sleep(load.random.integer(500, 1_000));
      await expectNothingMissed(load);
      expectRefusalsOnly(load);
    },
  );

  test.each(seeds(246))(
    "and what keeps no history goes on in each node, and is told of the gap (seed %i)",
    async (seed) => {
      const { load, nats, nodes } = await fixture.start(await NatsServer.start(), seed, PLAIN);
      await Bun.sleep(load.random.integer(500, 1_000));
      const away = Bun.sleep(outageMs(load.random));
      await nats.kill();
      await allUnready(nodes);
      const { recorder } = load;
      const unreadyAt = recorder.now();
      const said = () => recorder.history().publications.filter(({ sentAt }) => sentAt > unreadyAt);
      await load.until("something is published", () => said().length >= SOME, TOLD_MS);
      await away;
      expect(recorder.ends).toEqual([]);
      const local = await load.localFaults(unreadyAt, recorder.now());
      await nats.restart();
      await allReady(nodes);
      await load.allEnded(TOLD_MS);
      await load.allSubscribed();
      await Bun.sleep(1_000);
      expect(local).toEqual([]);
      await expectGapsTold(load);
      expectRefusalsOnly(load);
      expect(recorder.failures).not.toEqual([]);
    },
  );
});

describe("NATS is silent for long", () => {
  test.each(seeds(251))(
    "and what was answered is there, what was not is refused with a number (seed %i)",
    async (seed) => {
      const { load, nats, nodes } = await fixture.start(await NatsServer.start(), seed, KEPT);
      await Bun.sleep(load.random.integer(500, 1_000));
      const away = Bun.sleep(outageMs(load.random));
      nats.pause();
      await load.until("a refusal", () => load.recorder.failures.length > 0, TOLD_MS);
      await away;
      nats.resume();
      await allReady(nodes);
      await Bun.sleep(load.random.integer(500, 1_000));
      await expectNothingMissed(load);
      expectRefusalsOnly(load);
    },
  );

  test.each(seeds(256))(
    "and what keeps no history comes late, where the links lasted (seed %i)",
    async (seed) => {
      const { load, nats, nodes } = await fixture.start(await NatsServer.start(), seed, PLAIN);
      const { recorder, random } = load;
      await Bun.sleep(random.integer(500, 1_000));
      const silentAt = recorder.now();
      nats.pause();
      await Bun.sleep(random.integer(...SILENT_MS));
      nats.resume();
      await allReady(nodes);
      await Bun.sleep(random.integer(500, 1_000));
      recorder.lagged(silentAt);
      expect(await load.violations()).toEqual([]);
      expect(recorder.ends).toEqual([]);
      expectRefusalsOnly(load);
    },
  );
});
