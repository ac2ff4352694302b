import { describe, expect, test } from "bun:test";
import { Counters } from "../../hub/counters.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { type KeptState, KeptStates, MAX_STATES } from "./kept-states.ts";
import type { ChannelStart } from "./standing.ts";

function setUp() {
  const clock = new FakeClock();
  const counters = new Counters();
  return { clock, counters, kept: new KeptStates({ clock, counters, ttlMs: 1_000 }) };
}

function state(pid: string, starts: readonly ChannelStart[] = []): KeptState {
  const standing = { pid, starts, streams: [] };
  return { id: `id of ${pid}`, app: "default", user: "ada", standing };
}

const claim = (pid: string, other: object = {}) => ({
  pid,
  app: "default",
  user: "ada",
  ...other,
});

describe("what is kept of connections that broke", () => {
  test("is given once, and to its own user in its own app alone", () => {
    const { kept } = setUp();
    kept.add(state("a"));
    expect(kept.take(claim("b"))).toBeUndefined();
    expect(kept.take(claim("a", { user: "bob" }))).toBeUndefined();
    expect(kept.take(claim("a", { user: undefined }))).toBeUndefined();
    expect(kept.take(claim("a", { app: "shop" }))).toBeUndefined();
    expect(kept.take(claim("a"))?.id).toBe("id of a");
    expect(kept.take(claim("a"))).toBeUndefined();
  });

  test("is forgotten after its time, and leaves no timer behind", () => {
    const { clock, kept } = setUp();
    kept.add(state("a"));
    clock.advance(500);
    kept.add(state("b"));
    clock.advance(500);
    expect(kept.take(claim("a"))).toBeUndefined();
    expect(kept.take(claim("b"))).toBeDefined();
    expect([kept.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  test("is kept anew when the same connection breaks again", () => {
    const { clock, kept } = setUp();
    kept.add(state("a"));
    clock.advance(999);
    kept.add(state("a"));
    clock.advance(999);
    expect(kept.size).toBe(1);
    expect(kept.take(claim("a"))).toBeDefined();
  });

  test("makes room where it is too many, the oldest first, and is counted", () => {
    const { kept, counters } = setUp();
    for (let index = 0; index <= MAX_STATES; index++) kept.add(state(String(index)));
    expect([kept.size, counters.statesDropped]).toEqual([MAX_STATES, 1]);
    expect(kept.take(claim("0"))).toBeUndefined();
    expect(kept.take(claim("1"))).toBeDefined();
  });

  test("makes room where it is too large", () => {
    const { kept, counters } = setUp();
    const starts = Array.from(
      { length: 1_000 },
      (_, index): ChannelStart => [`${"x".repeat(200)}${index}`, undefined],
    );
    for (let index = 0; index < 400; index++) kept.add(state(String(index), starts));
    expect(kept.size).toBeGreaterThan(100);
    expect(kept.size).toBeLessThan(300);
    expect(counters.statesDropped).toBe(400 - kept.size);
  });
});
