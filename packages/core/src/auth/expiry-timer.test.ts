import { expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { ExpiryTimer } from "./expiry-timer.ts";

const DAY = 86_400_000;

function setUp() {
  const clock = new FakeClock();
  const expired: number[] = [];
  const timer = new ExpiryTimer(clock, () => expired.push(clock.now()));
  return { clock, timer, expired };
}

test("an end further away than a timer can wait is met all the same", () => {
  const { clock, timer, expired } = setUp();
  const end = clock.now() + 100 * DAY;
  timer.watch(end);
  clock.advance(100 * DAY - 1);
  expect(expired).toEqual([]);
  clock.advance(1);
  expect(expired).toEqual([end]);
});

test("a later end takes the place of the one before, and none leaves no timer", () => {
  const { clock, timer, expired } = setUp();
  timer.watch(clock.now() + 10);
  timer.watch(clock.now() + 20);
  clock.advance(15);
  expect(expired).toEqual([]);
  timer.watch(undefined);
  expect(clock.pendingTimers).toBe(0);
  clock.advance(DAY);
  expect(expired).toEqual([]);
});

test("an end that has passed is met at once, and a stop in time prevents it", () => {
  const { clock, timer, expired } = setUp();
  timer.watch(clock.now() - 5);
  timer.stop();
  clock.advance(0);
  expect(expired).toEqual([]);
  timer.watch(clock.now() - 5);
  clock.advance(0);
  expect(expired.length).toBe(1);
});
