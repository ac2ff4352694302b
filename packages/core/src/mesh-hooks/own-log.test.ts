import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyTo, type Change, type Fact, type Facts } from "./facts.ts";
import { OwnLog } from "./own-log.ts";

const room = (channel: string): Fact => ({ kind: "channel", app: "a", channel });
const on = (channel: string): Change => ({ op: "on", fact: room(channel) });
const off = (channel: string): Change => ({ op: "off", fact: room(channel) });

/** What somebody knows who is told that. */
function whole(log: OwnLog, position: number | undefined, before: Facts): string[] {
  const { facts, records } = log.after(position, position === undefined);
  const known = new Map(facts ?? before);
  for (const { change } of records) applyTo(known, change);
  return [...known.keys()].sort();
}

describe("a log", () => {
  test("tells what followed on a record", () => {
    const log = new OwnLog(100);
    for (const change of [on("x"), on("y"), off("x")]) log.append(change, 0);
    const { facts, at, records } = log.after(1, false);
    expect({ facts, at }).toEqual({ facts: undefined, at: 1 });
    expect(records.map(({ seq }) => seq)).toEqual([2, 3]);
  });

  test("keeps what is not settled, and tells the facts before it to whoever knows less", () => {
    const log = new OwnLog(100);
    for (const change of [on("x"), on("y"), off("x"), on("z")]) log.append(change, 0);
    log.settle(2);
    expect(log.size).toBe(2);
    const { facts, at, records } = log.after(1, false);
    expect([...(facts?.keys() ?? [])]).toHaveLength(2);
    expect(at).toBe(2);
    expect(records.map(({ seq }) => seq)).toEqual([3, 4]);
    expect(log.after(3, true).facts?.size).toBe(1);
  });

  test("forgets what came and went, where there is too much", () => {
    const log = new OwnLog(4);
    log.append(on("stays"), 0);
    log.settle(1);
    for (const change of [on("x"), off("x"), off("stays"), on("y")]) log.append(change, 0);
    log.append(on("stays"), 0);
    expect(log.after(1, false).records.map(({ seq }) => seq)).toEqual([5]);
    expect(log.dropped).toBe(4);
  });

  test("keeps what a former sender knows, however much there is", () => {
    const log = new OwnLog(2);
    log.append({ op: "doubted", start: "other" }, 0);
    for (let n = 0; n < 10; n++) log.append(n % 2 === 0 ? on("x") : off("x"), 0);
    expect(log.after(0, false).records[0]?.change).toEqual({ op: "doubted", start: "other" });
  });

  test("says how things are to whoever knows anything, whatever was settled and forgotten", () => {
    const doing = fc.record({ name: fc.constantFrom("x", "y", "z"), settle: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(doing, { maxLength: 60 }), fc.nat(8), (doings, limit) => {
        const log = new OwnLog(limit);
        const now: Facts = new Map();
        const history: Facts[] = [new Map()];
        for (const { name, settle } of doings) {
          const change = now.has(`c\na\n${name}`) ? off(name) : on(name);
          applyTo(now, change);
          log.append(change, 0);
          history.push(new Map(now));
          if (settle === 0) log.settle(log.last - 1);
        }
        expect(whole(log, undefined, new Map())).toEqual([...now.keys()].sort());
        for (const [position, before] of history.entries()) {
          expect(whole(log, position, before)).toEqual([...now.keys()].sort());
        }
      }),
    );
  });
});
