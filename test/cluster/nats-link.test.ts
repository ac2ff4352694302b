/** Nodes whose links to NATS are slow, and stall for a while. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { MeshFixture } from "../support/faults/mesh-fixture.ts";
import { expectNothingMissed, expectRefusalsOnly } from "../support/faults/nats-outcomes.ts";
import type { Plan } from "../support/faults/plan.ts";
import { SeededRandom, seeds } from "../support/faults/seeded-random.ts";
import { SlowNats } from "../support/faults/slow-nats.ts";

setDefaultTimeout(60_000);

const NODES = 2;

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
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;

const fixture = new MeshFixture();

/** Links of another quality each. */
function slowNats(seed: number): Promise<SlowNats> {
  const random = new SeededRandom(seed);
  const qualities = Array.from({ length: NODES }, () => ({
    latencyMs: random.integer(1, 40),
    bytesPerMs: random.integer(1_000, 4_000),
  }));
  return SlowNats.start(qualities);
}

describe("links that are slow, and stall for a moment", () => {
  test.each(seeds(301))("lose, double and disorder nothing (seed %i)", async (seed) => {
    const { load, nats } = await fixture.start(await slowNats(seed), seed, PLAIN);
    for (const stallMs of [load.random.integer(200, 700), load.random.integer(700, 1_500)]) {
      await Bun.sleep(load.random.integer(300, 800));
      await load.random.pick(nats.links).stallFor(stallMs);
    }
    await Bun.sleep(load.random.integer(300, 800));
    expect(await load.violations()).toEqual([]);
    expect(load.recorder.ends).toEqual([]);
    expectRefusalsOnly(load);
  });

  test.each(seeds(302))(
    "let clients of channels with history come back to everything (seed %i)",
    async (seed) => {
      const { load, nats } = await fixture.start(await slowNats(seed), seed, KEPT);
      await Bun.sleep(load.random.integer(300, 800));
      await load.random.pick(nats.links).stallFor(load.random.integer(200, 1_500));
      await load.breakAllOff(load.random.integer(0, 800));
      const stalls = nats.links.map((link) => link.stallFor(load.random.integer(200, 1_000)));
      await load.breakAllOff(load.random.integer(0, 300));
      await Promise.all(stalls);
      await expectNothingMissed(load);
      expect(load.unrecovered).toEqual([]);
      expectRefusalsOnly(load);
    },
  );
});
