import { expect, test } from "bun:test";
import { CpuShare } from "./cpu-share.ts";
import { FakeClock } from "./testing/fake-clock.ts";

function measured(shares: readonly number[]) {
  const clock = new FakeClock();
  let used = 123;
  const cpu = new CpuShare(clock, () => used);
  cpu.start();
  const seen = shares.map((share) => {
    used += share * 2_000;
    clock.advance(2_000);
    return cpu.share;
  });
  return { clock, cpu, seen };
}

test("a process that did nothing so far has a share of 0", () => {
  expect(measured([]).cpu.share).toBe(0);
});

test("the share nears what the process uses, over some periods", () => {
  const { seen } = measured([0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]);
  expect(seen[0]).toBe(0.2);
  expect(seen.at(-1)).toBeGreaterThan(0.75);
  expect(seen.at(-1)).toBeLessThanOrEqual(0.8);
});

test("several threads are not more than a core", () => {
  const { seen } = measured(Array.from({ length: 50 }, () => 3));
  expect(seen.at(-1)).toBe(1);
});

test("a clock that is set back counts for nothing, and measuring goes on", () => {
  const { clock, cpu } = measured([0.8]);
  clock.set(-60_000);
  clock.advance(2_000);
  expect(cpu.share).toBe(0.2);
  clock.advance(2_000);
  expect(cpu.share).toBe(0.15);
});

test("nobody is looked at any more once it has stopped", () => {
  const { clock, cpu } = measured([]);
  cpu.stop();
  expect(clock.pendingTimers).toBe(0);
});
