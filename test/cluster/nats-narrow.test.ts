/** A node whose link to NATS takes less than is published. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { HttpPublisher } from "../support/faults/http-publisher.ts";
import { longMs } from "../support/faults/long-runs.ts";
import { allReady, allUnready, MeshFixture } from "../support/faults/mesh-fixture.ts";
import { expectGapsTold, expectRefusalsOnly } from "../support/faults/nats-outcomes.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { SlowNats } from "../support/faults/slow-nats.ts";
import { httpsCall } from "../support/https.ts";

// What waits takes its time on such a line, however fast the machine is.
setDefaultTimeout(120_000);

const PLAIN = {
  stock: { "polling-kept": 1, websocket: 3, upgrade: 1 },
  streams: 3,
  members: 3,
  oldMembers: 0,
  quicMembers: 0,
  switchingMembers: 0,
  publishers: 1,
} as const satisfies Plan;
/** More than any run publishes in one channel. */
const KEPT = {
  ...PLAIN,
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;
/** 200 KB a second; what is published is twice as much and more. */
const NARROW = { latencyMs: 20, bytesPerMs: 200 };
const WIDE = { latencyMs: 1, bytesPerMs: 10_000 };
const LARGE = 40_000;

const fixture = new MeshFixture();

describe("a link that takes less than is published", () => {
  test.each(
    seeds(311).flatMap((seed) => [
      ["with history", seed, KEPT] as const,
      // It takes as long, and shows less.
      ...(longMs > 0 ? [["without history", seed, PLAIN] as const] : []),
    ]),
  )("makes the node say so, and lose nothing in silence, %s (seed %i)", async (_, seed, plan) => {
    const nats = await SlowNats.start([NARROW, WIDE]);
    const { load, nodes } = await fixture.start<SlowNats>(nats, seed, plan);
    const [narrow, wide] = nodes;
    if (narrow === undefined || wide === undefined) throw new Error("there are not two nodes");
    const { recorder, random, channels } = load;
    const kind = { isKept: true, isKeyed: false, pause: [90, 110], padding: LARGE } as const;
    const context = { server: wide.process, recorder, random: random.fork() };
    const end = new AbortController();
    const flood = new HttpPublisher({ name: "flood", channels, ...kind }, context);
    const flooding = flood.publish(end.signal);
    await allUnready([narrow]).finally(() => end.abort());
    await flooding;
    const { text } = await httpsCall(`${wide.process.subscriberUrl}/ready`, wide.process.ca);
    expect(text).toBe("ready");
    // Who is told is closed in the course of some seconds.
    await load.quiet();
    await allReady(nodes);
    await expectGapsTold(load);
    expectRefusalsOnly(load);
  });
});
