import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PresenceEvent } from "../broker/broker.ts";
import { Dots } from "./dots.ts";
import { type Delta, type Known, OwnChannel } from "./own-channel.ts";
import { Roster, type Statement } from "./roster.ts";

const connections = ["a", "b", "c", "d"];

/** What an owner does: an event of a connection, or telling what has happened. */
type Step = { connection: string; what: PresenceEvent["type"] } | "tell" | "elsewhere";

/** More than usual, since what goes wrong takes several unlucky steps. */
const runs = { numRuns: 500 };

const event = fc.record({
  connection: fc.constantFrom(...connections),
  what: fc.constantFrom<PresenceEvent["type"]>(
    "join",
    "join",
    "online",
    "state",
    "rename",
    "leave",
  ),
});
const history = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: event },
    fc.constant("tell" as const),
    fc.constant("elsewhere" as const),
  ),
  { maxLength: 40 },
);

function eventOf(connection: string, what: PresenceEvent["type"], dot: number): PresenceEvent {
  const clientId = `${connection}${dot}`;
  switch (what) {
    case "join":
      return {
        type: what,
        member: { connection, clientId, user: undefined, state: undefined, since: dot },
      };
    case "state":
      return { type: what, connection, clientId, state: Uint8Array.of(dot) };
    case "rename":
      return { type: what, connection, clientId };
    default:
      return { type: what, connection };
  }
}

/** An owner that has lived through some steps, and all that it has told. */
class Owner {
  readonly deltas: Delta[] = [];
  channel = new OwnChannel("app", "room", 1);
  /** The last event of all channels, and of this one. */
  dot = 0;
  last = 0;

  live(steps: readonly Step[]): this {
    for (const step of steps) {
      if (step === "tell") this.tell();
      // An event in another channel.
      else if (step === "elsewhere") this.dot++;
      else this.#take(step.connection, step.what);
    }
    this.tell();
    return this;
  }

  tell(): void {
    const delta = this.channel.take();
    if (delta !== undefined) this.deltas.push(delta);
    // An empty channel is forgotten, and begins anew.
    if (this.channel.size === 0) this.channel = new OwnChannel("app", "room", 1);
  }

  #take(connection: string, what: PresenceEvent["type"]): void {
    if (this.channel.note(this.dot + 1, eventOf(connection, what, this.dot + 1)))
      this.last = ++this.dot;
  }

  get now(): unknown {
    return [...this.channel.entries()];
  }

  answer(known: Known, maxBytes = 1_000_000): Statement[] {
    return [...this.channel.difference(known, () => this.dot, maxBytes)];
  }
}

/** What a roster knows, in an order of its own. */
function knowledge({ statement }: Roster) {
  const entries = [...statement.entries].sort((a, b) => a.dot - b.dot);
  return { heard: statement.heard.bounds, context: statement.context.bounds, entries };
}

function merged(...statements: readonly Statement[]): Roster {
  const roster = new Roster();
  for (const statement of statements) roster.merge(statement);
  return roster;
}

const nothing: Known = { floor: 0, context: Dots.none() };

function known({ floor, context }: Roster): Known {
  return { floor, context: context.copy() };
}

const listed = (roster: Roster) => [...roster.members()].sort((a, b) => a.dot - b.dot);

/** Statements of one owner: of what it told, and of what it answered. */
const statements = fc.tuple(history, fc.nat(), fc.nat(), fc.nat()).map(([steps, i, j, k]) => {
  const owner = new Owner().live(steps);
  const all: Statement[] = [
    ...owner.deltas,
    ...owner.answer(nothing, 1),
    merged(...owner.deltas).statement,
  ];
  const pick = (at: number) =>
    all[at % all.length] ?? { heard: Dots.none(), context: Dots.none(), entries: [] };
  return { owner, parts: [pick(i), pick(j), pick(k)] as const };
});

describe("merging what an owner said", () => {
  test("is commutative", () => {
    fc.assert(
      fc.property(statements, ({ parts: [a, b] }) => {
        expect(knowledge(merged(a, b))).toEqual(knowledge(merged(b, a)));
      }),
      runs,
    );
  });

  test("is associative", () => {
    fc.assert(
      fc.property(statements, ({ parts: [a, b, c] }) => {
        const left = merged(merged(a, b).statement, c);
        const right = merged(a, merged(b, c).statement);
        expect(knowledge(left)).toEqual(knowledge(right));
      }),
      runs,
    );
  });

  test("is idempotent", () => {
    fc.assert(
      fc.property(statements, ({ parts: [a, b] }) => {
        const once = knowledge(merged(a, b));
        expect(knowledge(merged(a, b, a, b, b))).toEqual(once);
      }),
      runs,
    );
  });

  test("shows of every connection the newest that is there, and says what has changed", () => {
    fc.assert(
      fc.property(statements, ({ parts }) => {
        const roster = new Roster();
        const shown = new Map<string, unknown>();
        for (const statement of parts) {
          for (const [connection, { before, after }] of roster.merge(statement)) {
            expect(shown.get(connection)).toBe(before);
            if (after === undefined) shown.delete(connection);
            else shown.set(connection, after);
          }
          for (const connection of connections) {
            const newest = roster.statement.entries
              .filter(({ member }) => member.connection === connection)
              .sort((a, b) => b.dot - a.dot)[0];
            expect(roster.get(connection)).toBe(newest);
            expect(shown.get(connection)).toBe(newest);
          }
        }
      }),
      runs,
    );
  });
});

describe("a replica that heard deltas in any order, some twice, some never", () => {
  const heard = fc.tuple(
    history,
    fc.array(fc.nat(), { maxLength: 30 }),
    fc.integer({ min: 1, max: 400 }),
  );

  test("has what its owner has once it was answered what it lacks", () => {
    fc.assert(
      fc.property(heard, ([steps, order, maxBytes]) => {
        const owner = new Owner().live(steps);
        const replica = new Roster();
        for (const at of order) {
          const delta = owner.deltas[at % Math.max(1, owner.deltas.length)];
          if (delta !== undefined) replica.merge(delta);
        }
        for (const part of owner.answer(known(replica), maxBytes)) replica.merge(part);
        expect(listed(replica)).toEqual(owner.now as never);
        expect(replica.floor).toBe(owner.dot);
        expect(owner.dot === 0 || replica.isWhole).toBe(true);
      }),
      runs,
    );
  });

  test("never shows a member that its owner never had, nor one that it knows has left", () => {
    fc.assert(
      fc.property(heard, ([steps, order]) => {
        const owner = new Owner().live(steps);
        const replica = new Roster();
        const ever = new Set(owner.deltas.flatMap(({ entries }) => entries));
        for (const at of order) {
          const delta = owner.deltas[at % Math.max(1, owner.deltas.length)];
          if (delta !== undefined) replica.merge(delta);
          for (const entry of replica.members()) expect(ever.has(entry)).toBe(true);
        }
        const here = new Set(owner.now as unknown[]);
        if (replica.floor >= owner.last) {
          for (const entry of replica.members()) expect(here.has(entry)).toBe(true);
        }
      }),
      runs,
    );
  });

  test("is sent nothing that it has", () => {
    fc.assert(
      fc.property(heard, ([steps, order]) => {
        const owner = new Owner().live(steps);
        const replica = new Roster();
        for (const at of order) {
          const delta = owner.deltas[at % Math.max(1, owner.deltas.length)];
          if (delta !== undefined) replica.merge(delta);
        }
        const held = new Set(replica.statement.entries);
        const sent = owner.answer(known(replica)).flatMap(({ entries }) => entries);
        expect(sent.filter((entry) => held.has(entry))).toEqual([]);
      }),
      runs,
    );
  });
});

test("what is shown anew, and what is remembered and was asked with, together are what the owner has", () => {
  const lives = fc.tuple(history, history, fc.array(fc.boolean(), { maxLength: 30 }));
  fc.assert(
    fc.property(lives, ([before, after, isLost]) => {
      const owner = new Owner().live(before);
      const remembered = merged(...owner.deltas.filter((_, index) => isLost[index] !== true));
      const told = owner.deltas.length;
      owner.live(after);
      const shown = new Roster();
      const hear = (statement: Statement) => {
        remembered.merge(statement);
        shown.merge(statement);
      };
      const parts = owner.answer(known(remembered), 1);
      for (const [index, delta] of owner.deltas.slice(told).entries()) {
        if (isLost.at(-1 - index) !== true) hear(delta);
      }
      for (const part of parts) hear(part);
      // Nobody who has left meanwhile is shown by this.
      shown.merge(remembered.statement);
      expect(listed(shown)).toEqual(owner.now as never);
      expect(knowledge(shown)).toEqual(knowledge(remembered));
      expect(shown.floor).toBe(owner.dot);
    }),
    runs,
  );
});

test("who changes while the parts of an answer are sent is in a later part", () => {
  const owner = new Owner();
  const { channel } = owner;
  const event = (connection: string, what: PresenceEvent["type"]) => {
    owner.dot++;
    channel.note(owner.dot, eventOf(connection, what, owner.dot));
  };
  for (const connection of connections) event(connection, "join");
  channel.take();
  const replica = new Roster();
  let parts = 0;
  for (const part of channel.difference(nothing, () => owner.dot, 1)) {
    parts++;
    replica.merge(part);
    if (parts === 1) {
      event("b", "leave");
      event("c", "state");
      event("e", "join");
    }
  }
  expect(parts).toBeGreaterThan(3);
  expect(listed(replica)).toEqual([...channel.entries()]);
  expect(replica.context.bounds).toEqual([1, owner.dot]);
});

test("what an answer of several parts has missed is not taken for heard", () => {
  const owner = new Owner();
  const { channel } = owner;
  for (const connection of connections) {
    owner.dot++;
    channel.note(owner.dot, eventOf(connection, "join", owner.dot));
  }
  channel.take();
  const replica = new Roster();
  for (const part of channel.difference(nothing, () => owner.dot, 1)) {
    replica.merge(part);
    if (owner.dot > connections.length) continue;
    // It was in the first part, and what is told of it now is lost.
    owner.dot++;
    channel.note(owner.dot, eventOf("a", "leave", owner.dot));
  }
  expect(replica.get("a")).toBeDefined();
  expect(replica.floor).toBe(connections.length);
  for (const part of owner.answer(known(replica))) replica.merge(part);
  expect(listed(replica)).toEqual([...channel.entries()]);
});

test("an older entry that comes late is hidden by a newer one, and shown when that has ended", () => {
  const channel = new OwnChannel("app", "room", 1);
  const deltas = (["join", "state", "state"] as const).map((what, index) => {
    channel.note(index + 1, eventOf("a", what, index + 1));
    return channel.take() ?? { heard: Dots.none(), context: Dots.none(), entries: [], news: [] };
  });
  const [join, , last] = deltas;
  const replica = merged(...(last === undefined ? [] : [last]));
  if (join !== undefined) expect([...replica.merge(join)]).toEqual([]);
  expect(replica.get("a")?.dot).toBe(3);
  replica.merge({ heard: Dots.none(), context: Dots.range(3, 3), entries: [] });
  expect(replica.get("a")?.dot).toBe(1);
});

test("a delta in order names the dots that it replaces, and no others", () => {
  const channel = new OwnChannel("app", "room", 1);
  channel.note(5, eventOf("a", "join", 5));
  expect(channel.take()?.context.bounds).toEqual([1, 5]);
  channel.note(9, eventOf("b", "join", 9));
  expect(channel.take()?.context.bounds).toEqual([6, 9]);
  channel.note(12, eventOf("a", "state", 12));
  expect(channel.take()?.context.bounds).toEqual([5, 5, 10, 12]);
  expect(channel.note(13, eventOf("c", "leave", 13))).toBe(false);
  expect(channel.take()).toBeUndefined();
});
