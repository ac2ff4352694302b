import { expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { Handovers, Receipt } from "./handovers.ts";

function setUp() {
  const clock = new FakeClock();
  const handovers = new Handovers<string>(clock);
  /** Hands a delivery to the workers; answers how to take it, and when that was done. */
  const hand = (...workers: string[]) => {
    const receipt = new Receipt();
    const taken = workers.map((worker) => handovers.add(worker, receipt));
    const delivery = { taken, doneAt: receipt.isDone ? 0 : undefined, receipt };
    const start = clock.now();
    receipt.onDone(() => {
      expect(delivery.doneAt).toBeUndefined();
      delivery.doneAt = clock.now() - start;
    });
    return delivery;
  };
  return { clock, handovers, hand };
}

test("a delivery is done once every worker has taken it over", () => {
  const { clock, handovers, hand } = setUp();
  const { taken, receipt } = hand("a", "b");
  taken[0]?.(true);
  taken[0]?.(true);
  expect(receipt.isDone).toBe(false);
  taken[1]?.(true);
  expect(receipt.isDone).toBe(true);
  expect(handovers.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test("a worker that lets 200 ms pass holds up nobody, neither then nor later", () => {
  const { clock, handovers, hand } = setUp();
  const first = hand("a", "b");
  first.taken[1]?.(true);
  clock.advance(150);
  const second = hand("a");
  clock.advance(49);
  expect([first.doneAt, second.doneAt]).toEqual([undefined, undefined]);
  clock.advance(1);
  expect([first.doneAt, second.doneAt]).toEqual([200, 50]);
  expect([handovers.lagging, handovers.timedOut]).toEqual([1, 1]);
  expect(hand("a").doneAt).toBe(0);
  expect(hand("a", "b").receipt.isDone).toBe(false);
});

test("a worker that takes something over, however late, is waited for again", () => {
  const { clock, handovers, hand } = setUp();
  const late = hand("a");
  clock.advance(200);
  const meanwhile = hand("a");
  expect(meanwhile.doneAt).toBe(0);
  late.taken[0]?.(true);
  expect(handovers.lagging).toBe(0);
  const next = hand("a");
  expect(next.doneAt).toBeUndefined();
  clock.advance(200);
  expect(handovers.lagging).toBe(1);
  meanwhile.taken[0]?.(true);
  expect(handovers.lagging).toBe(0);
  expect([late.doneAt, next.doneAt]).toEqual([200, 200]);
});

test("nobody waits for a worker that is gone, and what it takes afterwards counts for nothing", () => {
  const { clock, handovers, hand } = setUp();
  const { taken, receipt } = hand("a", "b");
  handovers.forget("a");
  expect(receipt.isDone).toBe(false);
  taken[0]?.(true);
  expect(receipt.isDone).toBe(false);
  handovers.forget("b");
  expect(receipt.isDone).toBe(true);
  hand("a");
  clock.advance(200);
  handovers.forget("a");
  expect(handovers.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test("a worker whose queue was dropped goes on lagging, and holds up nobody a second time", () => {
  const { clock, handovers, hand } = setUp();
  const first = hand("a");
  clock.advance(200);
  expect(first.doneAt).toBe(200);
  first.taken[0]?.(false);
  expect(handovers.lagging).toBe(1);
  expect(hand("a").doneAt).toBe(0);
  handovers.forget("a");
  const dropped = hand("a");
  dropped.taken[0]?.(false);
  expect([dropped.doneAt, handovers.size]).toEqual([0, 0]);
});
