/** `starling restart` replaces the workers without anybody being refused or missing a message. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { FaultFixture } from "../support/faults/fault-fixture.ts";
import { Prober } from "../support/faults/prober.ts";
import { seeds } from "../support/faults/seeded-random.ts";

setDefaultTimeout(60_000);

/** More than clients need, which nobody waits for: a worker leaves once all have fetched their end. */
const DRAIN_SECONDS = "10";
const PROBE_MS = 8;
const NOTICED_MS = 5_000;

const fixture = new FaultFixture();

test.each(seeds(31))(
  "a restart under load refuses no connection and loses no message (seed %i)",
  async (seed) => {
    const { node, load } = await fixture.start(seed, 2, { DRAIN_SECONDS });
    await Bun.sleep(load.random.integer(300, 1_000));
    const { publisherUrl, subscriberUrl, ca } = node.process;
    const before = node.workers();
    const prober = new Prober([`${publisherUrl}/status`, `${subscriberUrl}/demo`], ca, PROBE_MS);
    const { code, err } = await node.starling("restart").finally(() => prober.stop());
    expect([code, err]).toEqual([0, ""]);
    await load.allEnded(NOTICED_MS);
    await load.allSubscribed();

    expect(prober.failures).toEqual([]);
    expect(prober.served).toBeGreaterThan(100);
    expect(await load.violations({ leaseMs: 0, slackMs: 3_000 })).toEqual([]);
    const { ends, failures } = load.recorder;
    expect(failures).toEqual([]);
    expect(ends.filter(({ ending }) => ending !== "orderly")).toEqual([]);
    for (const end of ends.filter(({ client }) => client.startsWith("v2"))) {
      expect(end).toMatchObject({ code: 4000, isNoticed: true });
    }
    for (const end of ends.filter(({ client }) => /^(quic|either)/.test(client))) {
      expect(end).toMatchObject({ isNoticed: true });
    }
    const after = node.workers();
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    expect(await load.listed()).toEqual(load.present());
  },
);
