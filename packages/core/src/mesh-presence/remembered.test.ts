import { describe, expect, test } from "bun:test";
import { Dots } from "./dots.ts";
import { LEASE_TICKS } from "./heartbeat.ts";
import { replicaOf } from "./interest.ts";
import { Interests } from "./interests.ts";
import { Peer } from "./peer.ts";
import { Remembered } from "./remembered.ts";

const KEPT_TICKS = 60 * LEASE_TICKS;

function setUp() {
  const interests = new Interests();
  const remembered = new Remembered();
  const room = interests.add("app", "room");
  /** A node falls silent that had so many members in a channel. */
  const silent = (node: string, start: string, members: number, tick = 0, interest = room) => {
    const peer = new Peer(node, start, 1);
    const entries = Array.from({ length: members }, (_, index) => {
      const connection = `${start}:${index}`;
      const member = { connection, clientId: "", user: undefined, state: undefined, since: 1 };
      return { dot: index + 1, member, isOnline: true };
    });
    const heard = Dots.range(1, members);
    replicaOf(interest, peer).roster.merge({ heard, context: heard.copy(), entries });
    remembered.keep(peer, interests.replicasOf(peer), tick);
    interest.replicas.delete(peer);
  };
  const membersOf = (start: string, node = start) =>
    remembered.take(new Peer(node, start, 1))?.get(room)?.size;
  return { interests, remembered, room, silent, membersOf };
}

describe("what was known of a silent node", () => {
  test("is had once, when the same start is back", () => {
    const { remembered, silent, membersOf } = setUp();
    silent("a", "a1", 3);
    silent("b", "b1", 2);
    expect(remembered.size).toBe(7);
    expect(membersOf("c1")).toBeUndefined();
    expect(membersOf("a1")).toBe(3);
    expect(membersOf("a1")).toBeUndefined();
    expect(membersOf("b1")).toBe(2);
    expect(remembered.size).toBe(0);
  });

  test("is of no use once another start of the node is there", () => {
    const { remembered, silent, membersOf } = setUp();
    silent("a", "a1", 3);
    silent("", "x1", 1);
    expect(membersOf("a2", "a")).toBeUndefined();
    expect(membersOf("a1")).toBeUndefined();
    // Nodes that have no name are not the same.
    expect(membersOf("x2", "")).toBeUndefined();
    expect(remembered.size).toBe(2);
  });

  test("ends with the interest in the channel", () => {
    const { interests, remembered, room, silent } = setUp();
    const other = interests.add("app", "other");
    silent("a", "a1", 3);
    silent("b", "b1", 2, 0, other);
    remembered.unwanted(room);
    expect(remembered.size).toBe(3);
    remembered.unwanted(other);
    expect(remembered.size).toBe(0);
  });

  test("is forgotten after the time of sixty leases", () => {
    const { remembered, silent } = setUp();
    silent("a", "a1", 3, 10);
    silent("b", "b1", 2, 11);
    remembered.expire(9 + KEPT_TICKS);
    expect(remembered.size).toBe(7);
    remembered.expire(10 + KEPT_TICKS);
    expect(remembered.size).toBe(3);
    remembered.expire(11 + KEPT_TICKS);
    expect(remembered.size).toBe(0);
  });

  test("is forgotten before what is newer where both are too much, and not kept where it alone is", () => {
    const { remembered, silent, membersOf } = setUp();
    silent("a", "a1", 50_000);
    silent("b", "b1", 30_000);
    silent("c", "c1", 60_000);
    expect(remembered.size).toBe(90_002);
    expect(membersOf("a1")).toBeUndefined();
    silent("d", "d1", 100_000);
    expect(remembered.size).toBe(0);
    expect(membersOf("d1")).toBeUndefined();
  });
});
