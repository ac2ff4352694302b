import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { StoredMessage } from "./stored-message.ts";
import { readBackwards, readForwards, type StoredStream } from "./stream-pages.ts";

/** A stream in which one channel has these numbers, of so many bytes each. */
class Stored implements StoredStream {
  readonly #offsets: readonly number[];
  readonly #bytes: number;
  asked = 0;

  constructor(offsets: readonly number[], bytes = 1) {
    this.#offsets = offsets;
    this.#bytes = bytes;
  }

  async look() {
    return { last: this.#offsets.at(-1) ?? 0 };
  }

  async newestOf() {
    return this.#offsets.at(-1) ?? 0;
  }

  async newest() {
    return this.#message(this.#offsets.at(-1));
  }

  async next(_subject: string, from: number) {
    this.asked++;
    return this.#message(this.#offsets.find((offset) => offset >= from));
  }

  #message(offset: number | undefined): StoredMessage | undefined {
    if (offset === undefined) return undefined;
    const message = { subject: "a", data: new Uint8Array(this.#bytes) };
    return { offset, time: 0, message };
  }
}

const offsetsOf = (messages: readonly StoredMessage[]) => messages.map(({ offset }) => offset);

const channels = fc
  .record({
    offsets: fc.uniqueArray(fc.integer({ min: 1, max: 3_000 }), { maxLength: 400 }),
    edge: fc.integer({ min: 1, max: 3_100 }),
    limit: fc.integer({ min: 1, max: 300 }),
    bytes: fc.integer({ min: 1, max: 10 }),
    maxBytes: fc.integer({ min: 1, max: 2_000 }),
  })
  .map((all) => ({ ...all, offsets: all.offsets.toSorted((a, b) => a - b) }));

describe("a page of a channel", () => {
  test("has what lies behind a number, in order, as far as there is room", () =>
    fc.assert(
      fc.asyncProperty(channels, async ({ offsets, edge, limit, bytes, maxBytes }) => {
        const stream = new Stored(offsets, bytes);
        const page = await readForwards(stream, "a", edge, { limit, maxBytes });
        const all = offsets.filter((offset) => offset >= edge);
        const room = Math.min(limit, Math.max(1, Math.floor(maxBytes / bytes)));
        expect(offsetsOf(page.messages)).toEqual(all.slice(0, room));
        expect(page.hasMore).toBe(all.length > room);
      }),
    ));

  test("has what lies before a number, the newest first", () =>
    fc.assert(
      fc.asyncProperty(channels, async ({ offsets, edge, limit, bytes, maxBytes }) => {
        const stream = new Stored(offsets, bytes);
        const page = await readBackwards(stream, "a", edge, { limit, maxBytes });
        const all = offsets.filter((offset) => offset < edge).toReversed();
        const room = Math.min(limit, Math.max(1, Math.floor(maxBytes / bytes)));
        expect(offsetsOf(page.messages)).toEqual(all.slice(0, room));
        expect(page.hasMore).toBe(all.length > room);
      }),
    ));

  test("asks for little more than it gives", async () => {
    const dense = new Stored(Array.from({ length: 10_000 }, (_, index) => index + 1));
    const { messages } = await readForwards(dense, "a", 1, { limit: 1_000, maxBytes: Infinity });
    expect(messages).toHaveLength(1_000);
    expect(dense.asked).toBeLessThan(1_100);
    const sparse = new Stored([1, 500_000, 1_000_000]);
    await readForwards(sparse, "a", 1, { limit: 1_000, maxBytes: Infinity });
    expect(sparse.asked).toBeLessThan(100);
  });

  test("is refused where the leader does not have yet what another one has acknowledged", async () => {
    const lagging = new Stored([1, 2, 3]);
    lagging.newestOf = async () => 5;
    const page = readForwards(lagging, "a", 1, { limit: 10, maxBytes: Infinity });
    await expect(page).rejects.toMatchObject({ code: 901 });
  });

  test("is what there is where the newest became too old meanwhile", async () => {
    const expired = new Stored([1, 2, 3]);
    const answers = [5, 3];
    expired.newestOf = async () => answers.shift() ?? 3;
    expired.look = async () => ({ last: 5 });
    const page = await readForwards(expired, "a", 1, { limit: 10, maxBytes: Infinity });
    expect(offsetsOf(page.messages)).toEqual([1, 2, 3]);
    expect(page.hasMore).toBe(false);
  });
});
