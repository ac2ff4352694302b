/**
 * Members on three nodes who come, go, change their states and go to other nodes without end, while a node is killed:
 * in the end everybody's view is the truth, and in between nobody is a ghost or missing for longer than allowed.
 */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { Churn, type ChurnSize } from "../support/faults/churn.ts";
import { longMs, quicPlan } from "../support/faults/long-runs.ts";
import { allReady, knows, MeshFixture } from "../support/faults/mesh-fixture.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { NatsServer } from "../support/nats-server.ts";

const isLong = longMs > 0;

setDefaultTimeout(isLong ? 170_000 : 60_000);

const LEASE_MS = 4_000;
/** What news may take where so much happens. */
const LIMITS = { leaseMs: LEASE_MS, slackMs: 6_000 };
/** Within which everybody agrees, ms. */
const AGREED_MS = 30_000;
/** QUIC itself would find out only after ten seconds. */
const QUIC_SILENT_MS = 2_000;
const SIZE: ChurnSize = isLong
  ? { members: 5_000, channelsOfClient: 10, membersOfChannel: 50, quicEvery: 10 }
  : { members: 300, channelsOfClient: 5, membersOfChannel: 25, quicEvery: 0 };

const fixture = new MeshFixture({ workers: [0, 2, 1], keepsPorts: true });
let churn: Churn | undefined;

afterEach(async () => {
  await churn?.stop();
  churn = undefined;
});

test.each(seeds(331))("everybody has the truth after all that (seed %i)", async (seed) => {
  const nats = await NatsServer.start();
  const nodes = await fixture.startNodes(nats, quicPlan, { PRESENCE_LEASE: `${LEASE_MS}` });
  churn = new Churn(nodes, seed, SIZE, QUIC_SILENT_MS);
  const { random, recorder } = churn;
  await churn.start();
  await Bun.sleep(random.integer(1_000, 2_000) + longMs / 2);
  const victim = random.pick(nodes);
  await victim.kill();
  for (const other of nodes) if (other !== victim) await knows(other, 1);
  await victim.startAgain();
  await allReady(nodes);
  await Bun.sleep(random.integer(500, 1_000) + longMs / 2);
  expect(await churn.violations(LIMITS, AGREED_MS)).toEqual([]);
  const { memberships } = recorder.history();
  const changes = memberships.filter(({ until }) => until !== undefined);
  expect(changes.length).toBeGreaterThan(SIZE.members / 3);
});
