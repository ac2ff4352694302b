/** Delivery and presence of a node that nothing happens to. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FaultFixture } from "../support/faults/fault-fixture.ts";
import type { Load } from "../support/faults/load.ts";
import { seeds } from "../support/faults/seeded-random.ts";

setDefaultTimeout(60_000);

const RUN_MS = 2_000;
const LIMITS = { leaseMs: 0, slackMs: 3_000 };

async function expectNothingHappened(load: Load): Promise<void> {
  expect(await load.violations(LIMITS)).toEqual([]);
  expect(load.recorder.ends).toEqual([]);
  expect(load.recorder.failures).toEqual([]);
  expect(await load.listed()).toEqual(load.present());
  const { stays, publications } = load.recorder.history();
  const receipts = stays.reduce((sum, stay) => sum + stay.receipts.length, 0);
  expect(receipts).toBeGreaterThan(publications.length);
}

describe.each([
  ["one process", 0],
  ["two workers", 2],
])("with %s", (_name, workers) => {
  const fixture = new FaultFixture();

  test.each(seeds(11))("nothing is lost, doubled or out of order (seed %i)", async (seed) => {
    const { load } = await fixture.start(seed, workers);
    await Bun.sleep(RUN_MS);
    await expectNothingHappened(load);
  });
});

describe("with three workers", () => {
  const fixture = new FaultFixture();
  const plan = {
    stock: { polling: 16, "polling-kept": 6, websocket: 0, upgrade: 16 },
    streams: 2,
    members: 4,
  };

  test.each(seeds(81))(
    "requests of a session are served by any of them, and upgrades lose nothing (seed %i)",
    async (seed) => {
      const { load } = await fixture.prepare(seed, 3, {}, plan);
      await load.startPublishing();
      await Bun.sleep(RUN_MS);
      await expectNothingHappened(load);
    },
  );
});
