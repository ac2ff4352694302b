import { expect, test } from "bun:test";
import type { NatsConnection } from "@nats-io/nats-core";
import { FakeClock } from "../../testing/fake-clock.ts";
import { LinkProbe } from "./link-probe.ts";

/** A link whose PINGs are answered when a test says so. */
function probed() {
  const clock = new FakeClock();
  const pings: PromiseWithResolvers<void>[] = [];
  const flush = () => {
    const ping = Promise.withResolvers<void>();
    pings.push(ping);
    return ping.promise;
  };
  const link: {
    connection: NatsConnection | undefined;
    downSince: number | undefined;
    number: number;
  } = {
    connection: { flush } as unknown as NatsConnection,
    downSince: undefined,
    number: 1,
  };
  const probe = new LinkProbe(link, clock);
  const answer = async (ping: number, isLost = false) => {
    if (isLost) pings[ping]?.reject(new Error("the link broke"));
    else pings[ping]?.resolve();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { clock, link, probe, pings, answer };
}

test("a link is behind by what its last PING took", async () => {
  const { clock, probe, answer } = probed();
  expect(probe.report()).toEqual({ downMs: null, lagMs: null });
  clock.advance(40);
  await answer(0);
  expect(probe.report()).toEqual({ downMs: null, lagMs: 40 });
  clock.advance(7);
  await answer(1);
  expect(probe.report()).toEqual({ downMs: null, lagMs: 7 });
});

test("one PING is under way at a time, and one without an answer counts for as long as it takes", async () => {
  const { clock, probe, pings, answer } = probed();
  probe.report();
  clock.advance(5);
  await answer(0);
  probe.report();
  clock.advance(3_000);
  expect(probe.report().lagMs).toBe(3_000);
  clock.advance(1_000);
  expect(probe.report().lagMs).toBe(4_000);
  expect(pings).toHaveLength(2);
  await answer(1);
  expect(probe.report().lagMs).toBe(4_000);
  await answer(2);
  expect(probe.report().lagMs).toBe(0);
});

test("a link that is down says for how long, and forgets what it knew", async () => {
  const { clock, link, probe, answer } = probed();
  probe.report();
  link.downSince = clock.now();
  link.connection = undefined;
  clock.advance(2_000);
  expect(probe.report()).toEqual({ downMs: 2_000, lagMs: null });
  await answer(0, true);
  expect(probe.report()).toEqual({ downMs: 2_000, lagMs: null });
});

test("the PING of an earlier link is waited for no longer", async () => {
  const { clock, link, probe, pings, answer } = probed();
  probe.report();
  link.number = 2;
  clock.advance(9_000);
  expect(probe.report()).toEqual({ downMs: null, lagMs: null });
  expect(pings).toHaveLength(2);
  await answer(0);
  clock.advance(3);
  await answer(1);
  expect(probe.report().lagMs).toBe(3);
});
