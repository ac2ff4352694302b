/** What is said of members of another region is checked: each of these is a fault, and nothing else is. */

import { expect, test } from "bun:test";
import type { History, Membership, Sight } from "../support/faults/history.ts";
import { checkRegions } from "../support/faults/region-presence.ts";

const channel = "room";
const limits = { leaseMs: 5_000, slackMs: 1_000 };
const long = { cutAt: 10_000, healedAt: 20_000, metAt: 21_000, isLong: true };
const short = { cutAt: 10_000, healedAt: 11_000, metAt: 11_100, isLong: false };
const seen = (what: Sight["what"], at: number): Sight => ({ what, member: "bob", at });
const before = seen("listed", 50);

/** Eve and Ann are in one region, Bob in the other; only what Eve saw of Bob is looked at. */
function faults(
  partition: typeof long,
  sights: readonly Sight[],
  more: { readonly eve?: Partial<Membership>; readonly bob?: Partial<Membership> } = {},
) {
  const eve: Membership = { member: "eve", channel, from: 10, sights, ...more.eve };
  const bob: Membership = { member: "bob", channel, from: 20, sights: [], ...more.bob };
  const history: History = {
    ...{ publications: [], stays: [], lags: [], cuts: [] },
    ...{ memberships: [eve, bob], end: 40_000 },
  };
  const regionOf = (member: string) => (member === "bob" ? 1 : 0);
  return checkRegions(history, [partition], regionOf, limits);
}

/** The same of Ann, who may be closed. */
function near(ann: Partial<Membership>, ...sights: readonly Sight[]): readonly string[] {
  const memberships: Membership[] = [
    { member: "eve", channel, from: 10, sights },
    { member: "ann", channel, from: 20, sights: [], ...ann },
  ];
  const base = { publications: [], stays: [], lags: [], cuts: [], end: 40_000 };
  return checkRegions({ ...base, memberships }, [long], () => 0, limits).faults;
}

const gone = seen("offline", 15_000);
const back = seen("online", 20_800);

test.each<[string, readonly Sight[], readonly string[]]>([
  ["who goes once and comes back once is right", [before, gone, back], []],
  ["a state is neither", [before, gone, back, seen("state", 20_900), seen("state", 22_000)], []],
  ["who never goes is a fault", [before], ["still there", "not back"]],
  ["who goes too late is one", [before, seen("offline", 16_001), back], ["after the lease"]],
  ["who goes twice is one", [before, gone, seen("offline", 15_001), back], ["offline at 15001.0"]],
  [
    "who comes while cut off is one",
    [before, gone, seen("online", 16_000), back],
    ["online at 16000.0"],
  ],
  ["who does not come back is one", [before, gone], ["not back"]],
  ["who comes back too late is one", [before, gone, seen("online", 22_001)], ["not back"]],
  ["who comes back twice is one", [before, gone, back, seen("online", 21_000)], ["back already"]],
  ["who goes again is one", [before, gone, back, seen("offline", 30_000)], ["back already"]],
])("in a long partition %s", (_name, sights, expected) => {
  const found = faults(long, sights);
  expect(found.faults).toHaveLength(expected.length);
  for (const [index, text] of expected.entries()) expect(found.faults[index]).toContain(text);
  expect(found.looks).toBe(1);
});

test.each<[string, readonly Sight[], number]>([
  ["nothing is said", [before], 0],
  ["a state may be", [before, seen("state", 10_500)], 0],
  ["who goes is a fault", [before, seen("offline", 10_500)], 1],
  [
    "who comes and goes when it is over is two",
    [before, gone, back].map((each, index) => ({ ...each, at: index === 0 ? 50 : 11_000 + index })),
    2,
  ],
])("in a short partition %s", (_name, sights, count) => {
  expect(faults(short, sights).faults).toHaveLength(count);
});

test("whose connection ended meanwhile is not looked at, nor who was not seen before", () => {
  for (const who of ["eve", "bob"] as const) {
    expect(faults(long, [before], { [who]: { until: 12_000 } })).toEqual({ faults: [], looks: 0 });
  }
  expect(faults(long, [gone, back])).toEqual({ faults: [], looks: 0 });
  const closedLater = faults(long, [before, gone], { eve: { until: 21_500 } });
  expect(closedLater).toEqual({ faults: [], looks: 1 });
});

test("of members of the own region nothing is said", () => {
  expect(near({}, { ...before, member: "ann" })).toEqual([]);
  const found = near({}, { ...gone, member: "ann" });
  expect(found).toEqual(["eve in room of ann: offline at 15000.0, in the same region"]);
});

test("of members of the own region that are about to be closed it may be said that they go", () => {
  const offline = { ...gone, member: "ann" };
  expect(near({ until: gone.at + 1_400 }, offline)).toEqual([]);
  expect(near({ until: gone.at + 1_600 }, offline)).toHaveLength(1);
});
