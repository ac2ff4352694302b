import { expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { MemoryTrimmer } from "./memory-trimmer.ts";

function setUp() {
  const clock = new FakeClock();
  const counters = { connections: 0 };
  const trims: number[] = [];
  const trimmer = new MemoryTrimmer(counters, clock, () => trims.push(counters.connections));
  trimmer.start();
  // What the start itself left behind goes first.
  clock.advance(5_000);
  expect(trims.splice(0)).toEqual([0, 0, 0]);
  const pass = (connections: number) => {
    counters.connections = connections;
    clock.advance(1_000);
  };
  return { clock, trimmer, trims, pass };
}

test("memory is given back in three rounds after a wave of connections, when it is quiet", () => {
  const { pass, trims } = setUp();
  for (const connections of [2_000, 4_000, 5_000]) pass(connections);
  expect(trims).toEqual([]);
  for (const connections of [5_010, 5_020, 5_010, 5_015]) pass(connections);
  expect(trims).toEqual([5_010, 5_020, 5_010]);
});

test("memory is given back after they have left, too", () => {
  const { pass, trims } = setUp();
  for (let second = 0; second < 6; second++) pass(5_000);
  for (let second = 0; second < 6; second++) pass(100);
  expect(trims).toEqual([5_000, 5_000, 5_000, 100, 100, 100]);
});

test("a small number coming and going costs no pause, and a stop leaves no timer", () => {
  const { clock, pass, trimmer, trims } = setUp();
  for (const connections of [400, 400, 900, 900, 10, 10]) pass(connections);
  expect(trims).toEqual([]);
  trimmer.stop();
  expect(clock.pendingTimers).toBe(0);
});
