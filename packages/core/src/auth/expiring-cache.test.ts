import { describe, expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { ExpiringCache } from "./expiring-cache.ts";

function setUp() {
  const clock = new FakeClock(1000);
  return { clock, cache: new ExpiringCache<number>({ maxEntries: 2, clock }) };
}

describe("a value that is kept", () => {
  test("is found until its moment", () => {
    const { clock, cache } = setUp();
    cache.set("a", 1, 1100);
    clock.advance(99);
    expect(cache.get("a")).toBe(1);
    clock.advance(1);
    expect(cache.get("a")).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test("is not found after the clock was set back", () => {
    const { clock, cache } = setUp();
    cache.set("a", 1, 1100);
    clock.jumpTo(900);
    expect(cache.get("a")).toBeUndefined();
  });

  test("gives way when there are too many, the one unused for longest first", () => {
    const { cache } = setUp();
    cache.set("a", 1, 1100);
    cache.set("b", 2, 1100);
    cache.get("a");
    cache.set("c", 3, 1100);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([1, undefined, 3]);
    expect(cache.size).toBe(2);
  });

  test("replaces the one of the same key, also by nothing", () => {
    const { cache } = setUp();
    cache.set("a", 1, 1100);
    cache.set("a", 2, 1100);
    expect(cache.get("a")).toBe(2);
    cache.set("a", 3, 1000);
    expect(cache.get("a")).toBeUndefined();
  });
});
