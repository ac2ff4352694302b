import { describe, expect, test } from "bun:test";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import { atOnce } from "../testing/at-once.ts";
import { behind } from "./behind.ts";
import { parseCursor } from "./cursor.ts";
import type { Publication } from "./publication.ts";

/** One channel of a stream, and what was asked of it. */
function channel(
  offsets: readonly number[],
  { epoch = "E", last = 1_000, first = 1, page = 1_000 } = {},
) {
  const asked: HistoryRequest[] = [];
  const ask = (request: HistoryRequest): HistoryPage<Publication> => {
    asked.push(request);
    const { since, limit } = request;
    const isKnown = since?.epoch === epoch && since.offset <= last;
    const kept = offsets.filter((offset) => offset >= first);
    const wanted = isKnown ? kept.filter((offset) => offset > since.offset) : kept;
    const entries = wanted.slice(0, Math.min(limit, page)).map((offset) => {
      const content = { app: "default", channel: "c", event: "e", data: "1" };
      return { offset, time: 0, content };
    });
    const isComplete = isKnown && since.offset >= first - 1;
    const hasMore = wanted.length > entries.length;
    return { position: { epoch, offset: last }, entries, isComplete, hasMore };
  };
  return { ask, asked };
}

async function found(text: string, { ask }: ReturnType<typeof channel>, least = 0, limit = 100) {
  const cursor = parseCursor(text);
  if (cursor === undefined) throw new Error(`${text} is no cursor`);
  const { page, since } = await behind(cursor, { limit }, { ask, least });
  const offsets = page.entries.map(({ offset }) => offset);
  return page.isComplete ? { since: since.offset, offsets } : "incomplete";
}

describe("what lies behind a cursor", () => {
  test("is asked for once, and answered at once, where all before it has been seen", () => {
    const known = channel([3, 5, 7]);
    const cursor = parseCursor("E.5");
    if (cursor === undefined) throw new Error("that is a cursor");
    const { page, since } = atOnce(behind(cursor, { limit: 100 }, known));
    expect(page.entries.map(({ offset }) => offset)).toEqual([7]);
    expect(since).toEqual({ epoch: "E", offset: 5 });
    expect(known.asked).toEqual([{ limit: 100, since: { epoch: "E", offset: 5 } }]);
  });

  test("is asked for once where the cursor is that of the channel's own publication", async () => {
    const known = channel([3, 5, 7, 9], { first: 5 });
    expect(await found("E.5~B", known)).toEqual({ since: 5, offsets: [7, 9] });
    expect(known.asked).toHaveLength(1);
  });

  test("begins behind the channel's newest that has been seen", async () => {
    // Of 10, 9 and 7 are missing.
    const cursor = "E.10~F";
    expect(await found(cursor, channel([6, 9, 12]))).toEqual({ since: 6, offsets: [9, 12] });
    expect(await found(cursor, channel([6, 7, 8, 12]))).toEqual({ since: 8, offsets: [12] });
    expect(await found(cursor, channel([2, 7, 9]))).toEqual({ since: 6, offsets: [7, 9] });
    expect(await found(cursor, channel([2]))).toEqual({ since: 6, offsets: [] });
  });

  test("is whole while the newest that has been seen is kept, however short the history is", async () => {
    expect(await found("E.10~F", channel([6, 7, 8, 12], { first: 8 }))).toEqual({
      since: 8,
      offsets: [12],
    });
    expect(await found("E.10~F", channel([6, 7, 12], { first: 12 }))).toBe("incomplete");
  });

  test("is not known where nothing of the channel has been seen, and something else may be missing", async () => {
    expect(await found("E.10!F", channel([7, 12]))).toBe("incomplete");
    expect(await found("E.10!", channel([]))).toBe("incomplete");
    expect(await found("E.10!", channel([12]))).toBe("incomplete");
    expect(await found("E.10!F", channel([6, 7, 12]))).toBe("incomplete");
    expect(await found("E.10!F", channel([7, 8, 9, 12]))).toEqual({ since: 8, offsets: [9, 12] });
    expect(await found("E.10!F", channel([9, 10, 12]))).toEqual({ since: 10, offsets: [12] });
  });

  test("is not known where something lies where nobody knows, and nothing behind it has been seen", async () => {
    // Of 4 to 6 nobody knows.
    const cursor = "E.10~F.3";
    expect(await found(cursor, channel([3, 5, 9]))).toBe("incomplete");
    expect(await found(cursor, channel([3, 5, 8, 9]))).toEqual({ since: 8, offsets: [9] });
    expect(await found(cursor, channel([3, 9, 12]))).toEqual({ since: 3, offsets: [9, 12] });
    expect(await found(cursor, channel([3, 9, 12], { first: 9 }))).toBe("incomplete");
    expect(await found(cursor, channel([3, 5, 9]), 0, 0)).toBe("incomplete");
    expect(await found(cursor, channel([3, 9]), 0, 0)).toMatchObject({ since: 3 });
    expect(await found("E.10!F.3", channel([3, 9]))).toBe("incomplete");
  });

  test("is looked for in the stream that the channel is of", async () => {
    const other = channel([3, 5, 7], { epoch: "F" });
    expect(await found("E.9,F.3", other)).toEqual({ since: 3, offsets: [5, 7] });
    expect(other.asked).toHaveLength(2);
    expect(await found("E.9,G.3", channel([3], { epoch: "F" }))).toBe("incomplete");
    expect(await found("E.9~B", channel([3], { epoch: "F" }))).toBe("incomplete");
  });

  test("is nothing that lies before what is wanted", async () => {
    expect(await found("E.10~F", channel([7, 9, 12]), 8)).toEqual({ since: 8, offsets: [9, 12] });
    expect(await found("E.10~F", channel([7, 9, 12]), 11)).toEqual({ since: 11, offsets: [12] });
    expect(await found("E.10~F", channel([7, 9], { first: 9 }), 8)).toEqual({
      since: 8,
      offsets: [9],
    });
  });

  test("is not known of a place that the stream has not come to", async () => {
    expect(await found("E.10~F", channel([6], { last: 8 }))).toBe("incomplete");
  });

  test("is found at once just below the cursor, however much lies before it", async () => {
    const offsets = Array.from({ length: 900 }, (_, index) => 101 + index);
    // Of 998 nothing is known but that it is missing; what nobody knows ends at 100.
    const text = "E.999~B.50.897";
    const small = channel(offsets, { page: 3 });
    expect(await found(text, small)).toMatchObject({ since: 999 });
    const other = channel(
      offsets.filter((offset) => offset !== 999),
      { page: 3 },
    );
    expect(await found(text, other)).toMatchObject({ since: 997, offsets: [998, 1_000] });
    expect(other.asked.length).toBeLessThan(6);
  });

  test("is found wherever it lies", async () => {
    for (const newest of [951, 900, 700, 400]) {
      const known = channel([100, newest, 1_001], { last: 1_001 });
      expect(await found("E.999~B.50.897", known)).toEqual({ since: newest, offsets: [1_001] });
      expect(known.asked.length).toBeLessThan(12);
    }
  });

  test("is looked through in a few pages, and no more", async () => {
    // Each second number is missing.
    const text = `E.960~${"VK".repeat(40)}B`;
    const missing = Array.from({ length: 200 }, (_, index) => 559 + 2 * index);
    const small = channel(missing, { page: 2 });
    expect(await found(text, small)).toBe("incomplete");
    expect(small.asked.length).toBeLessThan(20);
    const large = channel([558, ...missing], { page: 100 });
    expect(await found(text, large)).toMatchObject({ since: 558 });
  });
});
