/** Clients of channels with history over NATS that do not read for a while. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { EventStreamClient } from "../support/faults/event-stream-client.ts";
import { HttpPublisher } from "../support/faults/http-publisher.ts";
import { MeshFixture } from "../support/faults/mesh-fixture.ts";
import { expectNothingMissed } from "../support/faults/nats-outcomes.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";

setDefaultTimeout(60_000);

const PLAN = {
  stock: { polling: 1, websocket: 3, upgrade: 2 },
  streams: 6,
  members: 2,
  oldMembers: 0,
  quicMembers: 0,
  switchingMembers: 0,
  publishers: 1,
  history: { historySize: 10_000, historyTtl: 600 },
} as const satisfies Plan;
/** More than sockets and system buffer, in a time that is short enough. */
const LARGE = 200_000;
const CUT_MS = 15_000;

const fixture = new MeshFixture();

test.each(seeds(261))(
  "are cut, and get the rest when they come back, while others miss nothing (seed %i)",
  async (seed) => {
    const environment = { SLOW_CONSUMER_BYTES: "4194304" };
    const { load, nodes } = await fixture.start(await NatsServer.start(), seed, PLAN, environment);
    const streams = load.clients.filter((each) => each instanceof EventStreamClient);
    const slow = load.random.some(streams, 3);
    for (const each of slow) each.suspend();

    const end = new AbortController();
    const floods = nodes.map((node, index) => {
      const { recorder, random, channels } = load;
      const kind = { isKept: true, isKeyed: false, pause: [10, 30], padding: LARGE } as const;
      const options = { name: `flood-${index}`, channels, ...kind };
      const context = { server: node.process, recorder, random: random.fork() };
      return new HttpPublisher(options, context).publish(end.signal);
    });
    let cut = 0;
    const look = async () => {
      const counts = nodes.map(async ({ process }) => {
        const { text } = await httpsCall(`${process.publisherUrl}/api/stats`, process.ca);
        return Number(JSON.parse(text).hub.slowConsumers);
      });
      cut = (await Promise.all(counts)).reduce((sum, count) => sum + count);
    };
    const deadline = Date.now() + CUT_MS;
    while (cut < slow.length && Date.now() < deadline) {
      await Bun.sleep(100);
      await look();
    }
    end.abort();
    await Promise.all(floods);
    expect(cut).toBeGreaterThanOrEqual(slow.length);
    for (const each of slow) each.resume();
    const ended = () => new Set(load.recorder.ends.map(({ client }) => client));
    await load.until("all were cut", () => slow.every(({ name }) => ended().has(name)), CUT_MS);
    await load.allSubscribed();
    await expectNothingMissed(load);
    expect(load.recoveries.complete).toBeGreaterThanOrEqual(slow.length);
    expect([...ended()].filter((name) => !name.startsWith("stream"))).toEqual([]);
    expect(load.recorder.failures).toEqual([]);
  },
);
