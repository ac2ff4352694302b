import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { type Ban, mergedBan } from "./ban.ts";
import { BanList, MAX_BANS } from "./ban-list.ts";

const APP = "default";
const MINUTE = 60_000;

function say(list: BanList, ...said: Parameters<BanList["next"]>): Ban {
  const ban = list.next(...said);
  list.merge(ban);
  return ban;
}

function setUp() {
  const clock = new FakeClock();
  const list = () => new BanList(clock);
  return { clock, list, now: clock.now() };
}

describe("a list of bans", () => {
  test("knows who is banned, in which app and until when", () => {
    const { clock, list, now } = setUp();
    const bans = list();
    say(bans, APP, "ada", now + MINUTE, "a");
    say(bans, APP, "bob", now + 2 * MINUTE, "a");
    expect([bans.has(APP, "ada"), bans.has("shop", "ada"), bans.has(APP, "carol")]).toEqual([
      ...[true, false, false],
    ]);
    expect(bans.ofApp(APP).map(({ user }) => user)).toEqual(["ada", "bob"]);
    clock.advance(MINUTE);
    expect([bans.has(APP, "ada"), bans.has(APP, "bob")]).toEqual([false, true]);
    expect(bans.ofApp("shop")).toEqual([]);
    clock.advance(MINUTE);
    expect(bans.digest).toEqual({ count: 0, hash: 0 });
  });

  test("does not let a ban come back that was lifted, or made shorter, when an older one is told late", () => {
    const { clock, list, now } = setUp();
    const [here, there] = [list(), list()];
    const long = say(here, APP, "ada", now + 10 * MINUTE, "a");
    const lifted = say(here, APP, "ada", 0, "a");
    there.merge(lifted);
    clock.advance(5 * MINUTE);
    expect(there.merge(long)).toBe(false);
    expect(there.has(APP, "ada")).toBe(false);
    here.merge(long);
    const short = say(here, APP, "bob", now + 10 * MINUTE, "a");
    say(here, APP, "bob", now + 6 * MINUTE, "a");
    clock.advance(2 * MINUTE);
    expect([here.merge(long), here.merge(short)]).toEqual([false, false]);
    expect(here.ofApp(APP)).toEqual([]);
    clock.advance(4 * MINUTE);
    expect(here.digest.count).toBe(0);
  });

  test("that knows only the end of a ban does not forget it before the longest that was told", () => {
    const { clock, list, now } = setUp();
    const [first, second] = [list(), list()];
    const long = say(first, APP, "ada", now + 10 * MINUTE, "a");
    clock.advance(1);
    // It has not heard of the long one.
    const short = say(second, APP, "ada", now + MINUTE, "b");
    first.merge(short);
    expect(first.has(APP, "ada")).toBe(true);
    clock.advance(5 * MINUTE);
    expect(first.digest.count).toBe(1);
    expect(first.merge(long)).toBe(false);
    expect(first.has(APP, "ada")).toBe(false);
  });

  test("takes as many as it may, and counts the others", () => {
    const { clock, list, now } = setUp();
    const bans = list();
    for (let user = 0; user < MAX_BANS; user++) say(bans, APP, `${user}`, now + MINUTE, "a");
    const oneMore = () => say(bans, APP, "one more", clock.now() + MINUTE, "a");
    expect(oneMore).toThrow(expect.objectContaining({ errorName: "too_many_bans" }));
    expect(bans.refused).toBe(1);
    say(bans, APP, "1", now + 2 * MINUTE, "a");
    clock.advance(MINUTE);
    expect(oneMore).not.toThrow();
    expect(bans.size).toBe(2);
  });

  test("tells everything in pages, in one order", () => {
    const { list, now } = setUp();
    const bans = list();
    for (const user of ["c", "a", "b"]) say(bans, APP, user, now + MINUTE, "a");
    const first = bans.page("", 2);
    expect(first.bans.map(({ user }) => user)).toEqual(["a", "b"]);
    const last = bans.page(first.next, 2);
    expect([last.bans.map(({ user }) => user), last.next]).toEqual([["c"], ""]);
  });
});

const { now } = setUp();
const anyBan: fc.Arbitrary<Ban> = fc
  .record({
    app: fc.constant(APP),
    user: fc.constantFrom("ada", "bob"),
    until: fc.oneof(
      fc.constant(0),
      fc.nat(3).map((n) => now + MINUTE * (n + 1)),
    ),
    spare: fc.nat(3),
    stamp: fc.nat(3).map((n) => now + n),
    by: fc.constantFrom("a", "b"),
  })
  .map(({ spare, ...ban }) => ({
    ...ban,
    keptUntil: Math.max(ban.until, now + 1) + spare * MINUTE,
  }));

test("statements come to the same in whatever order, and however often, they are heard", () => {
  const { list } = setUp();
  fc.assert(
    fc.property(fc.array(anyBan, { maxLength: 8 }), fc.array(fc.nat(7)), (bans, order) => {
      const [first, second] = [list(), list()];
      for (const ban of bans) first.merge(ban);
      const others = [...order.flatMap((index) => bans[index] ?? []), ...bans.toReversed()];
      for (const ban of others) second.merge(ban);
      expect(second.page("", 10)).toEqual(first.page("", 10));
      expect(second.digest).toEqual(first.digest);
    }),
  );
});

test("lists that differ have different digests", () => {
  const { list } = setUp();
  fc.assert(
    fc.property(fc.array(anyBan, { maxLength: 3 }), anyBan, (bans, more) => {
      const bansOf = list();
      for (const ban of bans) bansOf.merge(ban);
      const before = bansOf.digest;
      if (bansOf.merge(more)) expect(bansOf.digest).not.toEqual(before);
      else expect(bansOf.digest).toEqual(before);
    }),
  );
});

test("merging is associative", () => {
  const ofAda = anyBan.map((ban) => ({ ...ban, user: "ada" }));
  fc.assert(
    fc.property(ofAda, ofAda, ofAda, (a, b, c) => {
      expect(mergedBan(mergedBan(a, b), c)).toEqual(mergedBan(a, mergedBan(b, c)));
    }),
  );
});
