/** What a node that is stopped, or whose supervisor dies, owes those who are connected. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { FaultFixture } from "../support/faults/fault-fixture.ts";
import type { Load } from "../support/faults/load.ts";
import { isRunning } from "../support/faults/node-under-test.ts";
import type { ConnectionEnd } from "../support/faults/recorder.ts";
import { seeds } from "../support/faults/seeded-random.ts";

setDefaultTimeout(60_000);

/** More than clients need, which nobody waits for: a node ends once all have fetched their end. */
const STOPPED = { DRAIN_SECONDS: "10" };
/** Here polling clients cannot fetch theirs, and the workers wait for them in vain. */
const ORPHANED = { DRAIN_SECONDS: "2" };
const GONE_MS = 10_000;
const NOTICED_MS = 5_000;
/** Ends that lie further apart than this are not of one moment. */
const MOMENT_MS = 10;

const fixture = new FaultFixture();

/** Clients were closed, those of `properly` as they should be, and not all of them at once. */
function expectDrained(load: Load, properly: (end: ConnectionEnd) => boolean): void {
  const { ends } = load.recorder;
  expect(ends.filter((end) => properly(end) && end.ending !== "orderly")).toEqual([]);
  for (const end of ends.filter(({ client }) => client.startsWith("v2"))) {
    expect(end).toMatchObject({ code: 4000, isNoticed: true });
  }
  for (const end of ends.filter(({ client }) => /^(quic|either)/.test(client))) {
    expect(end).toMatchObject({ isNoticed: true });
  }
  const moments = new Set(ends.map(({ at }) => Math.floor(at / MOMENT_MS)));
  expect(moments.size).toBeGreaterThan(2);
}

test.each(seeds(41))(
  "SIGTERM under load drains, delivers what was acknowledged, and leaves nothing (seed %i)",
  async (seed) => {
    const { node, load } = await fixture.start(seed, 2, STOPPED);
    await Bun.sleep(load.random.integer(500, 1_500));
    const processes = [node.process.pid, ...node.processes()];
    expect(await node.process.stop()).toBe(0);
    expect(processes.filter(isRunning)).toEqual([]);
    await load.allEnded(NOTICED_MS);
    await load.stop();
    expectDrained(load, () => true);
    expect(load.violationsSoFar()).toEqual([]);
  },
);

test.each(seeds(71))(
  "when the supervisor is killed the workers drain and leave (seed %i)",
  async (seed) => {
    const { node, load } = await fixture.start(seed, 2, ORPHANED);
    await Bun.sleep(load.random.integer(500, 1_500));
    const workers = node.processes();
    process.kill(node.process.pid, "SIGKILL");
    const left = () => workers.every((pid) => !isRunning(pid));
    await load.until("the workers have left", left, GONE_MS);
    await load.allEnded(NOTICED_MS);
    await load.stop();
    // Polling needs a port that takes connections, and links between the workers: both are gone.
    expectDrained(load, ({ client }) => !client.startsWith("polling"));
    expect(load.violationsSoFar()).toEqual([]);
  },
);
