import { describe, expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { Answers } from "./answers.ts";
import { MeshPresenceCounters } from "./counters.ts";
import { Dots } from "./dots.ts";
import type { Address } from "./messages.ts";
import { OwnPresence } from "./own-presence.ts";

const APP = "app";
const GATHER_MS = 1_000;

/** The answers of a node that has members in a channel, and what it sends of them. */
function setUp(members: number) {
  const clock = new FakeClock();
  const own = new OwnPresence();
  for (let id = 0; id < members; id++) {
    const connection = `${id}`;
    const state = new Uint8Array(100);
    const member = { connection, clientId: "", user: undefined, state, since: 1 };
    own.note(APP, "room", { type: "join", member });
  }
  for (const channel of own.pending()) own.take(channel);
  const addresses: Address[] = [];
  const waiting: (() => void)[] = [];
  const answers = new Answers({
    own,
    clock,
    transport: {
      send: (address) => addresses.push(address),
      whenSent: (callback) => waiting.push(callback),
      listen() {},
    },
    afterTurn: (callback) => void clock.setTimeout(callback, 0),
    counters: new MeshPresenceCounters(),
    flush() {},
    announce() {},
    gatherMs: GATHER_MS,
    starts: () => ["a", "b"],
  });
  const ask = (asker: string, isUrgent = false, floor = 0) => {
    const known = { floor, context: Dots.range(1, floor) };
    const wants = [{ app: APP, channel: "room", known }];
    answers.ask(asker, { type: "ask", number: 1, isUrgent, wants });
  };
  /** Whom messages went to since this was asked before. */
  const sent = (ms: number) => {
    clock.advance(ms);
    return addresses.splice(0).map((address) => (address.to === "node" ? address.start : "all"));
  };
  return { answers, ask, sent, waiting, now: own.now };
}

describe("what is asked", () => {
  test("by several is told to all, by one to him alone", () => {
    const { ask, sent } = setUp(1);
    ask("a");
    ask("b");
    expect(sent(GATHER_MS)).toEqual(["all"]);
    const other = setUp(1);
    other.ask("a");
    expect(other.sent(GATHER_MS - 1)).toEqual([]);
    expect(other.sent(1)).toEqual(["a"]);
  });

  test("by somebody who waits is told at once, with whoever has asked before", () => {
    const { ask, sent } = setUp(1);
    ask("a");
    ask("b", true);
    expect(sent(0)).toEqual(["all"]);
    expect(sent(2 * GATHER_MS)).toEqual([]);
    ask("a", true);
    expect(sent(0)).toEqual(["a"]);
  });

  test("by one who knows nothing is told to all where others have come a moment ago", () => {
    const { answers, ask, sent, now } = setUp(1);
    answers.arrived("a");
    ask("a", true);
    expect(sent(0)).toEqual(["a"]);
    answers.arrived("b");
    ask("a", true);
    expect(sent(0)).toEqual(["all"]);
    ask("a", true, now);
    expect(sent(0)).toEqual(["a"]);
    expect(sent(GATHER_MS)).toEqual([]);
    ask("a", true);
    expect(sent(0)).toEqual(["a"]);
  });

  test("by one who knows nothing is told to all by a node that has only just come itself", () => {
    const { answers, ask, sent } = setUp(1);
    answers.linkUp();
    ask("a", true);
    expect(sent(0)).toEqual(["all"]);
    expect(sent(GATHER_MS)).toEqual([]);
    answers.linkUp();
    answers.clear();
    ask("a", true);
    expect(sent(0)).toEqual(["a"]);
  });

  test("again while the answer is on its way is not told again, unless somebody waits", () => {
    const { ask, sent, waiting, now } = setUp(4_000);
    ask("a");
    const begun = sent(GATHER_MS).length;
    expect(begun).toBeGreaterThan(3);
    expect(waiting.length).toBe(1);
    // As long as it takes.
    expect(sent(10_000)).toEqual([]);
    ask("a");
    expect(sent(2 * GATHER_MS)).toEqual([]);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
    expect(sent(0).length).toBeGreaterThan(3);
    ask("a");
    expect(sent(GATHER_MS)).toEqual([]);
    // It was lost, or the node was away.
    ask("a");
    expect(sent(GATHER_MS).length).toBe(begun);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
    expect(sent(0).length).toBeGreaterThan(0);
    ask("a", false, now);
    expect(sent(GATHER_MS)).toEqual(["a"]);
    ask("a", true);
    expect(sent(0).length).toBe(begun);
  });

  test("again by a node that was away is told again", () => {
    const { answers, ask, sent } = setUp(1);
    ask("a");
    expect(sent(GATHER_MS)).toEqual(["a"]);
    answers.arrived("a");
    ask("a");
    expect(sent(GATHER_MS)).toEqual(["a"]);
  });
});
