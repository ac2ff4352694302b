/** The checkers of the fault tests find each kind of violation, and nothing else. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkDelivery, type Violation } from "../support/faults/delivery-checker.ts";
import type { History, Membership, Publication, Sight, Stay } from "../support/faults/history.ts";
import { localLosses } from "../support/faults/local-checker.ts";
import { checkPresence } from "../support/faults/presence-checker.ts";
import { type Draft, randomHistory, randomLimits } from "../support/faults/random-history.ts";
import { randomKeptHistory } from "../support/faults/random-kept-history.ts";
import { SeededRandom } from "../support/faults/seeded-random.ts";
import { checkViews } from "../support/faults/view-checker.ts";

const channel = "room";
const empty: History = {
  publications: [],
  stays: [],
  memberships: [],
  lags: [],
  cuts: [],
  end: 100_000,
};

function published(number: number, sentAt: number, answeredAt?: number): Publication {
  return { publisher: "ada", channel, number, sentAt, answeredAt };
}

/** Gets one publication at each of the moments, of those numbers. */
function stay(got: readonly [number, number][], more: Partial<Stay> = {}): Stay {
  const receipts = got.map(([number, at]) => ({ publisher: "ada", number, at }));
  return { client: "eve", channel, from: 1, receipts, ...more };
}

function at40(...numbers: number[]): [number, number][] {
  return numbers.map((number) => [number, 40]);
}

function kinds(violations: readonly Violation[]): string[] {
  return violations.map(({ kind }) => kind);
}

function delivery(publications: readonly Publication[], ...stays: readonly Stay[]): string[] {
  return kinds(checkDelivery({ ...empty, publications, stays }));
}

describe("a message that did not arrive", () => {
  const [first, second] = [published(1, 10, 11), published(2, 2_000, 2_001)];
  const gone = { until: 4_000 } as const;

  test.each<[string, string[], Stay]>([
    ["is lost to those who stayed", ["loss"], stay([[1, 10.5]])],
    ["is lost where a later one arrived", ["loss"], stay([[2, 2_000.5]])],
    ["is lost to those who came before it", ["loss"], stay([], { from: 500 })],
    ["is none of those before the subscription", [], stay([], { from: 2_002 })],
    ["is undecided where the connection broke", [], stay([], { ...gone, ending: "broken" })],
    [
      "is lost where a later one arrived and the connection then broke",
      ["loss"],
      stay([[2, 2_000.5]], { ...gone, ending: "broken" }),
    ],
    [
      "is lost long before an orderly end",
      ["loss"],
      stay([[1, 10.5]], { ...gone, ending: "orderly" }),
    ],
    [
      "is undecided just before an orderly end",
      [],
      stay([[1, 10.5]], { until: 3_400, ending: "orderly" }),
    ],
    [
      "is undecided where the end had to be fetched, for five seconds",
      [],
      stay([], { until: 5_010, ending: "orderly", isFetched: true }),
    ],
    [
      "is lost where the end was fetched later",
      ["loss"],
      stay([], { until: 5_012, ending: "orderly", isFetched: true }),
    ],
    ["is what the client was told of", [], stay([[2, 2_000.5]], { ...gone, ending: "missed" })],
    ["is not owed before the subscription is answered", [], stay([], { from: undefined })],
    ["is not owed to its publisher", [], stay([], { client: "ada" })],
  ])("%s", (_name, expected, each) => {
    expect(delivery([first, second], each)).toEqual(expected);
  });

  test("is undecided before an orderly end that the run was too busy to take down earlier", () => {
    const gone = stay([[1, 10.5]], { until: 4_000, ending: "orderly" });
    const from = (beats: number) =>
      Array.from({ length: beats }, (_, n) => 4_000 - 10 * n).reverse();
    const run = (beats: readonly number[]) =>
      kinds(checkDelivery({ ...empty, publications: [first, second], stays: [gone], beats }));
    expect(run(from(201))).toEqual(["loss"]);
    // It had no turn for a second.
    expect(run([...from(149).map((at) => at - 1_000), 4_000])).toEqual([]);
    expect(run([1_000, 2_000, ...from(151)])).toEqual(["loss"]);
  });

  test("is undecided where nobody was told ok, or was after the end", () => {
    const unanswered = published(1, 10);
    expect(delivery([unanswered], stay([]))).toEqual([]);
    const late = published(1, 10, 5_000);
    expect(delivery([late], stay([], { ...gone, ending: "orderly" }))).toEqual([]);
  });
});

describe("a message that arrived", () => {
  const three = [published(1, 10, 11), published(2, 20, 21), published(3, 30, 31)];

  test("once and in its turn is right", () => {
    expect(delivery(three, stay(three.map(({ number, sentAt }) => [number, sentAt + 1])))).toEqual(
      [],
    );
  });

  test("twice is a duplicate", () => {
    expect(delivery(three, stay(at40(1, 2, 3, 2)))).toEqual(["duplicate"]);
  });

  test("twice is right where it was sent again after a worker had lost the node", () => {
    const gone = { until: 50, ending: "missed" } as const;
    const keyed = (answeredAt?: number) => ({ ...published(1, 10, answeredAt), isKeyed: true });
    const check = (publication: Publication, times: number[], each: Partial<Stay>, cut = 15) => {
      const stays = [
        stay(
          times.map((at) => [1, at]),
          each,
        ),
      ];
      return kinds(checkDelivery({ ...empty, publications: [publication], stays, cuts: [cut] }));
    };
    expect(check(keyed(45), [14, 40], gone)).toEqual([]);
    expect(check(keyed(), [14, 40], gone)).toEqual([]);
    const duplicate = ["duplicate"];
    expect(check(keyed(45), [14, 40, 41], gone)).toEqual(duplicate);
    expect(check(keyed(45), [12, 14], gone)).toEqual(duplicate);
    expect(check(keyed(45), [14, 40], { ...gone, ending: "orderly" })).toEqual(duplicate);
    expect(check(keyed(45), [14, 40], {})).toEqual(duplicate);
    expect(check(published(1, 10, 45), [14, 40], gone)).toEqual(duplicate);
    expect(check(keyed(14), [14, 40], gone)).toEqual(duplicate);
    expect(check(keyed(45), [14, 40], gone, 9)).toEqual(duplicate);
  });

  test("after one that was sent when it had been answered is out of order", () => {
    expect(delivery(three, stay(at40(1, 3, 2)))).toEqual(["order"]);
  });

  test("late is right where its publisher was never told ok", () => {
    const [first, , third] = three;
    if (first === undefined || third === undefined) throw new Error("there are three");
    expect(delivery([first, published(2, 20), third], stay(at40(1, 3, 2)))).toEqual([]);
  });

  test("late is right where a worker lagged when its publisher was told ok", () => {
    const late = stay(at40(1, 3, 2));
    const check = (...lags: [number, number][]) =>
      kinds(checkDelivery({ ...empty, publications: three, stays: [late], lags }));
    expect(check([19, 22])).toEqual([]);
    expect(check([9, 20], [22, 50])).toEqual(["order"]);
  });

  test("late is right where a back end published it without history while servers were parted", () => {
    const check = (more: Partial<History>, node?: number) => {
      const publications = three.map((each) => ({ ...each, node }));
      const stays = [stay(at40(1, 3, 2))];
      return kinds(checkDelivery({ ...empty, publications, stays, ...more }));
    };
    expect(check({ partings: [[19, 22]] })).toEqual([]);
    expect(check({ partings: [[19, 22]] }, 0)).toEqual(["order"]);
    expect(check({ partings: [[19, 22]], isKept: true })).toContain("order");
    expect(check({ partings: [[22, 50]] })).toEqual(["order"]);
  });

  test("without having been sent is unknown", () => {
    expect(delivery(three, stay(at40(1, 2, 3, 4)))).toEqual(["unknown"]);
    expect(delivery(three, stay([[1, 9]], { from: 15, until: 16 }))).toEqual(["unknown"]);
  });
});

describe("a history that is lost with its server", () => {
  const under = (epoch: string, number: number, sentAt: number, answeredAt?: number) => ({
    ...published(number, sentAt, answeredAt),
    position: `${epoch}.${number}`,
  });
  const got = (epoch: string, ...numbers: number[]) =>
    numbers.map((number) => ({
      publisher: "ada",
      number,
      at: 100 * number,
      position: `${epoch}.${number}`,
    }));
  const before = stay([], { until: 150, ending: "broken", receipts: got("old", 1) });
  const after = stay([], { from: 160, isReturn: true, askedAt: 155, receipts: got("new", 2) });
  const check = (publications: Publication[], renewals: [number, number][], ...stays: Stay[]) =>
    kinds(checkDelivery({ ...empty, isKept: true, publications, stays, renewals }));

  test("cannot be recovered", () => {
    const publications = [under("old", 1, 10, 11), under("new", 2, 165, 166)];
    expect(check(publications, [[139, 140]], before, { ...after, recovered: false })).toEqual([]);
    expect(check(publications, [[139, 140]], before, { ...after, recovered: true })).toEqual([
      "false recovery",
    ]);
  });

  test("may have had what was on its way, which then has two places", () => {
    const again = { ...after, recovered: false, receipts: got("new", 1, 2) };
    const twice = (answeredAt: number) => [
      under("new", 1, 90, answeredAt),
      under("new", 2, 165, 166),
    ];
    const both = stay([], { client: "bob", until: 150, receipts: got("old", 1), ending: "missed" });
    expect(check(twice(170), [[139, 140]], both, again)).toEqual([]);
    expect(check(twice(138), [[139, 140]], both, again)).toContain("two positions");
  });
});

describe("what a node owes its own subscribers", () => {
  const here = { ...published(1, 10), node: 0, endedAt: 20 };
  const lost = (each: Partial<Stay>, publication: Publication = here) =>
    localLosses({ publications: [publication], stays: [stay([], { node: 0, ...each })] }, 5, 50);

  test("is what is published there, whatever its publisher was told", () => {
    expect(lost({}).map(({ kind }) => kind)).toEqual(["loss"]);
    expect(lost({ receipts: [{ publisher: "ada", number: 1, at: 12 }] })).toEqual([]);
  });

  test.each<[string, Partial<Stay>]>([
    ["not what is published at another", { node: 1 }],
    ["not what they said themselves", { client: "ada" }],
    ["not what came before them", { from: 11 }],
    ["not what came while they lost their connection", { until: 49 }],
  ])("is %s", (_name, each) => {
    expect(lost(each)).toEqual([]);
  });

  test("is decided of those moments alone", () => {
    expect(lost({}, { ...here, sentAt: 4 })).toEqual([]);
    expect(lost({}, { ...here, endedAt: 51 })).toEqual([]);
    expect(lost({}, { ...here, node: undefined })).toEqual([]);
  });
});

describe("a member", () => {
  const limits = { leaseMs: 2_000, slackMs: 500 };
  const bob: Membership = { member: "bob", channel, from: 1_000, until: 10_000, sights: [] };
  const seen = (what: Sight["what"], at: number): Sight => ({ what, member: "bob", at });
  const check = (member: Membership, ...sights: Sight[]): string[] => {
    const observer: Membership = { member: "eve", channel, from: 1, sights };
    const history = { ...empty, memberships: [observer, member], end: 20_000 };
    // Only what the observer saw; the other one saw nobody.
    return checkPresence(history, limits)
      .filter(({ text }) => text.startsWith("eve"))
      .map(({ kind }) => kind);
  };

  test.each<[string, string[], Sight[]]>([
    [
      "that is seen as long as it is there is right",
      [],
      [seen("online", 1_100), seen("offline", 10_100)],
    ],
    ["may go within the lease", [], [seen("listed", 1_001), seen("offline", 12_400)]],
    ["that stays on the list is a ghost", ["ghost"], [seen("state", 1_100)]],
    ["that goes too late is a ghost", ["ghost"], [seen("online", 1_100), seen("offline", 12_600)]],
    [
      "that comes back without being there is a ghost",
      ["ghost"],
      [seen("online", 1_100), seen("offline", 10_100), seen("state", 15_000)],
    ],
    ["that is never seen is missing", ["missing member"], []],
    [
      "that is seen too late is missing",
      ["missing member"],
      [seen("online", 1_600), seen("offline", 10_100)],
    ],
    [
      "that goes offline while it is there is missing",
      ["missing member"],
      [seen("online", 1_100), seen("offline", 5_000)],
    ],
    [
      "that goes offline twice is told of twice",
      ["double offline"],
      [seen("online", 1_100), seen("offline", 10_100), seen("offline", 10_200)],
    ],
    [
      "that comes twice is told of twice",
      ["double online"],
      [seen("online", 1_100), seen("online", 1_200), seen("offline", 10_100)],
    ],
  ])("%s", (_name, expected, sights) => {
    expect(check(bob, ...sights)).toEqual(expected);
  });

  test("that is on its way back is no ghost, and owed to nobody", () => {
    const back: Membership = { ...bob, askedAt: 14_000, from: 16_000, until: undefined };
    const sights = [seen("online", 1_100), seen("offline", 10_100), seen("online", 14_100)];
    const checkBoth = (second: Membership) => {
      const eve: Membership = { member: "eve", channel, from: 1, sights };
      const history = { ...empty, memberships: [eve, bob, second], end: 20_000 };
      return checkPresence(history, limits)
        .filter(({ text }) => text.startsWith("eve"))
        .map(({ kind }) => kind);
    };
    expect(checkBoth(back)).toEqual([]);
    expect(checkBoth({ ...back, from: undefined })).toEqual([]);
    expect(checkBoth({ ...back, askedAt: 15_000 })).toEqual(["ghost"]);
  });

  describe("of two connections", () => {
    const second: Membership = { ...bob, askedAt: 9_000, from: 9_100, until: 10_050 };
    const checkBoth = (theirs: Membership, ...sights: Sight[]) => {
      const eve: Membership = { member: "eve", channel, from: 1, sights };
      const history = { ...empty, memberships: [eve, bob, theirs], end: 20_000 };
      return checkPresence(history, limits)
        .filter(({ text }) => text.startsWith("eve"))
        .map(({ kind }) => kind);
    };
    const twice = [
      ...[seen("online", 1_100), seen("online", 9_200)],
      ...[seen("offline", 10_060), seen("offline", 10_100)],
    ];

    test("may come and go twice in a row", () => {
      expect(checkBoth(second, ...twice)).toEqual([]);
    });

    test("may go twice where the second had not been announced", () => {
      const [, , ...gone] = twice;
      expect(checkBoth(second, seen("online", 1_100), ...gone)).toEqual([]);
    });

    test("goes no third time", () => {
      expect(checkBoth(second, ...twice, seen("offline", 10_200))).toEqual(["double offline"]);
    });

    test("goes once where one of them stays", () => {
      const staying = { ...second, until: undefined };
      expect(checkBoth(staying, ...twice)).toContain("double offline");
    });

    test("is not told of again long after the one has gone", () => {
      const early = { ...bob, from: 1_000, until: 1_050 };
      const kinds = checkBoth(early, seen("online", 9_000), ...twice.slice(2));
      expect(kinds).toContain("double offline");
    });
  });

  test("that is still there is no ghost", () => {
    expect(check({ ...bob, until: undefined }, seen("online", 1_100))).toEqual([]);
  });
});

describe("what members show at the end", () => {
  const sight = (what: Sight["what"], state?: number): Sight => ({
    what,
    member: "bob",
    at: 1_100,
    state,
  });
  const bob: Membership = { member: "bob", channel, from: 1_000, state: 2, sights: [] };
  const check = (member: Membership, ...sights: Sight[]) => {
    const eve: Membership = { member: "eve", channel, from: 1, until: undefined, sights };
    return checkViews({ memberships: [eve, member] })
      .filter(({ text }) => text.startsWith("eve"))
      .map(({ kind }) => kind);
  };

  test.each<[string, string[], Sight[]]>([
    ["is right as it was said last", [], [sight("online"), sight("state", 1), sight("state", 2)]],
    ["is right as it was listed", [], [sight("listed", 2)]],
    ["lacks who was never told of", ["missing member"], []],
    ["lacks who is said to have gone", ["missing member"], [sight("state", 2), sight("offline")]],
    ["is out of date", ["wrong state"], [sight("online"), sight("state", 1)]],
    ["goes back", ["wrong state"], [sight("state", 2), sight("state", 1)]],
    ["has no state", ["wrong state"], [sight("online")]],
  ])("%s", (_name, expected, sights) => {
    expect<string[]>(check(bob, ...sights)).toEqual(expected);
  });

  test("is a ghost where the member has gone", () => {
    const gone = { ...bob, until: 5_000 };
    expect(check(gone, sight("state", 2))).toEqual(["ghost"]);
    expect(check(gone, sight("state", 2), sight("offline"))).toEqual([]);
    expect(check({ ...bob, from: undefined }, sight("online"))).toEqual(["ghost"]);
  });

  test("does not count where the observer has gone, or is the member itself", () => {
    const gone: Membership = { member: "eve", channel, from: 1, until: 2, sights: [] };
    const self: Membership = { ...bob, sights: [sight("online"), sight("offline")] };
    expect(checkViews({ memberships: [gone, self] })).toEqual([]);
  });
});

/** Breaks one guarantee in one place. */
type Injection = (draft: Draft, random: SeededRandom) => void;

type Kind = Violation["kind"];
const ofKept = ["false recovery", "partial", "untold", "disagreement", "two positions"] as const;

const injections: Readonly<Record<Exclude<Kind, (typeof ofKept)[number]>, Injection>> = {
  loss({ stays: [first], publications }, random) {
    const owed = publications.filter(({ answeredAt }) => answeredAt !== undefined);
    const { publisher, number } = random.pick(owed.filter(({ sentAt }) => sentAt > 1));
    const { receipts } = required(first);
    receipts.splice(
      receipts.findIndex((each) => each.publisher === publisher && each.number === number),
      1,
    );
  },
  duplicate({ stays }, random) {
    const { receipts } = random.pick(stays.filter((each) => each.receipts.length > 0));
    const at = random.integer(0, receipts.length - 1);
    receipts.splice(random.integer(at + 1, receipts.length), 0, required(receipts[at]));
  },
  order({ stays: [first], publications }, random) {
    const { receipts } = required(first);
    const publisher = random.pick(publications).publisher;
    // The first two of each publisher are always answered.
    const [a, b] = [1, 2].map((number) =>
      receipts.findIndex((each) => each.publisher === publisher && each.number === number),
    );
    const [earlier, later] = [required(a), required(b)];
    const [moved] = receipts.splice(earlier, 1);
    receipts.splice(later, 0, required(moved));
  },
  unknown({ stays }, random) {
    random.pick(stays).receipts.push({ publisher: "ada", number: 99, at: 50 });
  },
  ghost({ memberships: [always] }, random) {
    const { sights } = required(always);
    // The last news of a member that is nowhere any more.
    const last = sights.filter(
      ({ what, member, at }) => what === "offline" && isLast(sights, member, at),
    );
    sights.splice(sights.indexOf(random.pick(last)), 1);
  },
  "missing member"({ memberships: [always] }, random) {
    const { sights } = required(always);
    const others = sights.filter(({ member }) => member !== "staying");
    const came = random.pick(others.filter(({ what }) => what !== "offline"));
    sights.splice(sights.indexOf(came), 1);
  },
  "wrong state"({ memberships: [always] }) {
    const { sights } = required(always);
    const last = required(sights.at(-1));
    sights.push({ ...last, state: required(last.state) - 1 });
  },
  "double online"({ memberships: [always] }) {
    const { sights } = required(always);
    const came = required(sights.findLast(({ what }) => what === "online"));
    sights.splice(sights.indexOf(came) + 1, 0, { ...came, at: came.at + 0.5 });
  },
  "double offline"({ memberships: [always] }, random) {
    const { sights } = required(always);
    const gone = random.pick(sights.filter(({ what }) => what === "offline"));
    sights.splice(sights.indexOf(gone) + 1, 0, { ...gone, at: gone.at + 1 });
  },
};

/** The same for a client that comes back to a channel that keeps everything. */
const keptInjections: Readonly<Record<(typeof ofKept)[number] | "duplicate" | "order", Injection>> =
  {
    "false recovery"({ stays }) {
      // Published while the client was away, or before it noticed that it was.
      required(stays[1]).receipts.splice(0, 1);
    },
    partial({ stays }) {
      // It begins anew, and gets all the same what was published while it was away.
      const second = required(stays[1]);
      stays.splice(1, 1, { ...second, askedAt: second.from, recovered: false });
    },
    untold({ stays }, random) {
      const returned = random.pick(stays.filter(({ isReturn }) => isReturn));
      stays.splice(stays.indexOf(returned), 1, { ...returned, recovered: undefined });
    },
    duplicate({ stays: [first, second] }) {
      const again = required(first?.receipts.at(-1));
      required(second).receipts.unshift({ ...again, at: required(second?.from) });
    },
    order({ stays: [first, second] }) {
      // The first of a publisher, whose second stays where it is.
      const [moved] = required(first).receipts.splice(0, 1);
      required(second).receipts.unshift({ ...required(moved), at: required(second?.from) });
    },
    disagreement({ stays: [first] }) {
      const [a, b] = required(first).receipts;
      const [one, other] = [required(a), required(b)];
      required(first).receipts.splice(0, 2, other, { ...one, at: other.at });
    },
    "two positions"({ stays: [first] }) {
      const { receipts } = required(first);
      receipts.splice(0, 1, { ...required(receipts[0]), position: "e.9999" });
    },
  };

function isLast(sights: readonly Sight[], member: string, at: number): boolean {
  return !sights.some((each) => each.member === member && each.at > at);
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the history lacks what is to be broken");
  return value;
}

function check(draft: Draft): string[] {
  return kinds([
    ...checkDelivery(draft),
    ...checkPresence(draft, randomLimits),
    ...checkViews(draft),
  ]);
}

describe("a random history", () => {
  const seed = fc.integer({ min: 0, max: 0xffff_ffff });

  test("in which every guarantee was kept has no violation", () => {
    fc.assert(fc.property(seed, (each) => expect(check(randomHistory(each))).toEqual([])));
  });

  test.each<[string, Injection]>(Object.entries(injections))(
    "with one %s is found out",
    (kind, inject) => {
      fc.assert(
        fc.property(seed, (each) => {
          const draft = randomHistory(each);
          inject(draft, new SeededRandom(each));
          expect(check(draft)).toContain(kind);
        }),
      );
    },
  );
});

describe("a random history of a channel that keeps everything", () => {
  const seed = fc.integer({ min: 0, max: 0xffff_ffff });

  test("in which every guarantee was kept has no violation", () => {
    fc.assert(fc.property(seed, (each) => expect(check(randomKeptHistory(each))).toEqual([])));
  });

  test.each<[string, Injection]>(Object.entries(keptInjections))(
    "with one %s is found out",
    (kind, inject) => {
      fc.assert(
        fc.property(seed, (each) => {
          const draft = randomKeptHistory(each);
          inject(draft, new SeededRandom(each));
          expect(check(draft)).toContain(kind);
        }),
      );
    },
  );
});

describe("a client that comes back", () => {
  const all = [published(1, 10, 11), published(2, 20, 21), published(3, 30, 31)];
  const before = stay([[1, 15]], { until: 18, ending: "broken" });
  const back = (got: readonly [number, number][], recovered: boolean) =>
    stay(got, { from: 35, isReturn: true, recovered });

  test("gets what it missed", () => {
    const got: [number, number][] = [
      [2, 36],
      [3, 36.5],
    ];
    expect(delivery(all, before, back(got, true))).toEqual([]);
  });

  test("and is promised what it does not get has been deceived", () => {
    expect(delivery(all, before, back([[3, 36.5]], true))).toEqual(["false recovery"]);
    expect(delivery(all, { ...before, ending: "missed" }, back([], true))).toEqual([
      "false recovery",
      "false recovery",
    ]);
  });

  test("and is told that something is missing begins anew", () => {
    expect(delivery(all, before, back([], false))).toEqual([]);
    expect(delivery(all, before, back([[1, 36]], false))).toEqual([]);
  });

  test("passes over a connection that never was of use", () => {
    const unused = stay([], { from: undefined, until: 34, ending: "broken", isReturn: true });
    expect(delivery(all, before, unused, back([[3, 36.5]], true))).toEqual(["false recovery"]);
  });

  test("gets nothing again of what it had before", () => {
    const got: [number, number][] = [
      [1, 36],
      [2, 36.5],
      [3, 37],
    ];
    expect(delivery(all, before, back(got, true))).toEqual(["duplicate"]);
  });
});

test("two clients that saw two orders disagree where channels keep history", () => {
  const by = (publisher: string): Publication => ({ publisher, channel, number: 1, sentAt: 5 });
  const publications = [by("ada"), by("bob")];
  const got = (client: string, ...order: string[]): Stay => ({
    client,
    channel,
    from: 1,
    receipts: order.map((publisher, index) => ({ publisher, number: 1, at: 10 + index })),
  });
  const stays = [got("eve", "ada", "bob"), got("kim", "bob", "ada")];
  const check = (isKept: boolean) =>
    kinds(checkDelivery({ ...empty, publications, stays, isKept }));
  expect(check(true)).toEqual(["disagreement"]);
  expect(check(false)).toEqual([]);
});
