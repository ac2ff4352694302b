import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../testing/fake-clock.ts";
import { SharedReads } from "./shared-reads.ts";
import type { StoredMessage } from "./stored-message.ts";
import type { StoredLimits, StoredStream } from "./stored-stream.ts";
import type { Range } from "./stream-pages.ts";

/** A stream in which one channel has these numbers, of so many bytes each. */
class Stored implements StoredStream {
  offsets: readonly number[];
  readonly #bytes: number;
  readonly atOnce = 32;
  asked = 0;
  /** Called before each answer, and what the answer waits for. */
  answering = () => {};
  reply = () => Promise.resolve();

  constructor(offsets: readonly number[], bytes = 1) {
    this.offsets = offsets;
    this.#bytes = bytes;
  }

  async look() {
    return { last: this.offsets.at(-1) ?? 0 };
  }

  async newestOf() {
    return this.offsets.at(-1) ?? 0;
  }

  async newest() {
    return this.#message(this.offsets.at(-1));
  }

  async next(_subject: string, from: number) {
    this.asked++;
    await this.reply();
    this.answering();
    return this.#message(this.offsets.find((offset) => offset >= from));
  }

  #message(offset: number | undefined): StoredMessage | undefined {
    if (offset === undefined) return undefined;
    const data = new Uint8Array(this.#bytes);
    const message = { subject: "a", data };
    return { offset, time: 0, message };
  }
}

const asking = { isOver: false };

/** Reads of a stream that nobody has read yet. */
function readsOf(stream: StoredStream) {
  const clock = new FakeClock();
  const reads = new SharedReads(clock);
  const channel = { stream, subject: "a" };
  const state = { epoch: "e", first: 1 };
  const part = (range: Partial<Range>, now = state) => {
    const all = { start: 1, limit: Infinity, maxBytes: Infinity, upTo: 10_000_000 };
    return reads.part(channel, now, { ...all, ...range }, asking);
  };
  const backwards = (before: number, limits: StoredLimits) =>
    reads.backwards(channel, before, limits, asking);
  return { clock, part, backwards };
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
        const page = await readsOf(stream).part({ start: edge, limit, maxBytes });
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
        const page = await readsOf(stream).backwards(edge, { limit, maxBytes });
        const all = offsets.filter((offset) => offset < edge).toReversed();
        const room = Math.min(limit, Math.max(1, Math.floor(maxBytes / bytes)));
        expect(offsetsOf(page.messages)).toEqual(all.slice(0, room));
        expect(page.hasMore).toBe(all.length > room);
      }),
    ));

  test("asks for little more than it gives", async () => {
    const dense = new Stored(Array.from({ length: 10_000 }, (_, index) => index + 1));
    const { messages } = await readsOf(dense).part({ limit: 1_000 });
    expect(messages).toHaveLength(1_000);
    expect(dense.asked).toBeLessThan(1_100);
    const sparse = new Stored([1, 500_000, 1_000_000]);
    await readsOf(sparse).part({ limit: 1_000 });
    expect(sparse.asked).toBeLessThan(100);
  });

  test("is refused where the leader does not have yet what another one has acknowledged", async () => {
    const lagging = new Stored([1, 2, 3]);
    lagging.newestOf = async () => 5;
    const page = readsOf(lagging).part({ limit: 10 });
    await expect(page).rejects.toMatchObject({ code: 901 });
  });

  test("is what there is where the newest became too old meanwhile", async () => {
    const expired = new Stored([1, 2, 3]);
    const answers = [5, 3];
    expired.newestOf = async () => answers.shift() ?? 3;
    expired.look = async () => ({ last: 5 });
    const page = await readsOf(expired).part({ limit: 10 });
    expect(offsetsOf(page.messages)).toEqual([1, 2, 3]);
    expect(page.hasMore).toBe(false);
  });

  test("is short where reading takes long, and no message of it is lost", async () => {
    const stream = new Stored(Array.from({ length: 1_000 }, (_, index) => index + 1));
    const { clock, part } = readsOf(stream);
    stream.answering = () => clock.advance(5);
    const found: StoredMessage[] = [];
    for (let hasMore = true; hasMore; ) {
      const page = await part({ start: (found.at(-1)?.offset ?? 0) + 1 });
      expect(page.messages.length).toBeLessThan(500);
      found.push(...page.messages);
      ({ hasMore } = page);
    }
    expect(offsetsOf(found)).toEqual([...stream.offsets]);
    expect(stream.asked).toBeLessThan(1_100);
  });

  test("is long where the server is far away, behind one that says how dense the channel is", async () => {
    const stream = new Stored(Array.from({ length: 1_000 }, (_, index) => index + 1));
    const { clock, part } = readsOf(stream);
    let trip: Promise<void> | undefined;
    stream.reply = () => {
      trip ??= settled().then(() => {
        trip = undefined;
        clock.advance(80);
      });
      return trip;
    };
    const { messages } = await part({ limit: 100, upTo: 1_000 });
    expect(messages).toHaveLength(100);
    const start = 101;
    expect((await part({ start, upTo: 1_000 })).messages.length).toBeGreaterThan(400);
  });

  test("ends where the stream stood when it was asked for", async () => {
    const { part } = readsOf(new Stored([1, 2, 5, 7, 9]));
    const page = await part({ upTo: 6 });
    expect(offsetsOf(page.messages)).toEqual([1, 2, 5]);
    expect(page.hasMore).toBe(false);
    expect(offsetsOf((await part({ upTo: 9 })).messages)).toEqual([1, 2, 5, 7, 9]);
  });
});

describe("what several ask for", () => {
  const questions = fc.record({
    start: fc.integer({ min: 1, max: 3_100 }),
    limit: fc.integer({ min: 0, max: 300 }),
    maxBytes: fc.integer({ min: 1, max: 2_000 }),
    upTo: fc.integer({ min: 1, max: 3_100 }),
  });

  test("is for each what it would be if nobody had asked before", () =>
    fc.assert(
      fc.asyncProperty(channels, fc.array(questions), async ({ offsets, bytes }, asked) => {
        const { part } = readsOf(new Stored(offsets, bytes));
        const pages = await Promise.all(asked.map((range) => part(range)));
        for (const [index, { start, limit, maxBytes, upTo }] of asked.entries()) {
          const all = offsets.filter((offset) => offset >= start && offset <= upTo);
          const room = Math.min(limit, Math.max(1, Math.floor(maxBytes / bytes)));
          expect(offsetsOf(pages[index]?.messages ?? [])).toEqual(all.slice(0, room));
          // A page that is full does not know whether what follows it lies behind the range.
          const isFull = all.length === room && (offsets.at(-1) ?? 0) > upTo;
          if (!isFull) expect(pages[index]?.hasMore).toBe(all.length > room);
        }
      }),
    ));

  test("is read once", async () => {
    const stream = new Stored(Array.from({ length: 500 }, (_, index) => index + 1));
    const { part } = readsOf(stream);
    const pages = await Promise.all(Array.from({ length: 50 }, () => part({ upTo: 500 })));
    for (const { messages } of pages) expect(messages).toHaveLength(500);
    expect(stream.asked).toBe(500);
    stream.offsets = [...stream.offsets, 501];
    expect((await part({ start: 400, upTo: 501 })).messages).toHaveLength(102);
    expect(stream.asked).toBe(501);
  });

  test("is not read again up to where a reading has failed", async () => {
    const stream = new Stored(Array.from({ length: 500 }, (_, index) => index + 1));
    const { part } = readsOf(stream);
    stream.answering = () => {
      if (stream.asked > 200) throw new Error("away");
    };
    await expect(part({ upTo: 500 })).rejects.toThrow("away");
    const { asked } = stream;
    stream.answering = () => {};
    expect((await part({ upTo: 500 })).messages).toHaveLength(500);
    expect(stream.asked - asked).toBeLessThan(480);
  });

  test("is without what became too old meanwhile", async () => {
    const { part } = readsOf(new Stored([1, 2, 3, 4]));
    await part({ upTo: 4 });
    const { messages } = await part({ upTo: 4 }, { epoch: "e", first: 3 });
    expect(offsetsOf(messages)).toEqual([3, 4]);
  });
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
