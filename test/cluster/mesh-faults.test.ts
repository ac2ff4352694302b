/**
 * Three nodes on one NATS system, which are killed, lose their supervisor and are restarted, while clients of every
 * transport go from one to the other: no message is lost, doubled or out of order, and nobody is a ghost or missing.
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Load } from "../support/faults/load.ts";
import { longMs, quicPlan } from "../support/faults/long-runs.ts";
import { allReady, knows, MeshFixture } from "../support/faults/mesh-fixture.ts";
import type { NodeUnderTest } from "../support/faults/node-under-test.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { NatsServer } from "../support/nats-server.ts";

setDefaultTimeout(60_000 + longMs);

const LEASE_MS = 4_000;
/** What news may take on a busy machine. */
const LIMITS = { leaseMs: LEASE_MS, slackMs: 6_000 };
const ENVIRONMENT = { PRESENCE_LEASE: `${LEASE_MS}` };
/** Within which everybody agrees, ms. */
const AGREED_MS = 30_000;
/** The nodes that have workers. */
const CLUSTERS = [1, 2];

const PLAN = {
  stock: { polling: 2, websocket: 4, upgrade: 2, switching: 2 },
  streams: 3,
  members: 6,
  oldMembers: 4,
  ...quicPlan,
  publishers: 1,
  backends: 1,
  isRoaming: true,
  // QUIC itself would find out only after ten seconds.
  quicSilentMs: 2_000,
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;

const WITH_QUIC = { ...PLAN, quicMembers: 2, switchingMembers: 2 } as const satisfies Plan;

const fixture = new MeshFixture({ workers: [0, 2, 1], keepsPorts: true });

async function start(seed: number, plan: Plan = PLAN) {
  const run = await fixture.start(await NatsServer.start(), seed, plan, ENVIRONMENT);
  for (const node of run.nodes) await knows(node, 2);
  await Bun.sleep(run.load.random.integer(500, 1_000));
  return run;
}

/** The others give up the node, or have not noticed yet that it is away, when it is started again. */
async function startAgain(
  node: NodeUnderTest,
  nodes: readonly NodeUnderTest[],
  isNoticed: boolean,
): Promise<void> {
  const others = nodes.filter((each) => each !== node);
  if (isNoticed) for (const other of others) await knows(other, 1);
  await node.startAgain();
  await allReady(nodes);
  for (const each of nodes) await knows(each, 2);
}

async function expectTheTruth(load: Load): Promise<void> {
  await load.allSubscribed();
  expect(await load.wrongViews(AGREED_MS)).toEqual([]);
  await load.quiet();
  expect(load.violationsSoFar(LIMITS)).toEqual([]);
  expect(await load.keptFaults()).toEqual([]);
  expect(load.recoveries.incomplete).toBe(0);
  expect(load.recoveries.complete).toBeGreaterThan(0);
}

/** Every third member does not come back once it has lost its connection. */
function letSomeStayAway(load: Load): void {
  for (const member of load.members.filter((_member, index) => index % 3 === 0)) member.stayAway();
}

describe("a node is killed and started again", () => {
  test.each(seeds(301))("and everybody has the truth (seed %i)", async (seed) => {
    const { load, nodes } = await start(seed, WITH_QUIC);
    letSomeStayAway(load);
    const victim = load.random.pick(nodes);
    await victim.kill();
    await startAgain(victim, nodes, load.random.next() < 0.5);
    await expectTheTruth(load);
  });
});

describe("the supervisor of a node is killed", () => {
  test.each(seeds(311))("and its workers let their clients go (seed %i)", async (seed) => {
    const { load, nodes } = await start(seed);
    letSomeStayAway(load);
    const victim = nodes[load.random.pick(CLUSTERS)];
    if (victim === undefined) throw new Error("there is no such node");
    await victim.kill(true);
    const ends = load.recorder.ends.filter(({ client }) => client.startsWith("v2"));
    expect(ends.filter(({ code }) => code !== 4000)).toEqual([]);
    await startAgain(victim, nodes, load.random.next() < 0.5);
    await expectTheTruth(load);
  });
});

describe("all nodes are restarted, one after the other", () => {
  test.each(seeds(321))("and nobody misses anything (seed %i)", async (seed) => {
    const { load, nodes } = await start(seed);
    for (const node of load.random.some(nodes, nodes.length)) {
      expect(await node.process.stop()).toBe(0);
      await startAgain(node, nodes, false);
      await load.allSubscribed();
    }
    await expectTheTruth(load);
    const { ends } = load.recorder;
    expect(ends.filter(({ ending }) => ending !== "orderly")).toEqual([]);
  });
});
