import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { Occupancy } from "./occupancy.ts";

function setUp(vacatedMs = 3_000) {
  const clock = new FakeClock();
  const told: string[] = [];
  const occupancy = new Occupancy({
    clock,
    vacatedMs,
    occupied: (app, channel) => told.push(`${app} ${channel} occupied`),
    vacated: (app, channel) => told.push(`${app} ${channel} vacated`),
  });
  return { clock, told, occupancy };
}

test("a channel is occupied at once, and vacated when nobody has come back for a while", () => {
  const { clock, told, occupancy } = setUp();
  occupancy.opened("a", "x");
  expect(told).toEqual(["a x occupied"]);
  occupancy.closed("a", "x");
  clock.advance(2_999);
  expect(told).toEqual(["a x occupied"]);
  clock.advance(1);
  expect(told).toEqual(["a x occupied", "a x vacated"]);
  occupancy.opened("a", "x");
  expect(told).toHaveLength(3);
});

test("whoever comes back in time changes nothing, and the time begins anew", () => {
  const { clock, told, occupancy } = setUp();
  occupancy.opened("a", "x");
  for (let times = 0; times < 5; times++) {
    occupancy.closed("a", "x");
    clock.advance(2_500);
    occupancy.opened("a", "x");
    clock.advance(2_500);
  }
  expect(told).toEqual(["a x occupied"]);
  occupancy.closed("a", "x");
  clock.advance(3_000);
  expect(told).toEqual(["a x occupied", "a x vacated"]);
});

test("channels of the same name in other apps are others", () => {
  const { clock, told, occupancy } = setUp();
  occupancy.opened("a", "x");
  occupancy.opened("b", "x");
  occupancy.closed("a", "x");
  clock.advance(3_000);
  expect(told).toEqual(["a x occupied", "b x occupied", "a x vacated"]);
});

test("without a delay a channel is vacated at once", () => {
  const { clock, told, occupancy } = setUp(0);
  occupancy.opened("a", "x");
  occupancy.closed("a", "x");
  expect(told).toEqual(["a x occupied", "a x vacated"]);
  expect(clock.pendingTimers).toBe(0);
});

test("where nobody will come back everything is vacated now, and once", () => {
  const { clock, told, occupancy } = setUp();
  for (const channel of ["x", "y", "z"]) occupancy.opened("a", channel);
  for (const channel of ["x", "y"]) occupancy.closed("a", channel);
  told.splice(0);
  occupancy.flush();
  expect(told).toEqual(["a x vacated", "a y vacated"]);
  clock.advance(10_000);
  expect(told).toHaveLength(2);
  expect(clock.pendingTimers).toBe(0);
});

test("more channels than may be about to be vacated are so at once", () => {
  const { told, occupancy } = setUp();
  for (let n = 0; n < 100_000; n++) occupancy.closed("a", String(n));
  expect(told).toEqual([]);
  occupancy.closed("a", "more");
  expect(told).toEqual(["a more vacated"]);
});

test("occupied and vacated alternate in each channel, and the last says how things are", () => {
  const step = fc.record({ channel: fc.nat(2), waitMs: fc.nat(5_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { clock, told, occupancy } = setUp();
      const open = new Set<string>();
      for (const { channel, waitMs } of steps) {
        const name = String(channel);
        if (open.delete(name)) {
          occupancy.closed("a", name);
        } else {
          open.add(name);
          occupancy.opened("a", name);
        }
        clock.advance(waitMs);
      }
      clock.advance(3_000);
      for (const name of ["0", "1", "2"]) {
        const ofChannel = told.filter((text) => text.startsWith(`a ${name} `));
        for (const [index, text] of ofChannel.entries()) {
          expect(text.endsWith(index % 2 === 0 ? "occupied" : "vacated")).toBe(true);
        }
        expect(ofChannel.length % 2 === 1).toBe(open.has(name));
      }
    }),
  );
});
