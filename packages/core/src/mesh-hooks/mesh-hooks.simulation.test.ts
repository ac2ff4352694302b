import { describe, expect, test } from "bun:test";
import { keyOf } from "./facts.ts";
import { applyDoing, type Doing, HookWorld } from "./testing/hook-world.ts";
import { LEASE_MS } from "./testing/simulated-hooks.ts";

const SEEDS = Array.from({ length: 30 }, (_, index) => index + 1);

/** What follows once everything is well again. */
async function settled(world: HookWorld): Promise<void> {
  world.heal();
  await world.mesh.pass(6 * LEASE_MS);
}

describe("whatever is killed", () => {
  test.each(SEEDS)("each thing is told to begin once and to end once (seed %i)", async (seed) => {
    const world = new HookWorld(seed);
    await world.begin(3);
    for (let step = 0; step < 60; step++) {
      applyDoing(world, world.pick<Doing>(["come", "come", "come", "go", "go", "fail", "answer"]));
      if (step % 20 === 9) await world.stopOne();
      if (step % 20 === 19) await world.killOne();
      await world.mesh.pass(world.number(800));
    }
    await settled(world);
    expect(world.contradictions).toEqual([]);
    expect(world.believed).toEqual(world.actual);
    expect(world.missing).toEqual([]);
    expect(world.mesh.senders).toHaveLength(1);
    expect(world.kept).toBe(0);
  });
});

describe("whatever is cut off", () => {
  test.each(SEEDS)("the receiver knows in the end how things are (seed %i)", async (seed) => {
    const world = new HookWorld(seed);
    await world.begin(4);
    world.mesh.loss = seed % 2 === 0 ? 0.02 : 0;
    for (let step = 0; step < 80; step++) {
      const doing = world.pick<Doing>([
        ...(["come", "come", "come", "go", "go", "fail", "answer"] as const),
        ...(["split", "join", "unlink", "link"] as const),
      ]);
      applyDoing(world, doing);
      if (step % 40 === 39) {
        // Of a part that is lost as a whole nobody knows what it told.
        world.heal();
        await world.mesh.pass(3 * LEASE_MS);
        await world.killOne();
        world.mesh.loss = seed % 2 === 0 ? 0.02 : 0;
      }
      await world.mesh.pass(world.number(step % 10 === 0 ? 3 * LEASE_MS : 1_000));
    }
    await settled(world);
    expect(world.believed).toEqual(world.actual);
    expect(world.mesh.senders).toHaveLength(1);
    expect(world.kept).toBe(0);
  });
});

test("keys of facts tell them apart", () => {
  const channel = { app: "a", channel: "c" };
  const member = { ...channel, connection: "c", clientId: "", user: undefined };
  const keys = [
    keyOf({ kind: "channel", ...channel }),
    keyOf({ kind: "member", ...member }),
    keyOf({ kind: "connection", app: "a", connection: "c", user: undefined }),
  ];
  expect(new Set(keys).size).toBe(3);
});
