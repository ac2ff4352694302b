import { expect, test } from "bun:test";
import fc from "fast-check";
import { tellingFormat } from "../testing/recovery-fixture.ts";
import { TestSubscriber } from "../testing/test-subscriber.ts";
import { type CaughtUp, merge, StandIn } from "./catch-up.ts";
import { Channel } from "./channel.ts";

const subscriber = new TestSubscriber("id", undefined, tellingFormat);

function part(
  channel: string,
  epoch: string,
  offsets: readonly number[],
  hasMore: boolean,
): CaughtUp {
  const standIn = new StandIn(
    subscriber,
    new Channel("default", channel),
    tellingFormat,
    () => true,
  );
  const entries = offsets.map((offset) => ({
    offset,
    time: 0,
    content: { app: "default", channel, event: "e", data: `${offset}` },
  }));
  return { standIn, position: { epoch, offset: 1_000 }, entries, hasMore };
}

test("numbers of different streams say nothing about one another", () => {
  const { entries, upTo, hasMore } = merge([
    part("a", "E1", [100, 300], true),
    part("b", "E2", [1, 7], false),
    part("c", "E1", [200, 400], false),
  ]);
  expect(entries.map(({ epoch, entry: { offset } }) => [epoch, offset])).toEqual([
    ["E1", 100],
    ["E1", 200],
    ["E1", 300],
    ["E1", 400],
    ["E2", 1],
    ["E2", 7],
  ]);
  expect([...upTo]).toEqual([
    ["E1", 300],
    ["E2", 1_000],
  ]);
  expect(hasMore).toBe(true);
});

test("whatever comes from which stream, each has all of it in order, up to where all is known", () => {
  const one = fc.record({
    epoch: fc.constantFrom("E1", "E2", "E3"),
    offsets: fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 8 }),
    hasMore: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 6 }), (all) => {
      const parts = all.map(({ epoch, offsets, hasMore }, index) =>
        part(
          `${index}`,
          epoch,
          offsets.toSorted((a, b) => a - b),
          hasMore,
        ),
      );
      const { entries, upTo } = merge(parts);
      for (const stream of ["E1", "E2", "E3"]) {
        const own = entries.filter(({ epoch }) => epoch === stream);
        const offsets = own.map(({ entry }) => entry.offset);
        const given = all.filter(({ epoch }) => epoch === stream).flatMap((each) => each.offsets);
        expect(offsets).toEqual(given.toSorted((a, b) => a - b));
        const ends = all
          .filter(({ epoch }) => epoch === stream)
          .map((each) => (each.hasMore ? Math.max(...each.offsets) : 1_000));
        expect(upTo.get(stream)).toBe(ends.length === 0 ? undefined : Math.min(...ends));
      }
    }),
  );
});
