/** A cluster of three nats-servers that loses the one which leads the stream of the channels. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "../support/deadline.ts";
import { allReady, MeshFixture } from "../support/faults/mesh-fixture.ts";
import { expectNothingMissed, expectRefusalsOnly } from "../support/faults/nats-outcomes.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { httpsCall } from "../support/https.ts";
import { NatsCluster } from "../support/nats-cluster.ts";

setDefaultTimeout(60_000);

/** How long the servers that are left may take to agree on another leader. */
const ELECTION_MS = 20_000;

const PLAN = {
  stock: { polling: 3, "polling-kept": 2, websocket: 6, upgrade: 4, switching: 4 },
  streams: 4,
  members: 6,
  // Three servers of NATS and two nodes are processes enough.
  quicMembers: 0,
  switchingMembers: 0,
  publishers: 1,
  backends: 2,
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;

const fixture = new MeshFixture();

test.each(seeds(252))(
  "another one takes its place, and nothing that was answered is missed (seed %i)",
  async (seed) => {
    const cluster = await NatsCluster.start(3);
    const { load, nodes } = await fixture.start(cluster, seed, PLAN, { NATS_REPLICAS: "3" });
    await Bun.sleep(load.random.integer(500, 1_000));
    const leader = await cluster.leader();
    await leader.kill();
    const answered = () =>
      load.recorder.history().publications.filter(({ answeredAt }) => answeredAt !== undefined);
    const killedAt = load.recorder.now();
    const isKeptAgain = () => answered().some(({ sentAt }) => sentAt > killedAt);
    await load.until("a publication that the others have kept", isKeptAgain, ELECTION_MS);
    for (const { process } of nodes) {
      const url = `${process.publisherUrl}/api/history?channel=${load.channels[0]}&limit=1`;
      const read = async () =>
        (await httpsCall(url, process.ca, { ms: ELECTION_MS })).status === 200 ? true : undefined;
      await eventually("a history that can be read", read, ELECTION_MS);
    }
    await allReady(nodes);
    await Bun.sleep(load.random.integer(300, 1_000));
    await load.breakAllOff(load.random.integer(0, 500));
    await leader.restart();
    await Bun.sleep(load.random.integer(300, 1_000));
    await expectNothingMissed(load);
    expect(load.unrecovered).toEqual([]);
    expectRefusalsOnly(load);
  },
);
