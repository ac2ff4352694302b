import { expect, test } from "bun:test";
import type { PresenceEvent } from "../broker/broker.ts";
import type { News } from "./own-channel.ts";
import { reveal } from "./reveal.ts";
import type { Change, Entry } from "./roster.ts";

const STATE = Uint8Array.of(1);

function entry(dot: number, state?: Uint8Array, clientId = "x", isOnline = true): Entry {
  return { dot, member: { connection: "c", clientId, user: undefined, state, since: 1 }, isOnline };
}

/** The kinds of the events that show a change of one connection. */
function shown(news: readonly News[], before?: Entry, after?: Entry): PresenceEvent["type"][] {
  const changes = new Map<string, Change>();
  if (before !== after) changes.set("c", { before, after });
  return Array.from(
    reveal(news, changes, () => after),
    ({ type }) => type,
  );
}

const connection = "c";
const join: News = { dot: 1, connection, type: "join" };
const online: News = { dot: 2, connection, type: "online", payload: undefined };
const state: News = { dot: 3, connection, type: "state", clientId: "x", state: STATE };
const leave: News = { dot: 4, connection, type: "leave" };

test("what is told in order is shown as it is told", () => {
  expect(shown([join, online, state], undefined, entry(3, STATE))).toEqual([
    "join",
    "online",
    "state",
  ]);
  expect(shown([state], entry(2), entry(3, STATE))).toEqual(["state"]);
  expect(shown([leave], entry(3, STATE), undefined)).toEqual(["leave"]);
});

test("what was lost before is made up for", () => {
  expect(shown([state], undefined, entry(3, STATE))).toEqual(["join", "state", "online"]);
  expect(shown([], undefined, entry(3, STATE))).toEqual(["join", "online", "state"]);
  expect(shown([], undefined, entry(3, undefined, "x", false))).toEqual(["join"]);
  expect(shown([], entry(1, undefined, "x", false), entry(3, STATE))).toEqual(["online", "state"]);
  expect(shown([], entry(1), entry(3, undefined, "y"))).toEqual(["rename"]);
  expect(shown([], entry(3, STATE), undefined)).toEqual(["leave"]);
  expect(shown([], entry(1, STATE), entry(3, Uint8Array.of(1)))).toEqual([]);
});

test("what comes late, and what is over already, is not shown", () => {
  const known = entry(9, STATE);
  expect(shown([online, state], known, known)).toEqual([]);
  expect(shown([join, online], undefined, undefined)).toEqual([]);
  expect(shown([leave], undefined, undefined)).toEqual([]);
});
