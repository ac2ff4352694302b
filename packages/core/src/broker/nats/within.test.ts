import { expect, test } from "bun:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { whileHeard } from "./within.ts";

const PATIENCE = { silentMs: 100, mostMs: 1_000 };

/** What became of something that never comes, and of which is heard every so many milliseconds. */
async function waitWith(everyMs: number, forMs: number): Promise<number | undefined> {
  const clock = new FakeClock();
  const start = clock.now();
  let heardAt = 0;
  let rejectedAfter: number | undefined;
  whileHeard(clock, { ...PATIENCE, heardAt: () => heardAt }, new Promise(() => {})).catch(() => {
    rejectedAfter = clock.now() - start;
  });
  for (let passed = 0; passed < forMs && rejectedAfter === undefined; passed += 10) {
    if (passed % everyMs === 0) heardAt = clock.now();
    clock.advance(10);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
  }
  return rejectedAfter;
}

test("what is silent is given up", async () => {
  expect(await waitWith(Number.POSITIVE_INFINITY, 2_000)).toBe(100);
});

test("what goes on is waited for, though not for ever", async () => {
  expect(await waitWith(80, 900)).toBeUndefined();
  expect(await waitWith(80, 2_000)).toBe(1_000);
});

test("what comes is answered, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const patience = { ...PATIENCE, heardAt: () => 0 };
  expect(await whileHeard(clock, patience, Promise.resolve(7))).toBe(7);
  expect(clock.pendingTimers).toBe(0);
});
