/** What others notice of a worker that dies, hangs for a while, or hangs for good. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FaultFixture, type FaultRun } from "../support/faults/fault-fixture.ts";
import type { MemberClient } from "../support/faults/member-client.ts";
import type { Plan } from "../support/faults/plan.ts";
import { seeds } from "../support/faults/seeded-random.ts";

setDefaultTimeout(60_000);

const LEASE_MS = 2_000;
const ENVIRONMENT = { PRESENCE_LEASE: String(LEASE_MS) };
const LIMITS = { leaseMs: LEASE_MS, slackMs: 3_000 };
const REPLACED_MS = 10_000;
/** QUIC itself would find out only after ten seconds. */
const SOON_NOTICED = { quicSilentMs: 2_000 } as const satisfies Plan;
const NOTICED_MS = 10_000;

const fixture = new FaultFixture();

/** Every third member does not come back once it has lost its connection. */
function letSomeStayAway({ load }: FaultRun): readonly MemberClient[] {
  const chosen = load.members.filter((_member, index) => index % 3 === 0);
  for (const member of chosen) member.stayAway();
  return chosen;
}

/** All who were told that somebody has gone, as often as they were, by their name and channel. */
function farewells({ load }: FaultRun, member: MemberClient): Record<string, number> {
  const { memberships } = load.recorder.history();
  const theirs = memberships.filter((each) => each.member === member.name);
  const observed = memberships.filter(
    ({ member: name, channel, from, until }) =>
      name !== member.name &&
      until === undefined &&
      theirs.some((each) => each.channel === channel && (from ?? 0) < (each.until ?? 0)),
  );
  return Object.fromEntries(
    observed.map(({ member: name, channel, sights }) => [
      `${name} in ${channel}`,
      sights.filter(({ what, member: gone }) => what === "offline" && gone === member.name).length,
    ]),
  );
}

/** What holds after a worker has gone without a word, and another has come. */
async function expectOnlyItsClientsNoticed(
  run: FaultRun,
  gone: number,
  away: readonly MemberClient[],
): Promise<void> {
  const { node, load } = run;
  await load.allSubscribed();
  await Bun.sleep(load.random.integer(500, 1_000));
  expect(await load.violations(LIMITS)).toEqual([]);

  const { ends, failures } = load.recorder;
  expect(ends.map(({ ending }) => ending)).not.toContain("orderly");
  const cut = new Set(ends.map(({ client }) => client));
  expect(cut.size).toBeGreaterThan(0);
  expect(cut.size).toBeLessThan(load.clients.length);
  for (const publisher of load.publishers) {
    const theirs = failures.filter((each) => each.publisher === publisher.name);
    // One request at a time, so no more than one was with the worker that went.
    expect(theirs.slice(1)).toEqual([]);
  }
  const { publications } = load.recorder.history();
  const unanswered = publications.filter(
    ({ publisher, answeredAt }) => publisher.includes("keyed") && answeredAt === undefined,
  );
  expect(unanswered).toEqual([]);

  for (const member of away.filter(({ name }) => cut.has(name))) {
    for (const [observer, times] of Object.entries(farewells(run, member))) {
      expect([observer, member.name, times]).toEqual([observer, member.name, 1]);
    }
  }
  expect(await load.listed()).toEqual(load.present());
  expect(node.logLines.filter(({ level, pid }) => level === "error" && pid === gone)).not.toEqual(
    [],
  );
}

describe("a worker that is killed", () => {
  test.each(seeds(21))(
    "is missed by nobody but its own clients, which come back to others (seed %i)",
    async (seed) => {
      // Its end is noticed at once, and a short lease would be that of the others, too.
      const run = await fixture.start(seed, 2, { PRESENCE_LEASE: "10000" });
      const { node, load } = run;
      const away = letSomeStayAway(run);
      await Bun.sleep(load.random.integer(500, 1_500));
      const killed = load.random.pick(node.workers());
      process.kill(killed, "SIGKILL");
      await node.replaced(2, [killed], REPLACED_MS);
      await expectOnlyItsClientsNoticed(run, killed, away);
    },
  );
});

describe("the quic worker that is killed", () => {
  test.each(seeds(23))(
    "is missed by nobody but its own clients, which come back to the next (seed %i)",
    async (seed) => {
      const run = await fixture.start(seed, 2, { PRESENCE_LEASE: "10000" }, SOON_NOTICED);
      const { node, load } = run;
      const away = letSomeStayAway(run);
      await Bun.sleep(load.random.integer(500, 1_500));
      const killed = node.quicWorker();
      process.kill(killed, "SIGKILL");
      await load.allEnded(NOTICED_MS, load.quicMembers);
      await expectOnlyItsClientsNoticed(run, killed, away);
    },
  );
});

describe("a worker that hangs", () => {
  test.each(seeds(51))(
    "and goes on within the lease has lost and doubled nothing, nor has the quic worker (seed %i)",
    async (seed) => {
      const { node, load } = await fixture.start(seed, 2, { PRESENCE_LEASE: "10000" });
      await Bun.sleep(load.random.integer(500, 1_000));
      const processes = node.processes();
      const hung = [load.random.pick(node.workers()), node.quicWorker()];
      const hungAt = load.recorder.now();
      for (const pid of hung) process.kill(pid, "SIGSTOP");
      await Bun.sleep(load.random.integer(2_000, 3_000));
      for (const pid of hung) process.kill(pid, "SIGCONT");
      await Bun.sleep(1_000);
      load.recorder.lagged(hungAt);
      // News of who joined may be as late as the worker was.
      expect(await load.violations({ leaseMs: 0, slackMs: 4_500 })).toEqual([]);
      expect(load.recorder.ends).toEqual([]);
      expect(load.recorder.failures).toEqual([]);
      expect(node.processes()).toEqual(processes);
    },
  );

  test.each(seeds(52))("for longer than the lease is replaced (seed %i)", async (seed) => {
    const run = await fixture.start(seed, 2, ENVIRONMENT);
    const { node, load } = run;
    const away = letSomeStayAway(run);
    await Bun.sleep(load.random.integer(500, 1_000));
    const hung = load.random.pick(node.workers());
    process.kill(hung, "SIGSTOP");
    await node.replaced(2, [hung], LEASE_MS + REPLACED_MS);
    await expectOnlyItsClientsNoticed(run, hung, away);
  });

  test.each(seeds(53))("and is the quic worker is replaced, too (seed %i)", async (seed) => {
    const run = await fixture.start(seed, 2, ENVIRONMENT, SOON_NOTICED);
    const { node, load } = run;
    const away = letSomeStayAway(run);
    await Bun.sleep(load.random.integer(500, 1_000));
    const hung = node.quicWorker();
    process.kill(hung, "SIGSTOP");
    await load.allEnded(NOTICED_MS, load.quicMembers);
    await expectOnlyItsClientsNoticed(run, hung, away);
  });
});
