import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Fact } from "./facts.ts";
import { type Entry, Ledger, type Step } from "./ledger.ts";

const LOG = "log";
const channel: Fact = { kind: "channel", app: "a", channel: "room" };
const connection: Fact = { kind: "connection", app: "a", connection: "c", user: undefined };
const vacated: Step = { op: "vacated", app: "a", channel: "room" };

function entry(start: string, step: Step, seq = 0): Entry {
  return { at: 0, start, seq, step };
}

/** What follows for the receivers. */
function told(ledger: Ledger, ...entries: Entry[]): string[] {
  return entries.flatMap((each) => {
    const pending = ledger.apply(each, LOG);
    return pending === undefined ? [] : [`${pending.fact.kind} ${pending.holds}`];
  });
}

describe("a ledger", () => {
  test("tells of what begins on the first node and ends on the last", () => {
    const ledger = new Ledger();
    const on: Step = { op: "on", fact: connection };
    const off: Step = { op: "off", fact: connection };
    expect(told(ledger, entry("one", on), entry("two", on))).toEqual(["connection true"]);
    expect(told(ledger, entry("one", off), entry("one", off))).toEqual([]);
    expect(told(ledger, entry("two", off))).toEqual(["connection false"]);
  });

  test("waits for whoever may come back to a channel", () => {
    const ledger = new Ledger();
    const on: Step = { op: "on", fact: channel };
    const off: Step = { op: "off", fact: channel };
    expect(told(ledger, entry("one", on), entry("one", off))).toEqual(["channel true"]);
    expect(told(ledger, entry("two", on), entry("two", vacated))).toEqual([]);
    expect(told(ledger, entry("two", off), entry("", vacated))).toEqual(["channel false"]);
  });

  test("tells whoever may believe otherwise how things are", () => {
    const ledger = new Ledger();
    const ended: Step = { op: "ended", fact: channel };
    const again: Step = { op: "again", fact: channel };
    expect(told(ledger, entry("", ended), entry("", again))).toEqual(["channel false"]);
    const on: Step = { op: "on", fact: channel };
    expect(told(ledger, entry("one", on))).toEqual(["channel true"]);
    expect(told(ledger, entry("", ended), entry("", again))).toEqual(["channel true"]);
  });

  test("knows what is settled of each node", () => {
    const ledger = new Ledger();
    ledger.apply(entry("one", { op: "on", fact: connection }, 1), LOG);
    ledger.apply(entry("two", { op: "on", fact: channel }, 7), LOG);
    ledger.apply(entry("one", { op: "off", fact: connection }, 2), LOG);
    ledger.apply(entry("", { op: "settled", upTo: 2 }), LOG);
    expect([ledger.settled("one"), ledger.settled("two")]).toEqual([1, 7]);
    expect(ledger.pending.map(({ id }) => id)).toEqual(["log.3"]);
    ledger.apply(entry("", { op: "settled", upTo: 3 }), LOG);
    expect(ledger.settled("one")).toBe(2);
    expect(ledger.pending).toEqual([]);
  });

  test("remembers how far a node that is gone was known", () => {
    const ledger = new Ledger();
    ledger.apply(entry("one", { op: "known" }, 5), LOG);
    expect(ledger.isThere("one")).toBe(true);
    ledger.apply(entry("one", { op: "gone" }), LOG);
    expect(ledger.isThere("one")).toBe(false);
    expect(ledger.starts()).toEqual([]);
    expect(ledger.position("one")).toBe(5);
  });

  test("is the same again when it is copied piece by piece, and goes on in the same way", () => {
    const start = fc.constantFrom("one", "two", "three");
    const fact = fc.constantFrom(channel, connection);
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ op: fc.constantFrom("on", "off"), fact }),
      fc.record({ op: fc.constantFrom("ended", "again"), fact }),
      fc.constant(vacated),
      fc.constant<Step>({ op: "known" }),
      fc.record({ op: fc.constant("settled"), upTo: fc.nat(20) }),
    );
    const entries = fc.array(fc.record({ at: fc.constant(0), start, seq: fc.nat(9), step }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(entries, entries, (before, after) => {
        const ledger = new Ledger();
        for (const each of before) ledger.apply(each, LOG);
        const copy = new Ledger(ledger.number);
        for (const piece of ledger.pieces()) copy.add(piece);
        expect([...copy.pieces()]).toEqual([...ledger.pieces()]);
        expect(told(copy, ...after)).toEqual(told(ledger, ...after));
        expect(copy.size).toBe(ledger.size);
      }),
    );
  });
});
