import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Position } from "../../hub/position.ts";
import type { BrokerFixture } from "./fixture.ts";
import { keep, kept, read } from "./kept.ts";
import { join } from "./worker.ts";

/** Of a node whose channels keep so many bytes together; default: that of a node. */
type SetUp = (more?: { readonly historyBytes?: number }) => Promise<BrokerFixture>;

/** A page has room for two of these. */
const LARGE = "x".repeat(100_000);

/** What is kept, and pages of it. */
export function describeHistoryPages(setUp: SetUp): void {
  test("as many are kept as are wanted, for as long", async () => {
    const fixture = await setUp();
    const worker = await join(fixture);
    const all = async () =>
      (await read(fixture, worker, "a")).entries.map(({ content }) => content.data);
    await keep(fixture, worker, "a", ["1", "2", "3"], { size: 2, ttlMs: 10_000 });
    expect(await all()).toEqual(["2", "3"]);
    await fixture.advance(6_000);
    await keep(fixture, worker, "a", ["4"], { size: 3, ttlMs: 10_000 });
    expect(await all()).toEqual(["2", "3", "4"]);
    await fixture.advance(3_999);
    expect(await all()).toEqual(["2", "3", "4"]);
    await fixture.advance(1);
    expect(await all()).toEqual(["4"]);
    await fixture.advance(6_000);
    expect(await all()).toEqual([]);
  });

  test("pages in either direction give everything once, to the end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        async (isOther, limit, newestFirst) => {
          const fixture = await setUp();
          const worker = await join(fixture);
          for (const [n, other] of isOther.entries()) {
            worker.broker.publishUnanswered(kept(other ? "b" : "a", `${n}`));
          }
          const offsets: number[] = [];
          let since: Position | undefined;
          for (let hasMore = true; hasMore; ) {
            const page = await read(fixture, worker, "a", { since, limit, newestFirst });
            expect(page.position.offset).toBe(isOther.length);
            expect(page.isComplete).toBe(true);
            expect(page.entries.length).toBeLessThanOrEqual(limit);
            if (page.hasMore) expect(page.entries).toHaveLength(limit);
            for (const { offset } of page.entries) offsets.push(offset);
            since = { ...page.position, offset: offsets.at(-1) ?? 0 };
            ({ hasMore } = page);
          }
          const own = isOther.flatMap((other, n) => (other ? [] : n + 1));
          expect(offsets).toEqual(newestFirst ? own.toReversed() : own);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("a page says where the stream stands, and may be of nothing", async () => {
    const fixture = await setUp();
    const worker = await join(fixture);
    const nothing = await read(fixture, worker, "a");
    expect(nothing).toMatchObject({ entries: [], isComplete: true, hasMore: false });
    expect(nothing.position.offset).toBe(0);
    await keep(fixture, worker, "a", ["1"]);
    await keep(fixture, worker, "b", ["2"]);
    const page = await read(fixture, worker, "a", { limit: 0 });
    expect(page).toMatchObject({ entries: [], hasMore: true });
    expect(page.position).toEqual({ ...nothing.position, offset: 2 });
  });

  test("a page is incomplete where something before it is not there any more", async () => {
    const fixture = await setUp();
    const worker = await join(fixture);
    const isComplete = async (channel: string, since?: Position) =>
      (await read(fixture, worker, channel, { since, limit: 9 })).isComplete;
    const [first, second, third] = await keep(fixture, worker, "a", ["1", "2", "3"], { size: 2 });
    if (first === undefined || second === undefined || third === undefined) throw new Error();
    // Behind the first, nothing is missing.
    expect(await isComplete("a", first)).toBe(true);
    expect(await isComplete("a", { ...first, offset: 0 })).toBe(false);
    expect(await isComplete("a")).toBe(false);
    // Of another stream, or of the future.
    expect(await isComplete("a", { ...third, epoch: "another" })).toBe(false);
    expect(await isComplete("a", { ...third, offset: 4 })).toBe(false);
    expect(await isComplete("a", third)).toBe(true);
    const other = await read(fixture, worker, "a", {
      since: { ...first, epoch: "another" },
      limit: 9,
    });
    expect(other.entries.map(({ content }) => content.data)).toEqual(["2", "3"]);
    // The newest come first, so nothing is before them.
    const newest = await read(fixture, worker, "a", { limit: 9, newestFirst: true });
    expect(newest).toMatchObject({ isComplete: true, hasMore: false });
    // A channel in which nothing was published has all of it.
    expect(await isComplete("b", first)).toBe(true);
    await keep(fixture, worker, "b", ["4"], { ttlMs: 1_000 });
    expect(await isComplete("b", third)).toBe(true);
    await fixture.advance(1_000);
    expect(await isComplete("b", third)).toBe(false);
    expect(await isComplete("b", { ...third, offset: 4 })).toBe(true);
  });

  test("where there is no room whole channels go, those first that were not used for the longest time", async () => {
    const fixture = await setUp({ historyBytes: 5_000 });
    const worker = await join(fixture);
    const text = "x".repeat(1_000);
    const isComplete = async (channel: string, offset: number) => {
      const { position } = await read(fixture, worker, "none", { limit: 0 });
      const since = { ...position, offset };
      const page = await read(fixture, worker, channel, { since, limit: 9 });
      return [page.isComplete, page.entries.length];
    };
    for (const channel of ["a", "b", "c"]) await keep(fixture, worker, channel, [text]);
    expect(await isComplete("a", 0)).toEqual([true, 1]);
    await keep(fixture, worker, "d", [text]);
    expect(await isComplete("b", 0)).toEqual([false, 0]);
    expect(await isComplete("b", 2)).toEqual([true, 0]);
    expect(await isComplete("a", 0)).toEqual([true, 1]);
    // Which channel had what is not known any more.
    expect(await isComplete("never", 1)).toEqual([false, 0]);
    await keep(fixture, worker, "b", ["again"]);
    expect(await isComplete("b", 1)).toEqual([false, 1]);
    expect(await isComplete("b", 2)).toEqual([true, 1]);
  });

  test("a large page is cut, but for one publication that is larger than any page", async () => {
    const fixture = await setUp();
    const worker = await join(fixture);
    const large = Array.from({ length: 5 }, (_, n) => `${n}${LARGE}`);
    const [first] = await keep(fixture, worker, "a", [...large, LARGE.repeat(4)]);
    const sizes: number[] = [];
    let since = first && { ...first, offset: 0 };
    for (let hasMore = true; hasMore; ) {
      const page = await read(fixture, worker, "a", { since, limit: 100 });
      sizes.push(...page.entries.map(({ content }) => content.data.length), 0);
      since = { ...page.position, offset: page.entries.at(-1)?.offset ?? 0 };
      ({ hasMore } = page);
    }
    const one = LARGE.length + 1;
    expect(sizes).toEqual([one, one, 0, one, one, 0, one, 0, 4 * LARGE.length, 0]);
  });
}
