import { expect, test } from "bun:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { Gate, Tail } from "./tail.ts";

test("how far a stream was at a moment is known from what had come by then, however late it is asked", () => {
  const gate = new Gate(() => {});
  expect(gate.offsetAt(50_000)).toBe(0);
  for (let second = 10; second < 40; second++) gate.came(100 * second, 1_000 * second);
  // What is older than the newest says nothing.
  gate.came(5, 40_000);
  expect([9, 10, 19, 20, 39, 40, 90].map((second) => gate.offsetAt(1_000 * second))).toEqual([
    0, 1_000, 1_000, 2_000, 3_000, 3_900, 3_900,
  ]);
});

test("what comes while something may be missing does not say how far the stream is", () => {
  const gate = new Gate(() => {});
  gate.came(1, 10_000);
  gate.hold();
  gate.came(9, 30_000);
  expect(gate.offsetAt(30_000)).toBe(1);
  gate.hasLooked();
  gate.open([]);
  gate.came(10, 30_001);
  expect(gate.offsetAt(30_001)).toBe(10);
  gate.clear();
  expect(gate.offsetAt(30_001)).toBe(0);
});

test("how much of a stream comes to a worker is known from what had come before a moment", () => {
  const gate = new Gate(() => {});
  expect(gate.shareBefore(90_000)).toBe(0);
  // Every second number of the stream is of a channel of this worker.
  for (let second = 10; second < 40; second++) gate.came(2 * second, 1_000 * second);
  expect(gate.shareBefore(15_000)).toBe(0);
  expect(gate.shareBefore(35_000)).toBe(0.5);
  // What was cut off since does not count.
  gate.came(10_000, 50_000);
  expect(gate.shareBefore(45_000)).toBe(0.5);
  expect(gate.shareBefore(50_000)).toBeLessThan(0.01);
  gate.clear();
  expect(gate.shareBefore(90_000)).toBe(0);
});

/** A tail that has everything up to 1, with the fillings of its gate. */
function aTail() {
  const clock = new FakeClock();
  const state = { fillings: 0 };
  const gate = new Gate(() => {
    state.fillings++;
  });
  const deliver = () => {};
  const flushed = () => Promise.resolve();
  const tail = new Tail({ clock, gate, deliver, flushed, doubt() {} });
  tail.begin(1);
  return { clock, gate, tail, state };
}

test("what is late is looked for in the stream", async () => {
  const { clock, gate, tail, state } = aTail();
  const reached = tail.reach(2);
  clock.advance(500);
  await settled();
  expect(state.fillings).toBe(1);
  expect([...gate.gaps]).toEqual([tail]);
  tail.hasRead(2);
  gate.open([]);
  tail.wasFilled();
  expect(await reached).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test("whoever fills a gap is not given what is late meanwhile, or would never end", async () => {
  const { clock, gate, tail, state } = aTail();
  gate.fill(tail);
  gate.gaps.clear();
  void tail.reach(2);
  clock.advance(500);
  await settled();
  expect([...gate.gaps]).toEqual([]);
  gate.open([]);
  clock.advance(500);
  await settled();
  expect(state.fillings).toBe(2);
  expect([...gate.gaps]).toEqual([tail]);
});

test("what is late while others are filled is looked for when they are, unless it has come", async () => {
  const clock = new FakeClock();
  const flushed = () => Promise.resolve();
  let fills = 0;
  const gate = new Gate(() => {
    fills++;
  });
  const tailOf = () => {
    const tail = new Tail({ gate, clock, deliver() {}, flushed, doubt() {} });
    tail.begin(0);
    return tail;
  };
  const [broken, late, slow] = [tailOf(), tailOf(), tailOf()];
  broken.take({ offset: 5, previous: 3, publication: undefined });
  expect(fills).toBe(1);
  gate.gaps.clear();
  const reached = [late.reach(6), slow.reach(7)];
  clock.advance(500);
  await settled();
  // Gaps that came by time alone would keep whoever fills at it for ever.
  expect(gate.gaps.size).toBe(0);
  slow.take({ offset: 7, previous: 0, publication: undefined });
  gate.open([]);
  expect(gate.isHeld).toBe(true);
  broken.hasRead(5);
  gate.gaps.clear();
  gate.open([]);
  gate.lookAgain();
  expect([...gate.gaps]).toEqual([late]);
  late.hasRead(6);
  gate.open([]);
  late.wasFilled();
  expect(await Promise.all(reached)).toEqual([true, true]);
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
