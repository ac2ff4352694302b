/** A node of three whose time of day jumps, forwards and back: nobody notices. */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { longMs, quicPlan } from "../support/faults/long-runs.ts";
import { MeshFixture } from "../support/faults/mesh-fixture.ts";
import { MovableClock } from "../support/faults/movable-clock.ts";
import type { NodeUnderTest } from "../support/faults/node-under-test.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { NatsServer } from "../support/nats-server.ts";
import { SignallingClient } from "../support/signalling-client.ts";

setDefaultTimeout(60_000 + longMs);

const LEASE_MS = 4_000;
const LIMITS = { leaseMs: LEASE_MS, slackMs: 6_000 };
const AGREED_MS = 30_000;
/** How far a clock jumps, and what an answer may take less, seconds. */
const [JUMPS, NEAR_S] = [[30, 3_600, 100_000], 10] as const;
/** The node whose clock it is; it has workers. */
const JUMPING = 1;

const PLAN = {
  stock: { polling: 2, websocket: 4, upgrade: 2, switching: 2 },
  streams: 3,
  members: 6,
  oldMembers: 4,
  ...quicPlan,
  publishers: 1,
  backends: 1,
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;

const clock = new MovableClock();
const fixture = new MeshFixture({
  workers: [0, 2, 0],
  environmentOf: (node) => (node === JUMPING ? clock.environment : {}),
});

afterAll(() => clock[Symbol.dispose]());

/** How many seconds a node is fast, as it tells its clients. */
async function secondsFast(node: NodeUnderTest): Promise<number> {
  using client = await SignallingClient.open(node.process, { v: "2" });
  client.send({ t: "control", op: "ping", id: 1 });
  const { ts = Number.NaN } = await client.nextOf("pong");
  return (ts - Date.now()) / 1_000;
}

test.each(seeds(341))("nothing is lost, and nobody is gone (seed %i)", async (seed) => {
  clock.set(0);
  const environment = { PRESENCE_LEASE: `${LEASE_MS}` };
  const { load, nodes } = await fixture.start(await NatsServer.start(), seed, PLAN, environment);
  const { random, recorder } = load;
  for (const sign of random.some([1, -1, 1, -1], 3)) {
    await Bun.sleep(random.integer(500, 1_000));
    const seconds = sign * random.pick(JUMPS);
    clock.set(seconds);
    for (const [index, node] of nodes.entries()) {
      const wanted = index === JUMPING ? seconds : 0;
      expect(Math.abs((await secondsFast(node)) - wanted)).toBeLessThan(NEAR_S);
    }
  }
  await Bun.sleep(LEASE_MS);
  expect(await load.wrongViews(AGREED_MS)).toEqual([]);
  expect(recorder.ends).toEqual([]);
  await load.breakAllOff(random.integer(0, 500));
  expect(await load.wrongViews(AGREED_MS)).toEqual([]);
  await load.quiet();
  expect(load.violationsSoFar(LIMITS)).toEqual([]);
  expect(await load.keptFaults()).toEqual([]);
  expect(load.recoveries.incomplete).toBe(0);
  expect(recorder.failures).toEqual([]);
});
