import { expect, test } from "bun:test";
import type { PresenceEvent } from "../broker/broker.ts";
import { Dots } from "./dots.ts";
import { OwnPresence } from "./own-presence.ts";
import { Roster } from "./roster.ts";

const APP = "app";
const nothing = { floor: 0, context: Dots.none() };

function join(connection: string): PresenceEvent {
  const member = { connection, clientId: "", user: undefined, state: undefined, since: 1 };
  return { type: "join", member };
}

function flush(own: OwnPresence): void {
  for (const channel of own.pending()) own.take(channel);
}

test("an answer about a channel that is emptied and filled meanwhile says nothing of those who came", () => {
  const own = new OwnPresence();
  for (const connection of ["a", "b"]) own.note(APP, "room", join(connection));
  flush(own);
  const replica = new Roster();
  for (const part of own.difference(APP, "room", nothing, 1)) {
    replica.merge(part);
    if (own.now > 3) continue;
    for (const connection of ["a", "b"]) own.note(APP, "room", { type: "leave", connection });
    flush(own);
    own.note(APP, "room", join("c"));
    flush(own);
  }
  const known = { floor: replica.floor, context: replica.context.copy() };
  for (const part of own.difference(APP, "room", known, 1)) replica.merge(part);
  expect([...replica.members()].map(({ member }) => member.connection)).toEqual(["c"]);
});

test("a channel that is empty is forgotten, and what has changed is told once", () => {
  const own = new OwnPresence();
  own.note(APP, "room", join("a"));
  expect(own.note(APP, "room", { type: "leave", connection: "nobody" })).toBeUndefined();
  flush(own);
  expect(own.channels).toBe(1);
  expect(own.takeChanges()?.map(([, last]) => last)).toEqual([2]);
  expect(own.takeChanges()).toEqual([]);
  own.note(APP, "room", { type: "leave", connection: "a" });
  flush(own);
  expect(own.channels).toBe(0);
  expect(own.marks()).toEqual([]);
  expect(own.takeChanges()?.map(([, last]) => last)).toEqual([3]);
});
