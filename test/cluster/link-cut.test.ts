/** The workers lose their links to the node, for a moment or for longer than the lease. */

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "../support/deadline.ts";
import { FaultFixture, type FaultRun } from "../support/faults/fault-fixture.ts";
import { seeds } from "../support/faults/seeded-random.ts";
import { UnixProxy } from "../support/faults/unix-proxy.ts";

setDefaultTimeout(60_000);

const WORKERS = 2;
/** Of the workers, the quic worker among them. */
const LINKS = WORKERS + 1;
const LEASE_MS = 2_000;
const GIVEN_UP = "the node is given up; what it had for this worker is lost";

const fixture = new FaultFixture();
let proxy: UnixProxy | undefined;
afterEach(() => {
  proxy?.[Symbol.dispose]();
  proxy = undefined;
});

/** A node whose workers reach it through a proxy, under load. */
async function startBehindProxy(
  seed: number,
  environment: Readonly<Record<string, string>>,
): Promise<FaultRun & { readonly links: UnixProxy }> {
  const run = await fixture.prepare(seed, WORKERS, { DRAIN_SECONDS: "1", ...environment });
  const links = await UnixProxy.inFrontOf(run.node.brokerSocket);
  proxy = links;
  // The workers that there are have their links already; new ones go through the proxy.
  expect(await run.node.starling("restart")).toMatchObject({ code: 0 });
  // The command's own connection may take a moment to be gone.
  await eventually("the links of the workers alone", async () => {
    return links.open === LINKS ? true : undefined;
  });
  await run.load.start();
  await Bun.sleep(run.load.random.integer(500, 1_000));
  return { ...run, links };
}

describe("links that are cut", () => {
  test.each(seeds(61))("and mended again have lost and doubled nothing (seed %i)", async (seed) => {
    const { load, links } = await startBehindProxy(seed, { PRESENCE_LEASE: "10000" });
    // Once for no time at all, and once for a second.
    for (const pauseMs of [0, 1_000]) {
      const cutAt = load.recorder.now();
      links.cut();
      await Bun.sleep(pauseMs);
      links.mend();
      await load.until("the links are back", () => links.open === LINKS, 5_000);
      await Bun.sleep(load.random.integer(500, 1_000));
      load.recorder.lagged(cutAt);
    }
    expect(await load.violations({ leaseMs: 0, slackMs: 2_500 })).toEqual([]);
    expect(load.recorder.ends).toEqual([]);
    expect(load.recorder.failures).toEqual([]);
    expect(await load.listed()).toEqual(load.present());
  });

  test.each(seeds(65))(
    "for longer than the lease make clients come back, who so learn of the gap (seed %i)",
    async (seed) => {
      const lease = { PRESENCE_LEASE: String(LEASE_MS) };
      const { node, load, links } = await startBehindProxy(seed, lease);
      load.recorder.cut();
      links.cut();
      // A process that gets no time to run waits for longer, since it cannot know who was silent.
      const given = () => node.logLines.filter(({ msg }) => msg === GIVEN_UP).length;
      await load.until("the links are given up", () => given() === LINKS, 5 * LEASE_MS);
      links.mend();
      const { recorder } = load;
      await load.allEnded(8_000);
      await load.allSubscribed();
      await Bun.sleep(load.random.integer(500, 1_000));
      // Version 1 gets 1013 for whatever asks it to come back, and polling has no codes.
      const told = recorder.ends.filter(({ client }) => /^(v2|stream|websocket)/.test(client));
      expect(told.filter(({ code }) => code !== 4007)).toEqual([]);
      // Deno keeps the codes to itself, and tells those who were closed from those who were cut off.
      const overQuic = recorder.ends.filter(({ client }) => client.startsWith("quic"));
      expect(overQuic.filter(({ ending }) => ending !== "orderly")).toEqual([]);
      load.takeEndsForMissed();
      expect(await load.violations()).toEqual([]);
      expect(await load.listed()).toEqual(load.present());
    },
  );
});
