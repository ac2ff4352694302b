/** What a back end is told by hooks while workers are harmed and it fails itself: one true story. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { FaultFixture, type FaultRun } from "../support/faults/fault-fixture.ts";
import { checkHooks } from "../support/faults/hook-checker.ts";
import type { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { type SeededRandom, seeds } from "../support/faults/seeded-random.ts";
import { HOOK_SECRET, HookReceiver } from "../support/hook-receiver.ts";

setDefaultTimeout(60_000);

const LEASE_MS = 2_000;
const REPLACED_MS = 12_000;
/** Few publications: the story is about who comes and goes. */
const PLAN = { publishers: 1 };

const cleanups: (() => unknown)[] = [];
const fixture = new FaultFixture();
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A receiver that takes most, fails often, and sometimes takes what it does not answer. */
function unreliable(random: SeededRandom): HookReceiver["answer"] {
  return () => {
    const chance = random.next();
    if (chance < 0.1) return 503;
    return chance < 0.2 ? 0 : 200;
  };
}

async function start(seed: number, workers: number) {
  const receiver = await HookReceiver.start();
  cleanups.push(() => receiver[Symbol.dispose]());
  const file = new ConfigFile({ hooks: [{ url: receiver.url, secrets: [HOOK_SECRET] }] });
  cleanups.push(() => file[Symbol.dispose]());
  const settings = {
    CONFIG_FILE: file.path,
    HOOKS_BATCH_DELAY: "5",
    HOOKS_BATCH_EVENTS: "20",
    HOOKS_VACATED_DELAY: "300",
    PRESENCE_LEASE: String(LEASE_MS),
    DRAIN_SECONDS: "1",
  };
  const run = await fixture.prepare(seed, workers, settings, PLAN);
  receiver.answer = unreliable(run.load.random.fork());
  await run.load.start();
  return { ...run, receiver };
}

/** A worker that hangs while it starts is given more time than one that serves. */
function allReady(node: NodeUnderTest): Promise<true> {
  const attempt = async () => {
    const { out } = await node.starling("status", "--json");
    const rows: { state: string }[] = JSON.parse(out).workers;
    return rows.every(({ state }) => state === "ready") || undefined;
  };
  return eventually("workers that serve", attempt, REPLACED_MS);
}

/** The whole story, once the node has ended and nothing holds the receiver up. */
async function told({ node, load }: FaultRun, receiver: HookReceiver): Promise<string[]> {
  receiver.answer = () => 200;
  await load.stop();
  expect(await node.process.stop()).toBe(0);
  const clients = load.clients.length;
  expect(receiver.taken.filter(({ type }) => type === "connect").length).toBeGreaterThan(clients);
  expect(receiver.mostAtOnce).toBe(1);
  return checkHooks(receiver);
}

test.each(seeds(81, 82))(
  "workers that are killed and hang leave no loose end in what hooks tell (seed %i)",
  async (seed) => {
    const { node, load, receiver } = await start(seed, 2);
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      await Bun.sleep(load.random.integer(300, 1_000));
      const harmed = load.random.pick(node.workers());
      process.kill(harmed, signal);
      await node.replaced(2, [harmed], REPLACED_MS);
      await allReady(node);
      await load.allSubscribed();
    }
    expect(await told({ node, load }, receiver)).toEqual([]);
  },
);

test.each(seeds(83))(
  "a restart of all workers leaves no loose end in what hooks tell (seed %i)",
  async (seed) => {
    const { node, load, receiver } = await start(seed, 2);
    await Bun.sleep(load.random.integer(300, 1_000));
    const { code } = await node.starling("restart");
    expect(code).toBe(0);
    await load.allSubscribed();
    expect(await told({ node, load }, receiver)).toEqual([]);
  },
);

test.each(seeds(84))(
  "clients that all break off and come back leave no loose end in what hooks tell (seed %i)",
  async (seed) => {
    const { node, load, receiver } = await start(seed, 0);
    for (const awayMs of [10, 800]) {
      await Bun.sleep(load.random.integer(300, 600));
      await load.breakAllOff(awayMs);
    }
    expect(await told({ node, load }, receiver)).toEqual([]);
  },
);
