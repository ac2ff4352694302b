import { expect, test } from "bun:test";
import { RoundTrip } from "./round-trip.ts";

test("the shortest time counts, and is forgotten when nothing was as short for some time", () => {
  const trip = new RoundTrip();
  expect(trip.ms).toBe(0);
  for (const [ms, now] of [
    [170, 0],
    [160, 100],
    [900, 200],
  ] as const) {
    trip.took(ms, now);
  }
  expect(trip.ms).toBe(160);
  // A leader that is nearer is known at once, one that is farther away when the other is forgotten.
  trip.took(5, 1_000);
  expect(trip.ms).toBe(5);
  for (let now = 10_000; now <= 30_000; now += 1_000) trip.took(80, now);
  expect(trip.ms).toBe(80);
});

test("a clock that is set does not spoil it", () => {
  const trip = new RoundTrip();
  trip.took(100, 1_000_000);
  trip.took(-50_000, 900_000);
  expect(trip.ms).toBe(0);
  trip.took(100, 910_000);
  trip.took(100, 920_000);
  expect(trip.ms).toBe(100);
});
