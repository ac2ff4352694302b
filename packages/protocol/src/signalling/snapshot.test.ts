import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeServerSignal, encodeSignal } from "./codec.ts";
import { defaultSignalLimits, signalLimits } from "./limits.ts";
import { snapshotPages } from "./snapshot.ts";

test("an empty channel is told in one page without members", () => {
  expect(snapshotPages("room", [], defaultSignalLimits)).toEqual([
    { t: "control", op: "snapshot", c: "room", ms: [] },
  ]);
});

test("members that fit travel in one page, the last page of all says no more", () => {
  const members = Array.from({ length: 1000 }, (_, index) => ({ p: `peer-${index}`, since: 5 }));
  expect(snapshotPages("room", members.slice(0, 100), defaultSignalLimits)).toHaveLength(1);
  const pages = snapshotPages("room", members, signalLimits(1024));
  expect(pages.length).toBeGreaterThan(1);
  expect(pages.map(({ more }) => more === true)).toEqual([
    ...pages.slice(1).map(() => true),
    false,
  ]);
});

test("a member that would make a page too large opens the next one", () => {
  const limits = signalLimits();
  const member = { p: "ada", pl: new Uint8Array(limits.stateBytes), since: 5 };
  const pages = snapshotPages("room", Array(17).fill(member), limits);
  expect(pages.map(({ ms }) => ms.length)).toEqual([16, 1]);
  for (const page of pages) {
    expect(encodeSignal(page).length).toBeLessThanOrEqual(limits.messageBytes);
  }
});

test("all members come in their order, and every page fits into a message", () => {
  const limits = signalLimits(64, 512);
  const member = fc.record(
    {
      p: fc.string({ unit: "grapheme", maxLength: 20 }),
      pl: fc.uint8Array({ maxLength: limits.stateBytes, size: "max" }),
      since: fc.maxSafeNat(),
    },
    { requiredKeys: ["p", "since"] },
  );
  const channel = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(channel, fc.array(member, { maxLength: 80, size: "max" }), (c, members) => {
      const read = snapshotPages(c, members, limits).flatMap((page) => {
        const result = decodeServerSignal(encodeSignal(page), limits);
        if (!result.ok || !("ms" in result.signal)) throw new Error("the page is no snapshot");
        return result.signal.ms;
      });
      expect(read).toEqual(members);
    }),
    // Shrinking lists of this size takes minutes and tells little.
    { numRuns: 50, endOnFailure: true },
  );
});
