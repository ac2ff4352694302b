import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../testing/fake-clock.ts";
import { turn } from "../../testing/turn.ts";
import { RequestWindow } from "./request-window.ts";
import type { StoredMessage } from "./stored-message.ts";
import type { StoredLimits, StoredStream, StoredStretch } from "./stored-stream.ts";
import { readForwards, sampleOf } from "./stream-pages.ts";
import { type Sample, type Walk, walk } from "./stream-walk.ts";

const FAR_MS = 160;
const NEAR_MS = 1;
const ALL: StoredLimits = { limit: Infinity, maxBytes: Infinity };
const NOTHING: Sample = { numbers: 0, messages: 0, bytes: 0 };

/** A stream in which one channel has these numbers, of so many bytes each, and whose answers take their time. */
class Remote implements StoredStream {
  readonly clock = new FakeClock();
  readonly #offsets: readonly number[];
  readonly #tripMs: () => number;
  readonly #bytes: number;
  readonly #window = new RequestWindow(this.clock);
  asked = 0;
  underWay = 0;
  mostUnderWay = 0;

  constructor(offsets: readonly number[], tripMs: number | (() => number), bytes = 100) {
    this.#offsets = offsets;
    this.#tripMs = typeof tripMs === "number" ? () => tripMs : tripMs;
    this.#bytes = bytes;
  }

  get atOnce(): number {
    return this.#window.share;
  }

  async look() {
    return { last: this.#offsets.at(-1) ?? 0 };
  }

  async newestOf() {
    return (await this.newest())?.offset ?? 0;
  }

  newest() {
    return this.#answer(() => this.#offsets.at(-1));
  }

  next(_subject: string, from: number) {
    return this.#answer(() => this.#offsets.find((offset) => offset >= from));
  }

  /** What a promise comes to while the time goes on. */
  async comesTo<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    promise.then(end, end);
    await turn();
    while (!isOver) {
      this.clock.advance(Math.max(1, this.#tripMs() / 8));
      await turn();
    }
    return promise;
  }

  #answer(find: () => number | undefined): Promise<StoredMessage | undefined> {
    return this.#window.ask(async () => {
      this.asked++;
      this.underWay++;
      this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
      await new Promise<void>((resume) => void this.clock.setTimeout(resume, this.#tripMs()));
      this.underWay--;
      const offset = find();
      if (offset === undefined) return undefined;
      const data = new Uint8Array(this.#bytes);
      return { offset, time: 0, message: { subject: "a", data } };
    });
  }
}

/** Reads all of it, one part after the other; answers what it has, and how many milliseconds that took. */
async function readAll(stream: Remote) {
  const { clock } = stream;
  const startedAt = clock.now();
  const offsets: number[] = [];
  let known: Sample | undefined;
  for (let hasMore = true, start = 1; hasMore; ) {
    const range = { ...ALL, start, upTo: Infinity, known };
    const reading = readForwards({ stream, subject: "a" }, range, clock);
    const part = await stream.comesTo(reading);
    offsets.push(...offsetsOf(part.messages));
    ({ hasMore } = part);
    const end = offsets.at(-1) ?? 0;
    known = sampleOf(part.messages, end - start + 1);
    start = end + 1;
  }
  return { offsets, tookMs: clock.now() - startedAt };
}

/** The first part of it that there is with these limits. */
function readPart(stream: Remote, limits: Partial<StoredLimits>) {
  const range = { ...ALL, ...limits, start: 1, upTo: Infinity };
  return stream.comesTo(readForwards({ stream, subject: "a" }, range, stream.clock));
}

const offsetsOf = (messages: readonly StoredMessage[]) => messages.map(({ offset }) => offset);
const numbers = (count: number, from = 1) =>
  Array.from({ length: count }, (_, index) => from + index);

describe("what is far away", () => {
  test("is read as fast as if it were near: 5,000 messages in some dozens of round trips", async () => {
    const stream = new Remote(numbers(5_000), FAR_MS);
    const { offsets, tookMs } = await readAll(stream);
    expect(offsets).toEqual(numbers(5_000));
    expect(tookMs / FAR_MS).toBeLessThan(40);
    expect(stream.mostUnderWay).toBeLessThanOrEqual(512);
    expect(stream.asked).toBeLessThan(5_050);
  });

  test("is so too where many messages lie in the middle of few", async () => {
    const few = Array.from({ length: 20 }, (_, index) => 1 + index * 20_000);
    const all = [...few, ...numbers(3_000, 400_001)];
    const { offsets, tookMs } = await readAll(new Remote(all, FAR_MS));
    expect(offsets).toEqual(all);
    expect(tookMs / FAR_MS).toBeLessThan(100);
  });

  test("is not asked for much more than is wanted of it", async () => {
    const stream = new Remote(numbers(100_000), FAR_MS);
    expect((await readPart(stream, { limit: 200 })).messages.length).toBeGreaterThanOrEqual(200);
    expect(stream.asked).toBeLessThan(220);
    const large = new Remote(numbers(100_000), FAR_MS, 4_096);
    const maxBytes = 64 * 4_096;
    expect((await readPart(large, { maxBytes })).messages.length).toBeGreaterThanOrEqual(64);
    expect(large.asked).toBeLessThan(80);
    const huge = new Remote(numbers(100_000), FAR_MS, maxBytes);
    await readPart(huge, { maxBytes });
    expect(huge.asked).toBeLessThan(10);
  });

  test("is completed where some of it was passed over, so that little is asked for again", async () => {
    // About each tenth number, here more and there less.
    const some = numbers(30_000).filter((number) => (number * number) % 101 < 10);
    const stream = new Remote(some, FAR_MS);
    const { offsets } = await readAll(stream);
    expect(offsets).toEqual(some);
    expect(stream.asked).toBeLessThan(3 * some.length);
  });

  test("is not asked for thousands of times where there is little", async () => {
    const sparse = Array.from({ length: 200 }, (_, index) => 1 + index * 997);
    const stream = new Remote(sparse, FAR_MS);
    expect((await readAll(stream)).offsets).toEqual(sparse);
    expect(stream.asked).toBeLessThan(1_000);
  });
});

test("what is near is not asked for more at a time than 32 messages", async () => {
  const stream = new Remote(numbers(5_000), NEAR_MS);
  expect((await readAll(stream)).offsets).toEqual(numbers(5_000));
  expect(stream.mostUnderWay).toBe(32);
  expect(stream.asked).toBeLessThan(5_050);
});

describe("a part that is read", () => {
  const parts = fc.record({
    offsets: fc.uniqueArray(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 300 }),
    from: fc.integer({ min: 1, max: 2_100 }),
    to: fc.integer({ min: 1, max: 2_100 }),
    limit: fc.integer({ min: 0, max: 200 }),
    maxBytes: fc.integer({ min: 1, max: 2_000 }),
    bytes: fc.integer({ min: 0, max: 20 }),
    trips: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
    known: fc.record({
      numbers: fc.integer({ min: 0, max: 1_000 }),
      messages: fc.integer({ min: 0, max: 100 }),
      bytes: fc.integer({ min: 0, max: 1_000 }),
    }),
  });

  test("is all that there is up to where it ends, in whichever order the answers come", () =>
    fc.assert(
      fc.asyncProperty(parts, async (part) => {
        const { from, limit, maxBytes, trips, known, bytes } = part;
        const offsets = part.offsets.toSorted((a, b) => a - b);
        const newest = offsets.at(-1) ?? 0;
        const to = Math.min(part.to, newest);
        let count = 0;
        const stream = new Remote(offsets, () => trips[count++ % trips.length] ?? 1, bytes);
        const stretches: StoredStretch[] = [];
        const startedAt = stream.clock.now();
        const options: Walk = {
          ...{ stream, subject: "a", from, to, newest, known, limit, maxBytes },
          elapsed: () => stream.clock.now() - startedAt,
          took: (stretch) => void stretches.push(stretch),
        };
        const { messages, upTo } = await stream.comesTo(walk(options));
        const elapsedMs = options.elapsed();
        expect(offsetsOf(messages)).toEqual(offsets.filter((at) => at >= from && at <= upTo));
        expect(stretches.flatMap((stretch) => stretch.messages)).toEqual([...messages]);
        let before = from - 1;
        for (const stretch of stretches) {
          const all = offsets.filter((at) => at > before && at <= stretch.upTo);
          expect(offsetsOf(stretch.messages)).toEqual(all);
          before = stretch.upTo;
        }
        const isEnough = messages.length >= limit || messages.length * bytes >= maxBytes;
        expect(upTo >= to || isEnough || elapsedMs >= 1_000).toBe(true);
        expect(messages.length > 0 || limit === 0 || upTo >= to).toBe(true);
        expect(stream.underWay).toBe(0);
      }),
    ));

  test("has come to an end where an answer fails, whatever is still under way", async () => {
    const stream = new Remote(numbers(1_000), FAR_MS);
    const stretches: StoredStretch[] = [];
    let left = 50;
    const failing: StoredStream = {
      atOnce: 32,
      look: () => stream.look(),
      newestOf: () => stream.newestOf(),
      newest: () => stream.newest(),
      next: async (subject, from) => {
        if (left-- === 0) throw new Error("away");
        return stream.next(subject, from);
      },
    };
    const walking = walk({
      ...{ ...ALL, stream: failing, subject: "a", from: 1, to: 1_000, newest: 1_000 },
      ...{ known: NOTHING, elapsed: () => 0, took: (stretch) => void stretches.push(stretch) },
    });
    await expect(stream.comesTo(walking)).rejects.toThrow("away");
    const { length } = stretches;
    const { asked } = stream;
    for (let count = 0; count < 20; count++) {
      stream.clock.advance(FAR_MS);
      await turn();
    }
    expect(stretches).toHaveLength(length);
    expect(stream.asked - asked).toBeLessThanOrEqual(32);
  });
});
