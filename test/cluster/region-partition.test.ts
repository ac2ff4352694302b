/** Three nodes in two regions under load, between which the line is cut and mended. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "../support/deadline.ts";
import { Load } from "../support/faults/load.ts";
import { longMs } from "../support/faults/long-runs.ts";
import { MeshFixture } from "../support/faults/mesh-fixture.ts";
import { expectGapsTold, expectRefusalsOnly } from "../support/faults/nats-outcomes.ts";
import type { NodeUnderTest } from "../support/faults/node-under-test.ts";
import type { Plan } from "../support/faults/plan.ts";
import { checkRegions, type Partition } from "../support/faults/region-presence.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { allMet, cutFor, cutUntilLost, listedAt, total } from "../support/regions/partitions.ts";
import { REGION_OF, Regions, WORKERS } from "../support/regions/regions.ts";

setDefaultTimeout(120_000 + longMs);

const LEASE_MS = longMs === 0 ? 5_000 : 10_000;
/** What news of members may take over the line on a busy machine, ms. */
const SLACK_MS = 5_000;
/** Within which servers of the other region know of a new subscription, ms. */
const REACH_MS = 2_000;
/** How long it may take until members are seen again as they are, and all clients have heard of a gap, ms. */
const AGAIN_MS = 20_000;
/** What is on its way over the line when it is cut is not older than that, ms. */
const UNDER_WAY_MS = 1_000;
/** Messages of members that the heal of a partition may take, for each member of each channel. */
const HEAL_MESSAGES = 20;

const EVERYBODY = {
  stock: { polling: 1, "polling-kept": 1, websocket: 4, upgrade: 2 },
  streams: 2,
  members: 6,
  oldMembers: 2,
  quicMembers: 2,
  switchingMembers: 2,
  publishers: 1,
  backends: 2,
  isCalm: true,
  isSpread: true,
} as const satisfies Plan;
const KEPT = {
  ...EVERYBODY,
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;
const FREE = { ...EVERYBODY, namespace: "free" } as const satisfies Plan;

const fixture = new MeshFixture({ workers: WORKERS });
let others: Load | undefined;
afterEach(async () => {
  await others?.stop();
  others = undefined;
});

/** What is wrong with what members were told of those in the other region. */
function faultsOf({ recorder }: Load, partitions: readonly Partition[]): readonly string[] {
  const history = recorder.history();
  const nodeOf = new Map(history.stays.map(({ client, node }) => [client, node]));
  const regionOf = (member: string) => REGION_OF[nodeOf.get(member) ?? 0] ?? 0;
  const limits = { leaseMs: LEASE_MS, slackMs: SLACK_MS };
  const { faults, looks } = checkRegions(history, partitions, regionOf, limits);
  return looks === 0 ? ["nobody saw anybody of the other region"] : faults;
}

test.each(seeds(301))(
  "a partition loses nothing untold, and takes members of the other region away once, a short one not at all (seed %i)",
  async (seed) => {
    const nats = await Regions.start();
    const run = await fixture.prepare(nats, seed, KEPT, { PRESENCE_LEASE: String(LEASE_MS) });
    const { load: kept, nodes } = run;
    const free = new Load(nodes, seed, FREE, nats.url);
    others = free;
    free.recorder.reachMs = REACH_MS;
    const loads = [kept, free];
    const { random } = kept;
    await allMet(nodes);
    await Promise.all(loads.map((load) => load.start()));
    // Whoever wants to begin before there is a stream may be sent away, and comes back.
    const { length: before } = kept.recorder.ends;
    const members = loads.reduce((sum, load) => sum + load.members.length, 0);

    await Bun.sleep(random.integer(1_000, 1_500));
    const short = await cutFor(run, random.integer(300, 1_500));
    await Bun.sleep(random.integer(300, 800));
    const sent = await total(nodes, "starling_mesh_presence_sent_total");
    const long = await cutUntilLost(run, random.integer(300, longMs === 0 ? 1_500 : 6_000));
    await free.allEnded(AGAIN_MS);
    await Promise.all(loads.map((load) => load.allSubscribed()));
    for (const load of loads) await allListed(load, nodes);

    const healing = (await total(nodes, "starling_mesh_presence_sent_total")) - sent;
    expect(healing).toBeLessThan(HEAL_MESSAGES * members * 2);
    expect(kept.recorder.ends.slice(before)).toEqual([]);
    expect(await kept.violations()).toEqual([]);
    expect(await kept.keptFaults(0, nodes.slice(0, 1))).toEqual([]);
    for (const { cutAt, metAt } of [short, long]) {
      free.recorder.parted(cutAt - UNDER_WAY_MS, metAt);
    }
    await expectGapsTold(free);
    for (const load of loads) expectRefusalsOnly(load);
    // Last, since nothing may be said of members once more.
    expect(loads.flatMap((load) => faultsOf(load, [short, long]))).toEqual([]);
  },
);

/** Resolves once every node lists the members as they know it themselves. */
async function allListed(load: Load, nodes: readonly NodeUnderTest[]): Promise<void> {
  await eventually(
    "nodes that list who is there",
    async () => {
      const listed = await listedAt(nodes, load.channels);
      const isRight = listed.every((each) => Bun.deepEquals(each, load.present()));
      return isRight ? true : undefined;
    },
    AGAIN_MS,
  );
}
