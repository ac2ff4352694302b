import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { Histories, type HistoriesOptions } from "./histories.ts";
import { bytesHolding, publicationHolding } from "./holdings.ts";

const EPOCH = "epoch";
/** What a ring and an entry cost beside the content. */
const [RING, ENTRY] = [300, 120];

function setUp(more: Partial<HistoriesOptions<string>> = {}) {
  const clock = new FakeClock();
  const holding = { own: (text: string) => `own ${text}`, bytes: (text: string) => text.length };
  const histories = new Histories({ clock, epoch: EPOCH, maxBytes: 1e9, holding, ...more });
  return { clock, histories };
}

interface Naive {
  readonly channel: string;
  readonly offset: number;
  readonly time: number;
  readonly bytes: number;
}

/** The same as a list of everything, which knows nothing of rings. */
class Model {
  all: Naive[] = [];
  /** By channel, in the order of their last use. */
  ttls = new Map<string, number>();
  lost = new Map<string, number>();
  evictedUpTo = 0;
  offset = 0;

  of(channel: string): Naive[] {
    return this.all.filter((each) => each.channel === channel);
  }

  get bytes(): number {
    const entries = this.all.reduce((sum, { bytes }) => sum + bytes + ENTRY, 0);
    return entries + this.ttls.size * RING;
  }

  use(channel: string, ttlMs: number): void {
    if (!this.ttls.delete(channel)) this.lost.set(channel, this.evictedUpTo);
    this.ttls.set(channel, ttlMs);
  }

  drop(lost: readonly Naive[]): void {
    this.all = this.all.filter((each) => !lost.includes(each));
    for (const { channel, offset } of lost) {
      this.lost.set(channel, Math.max(this.lost.get(channel) ?? 0, offset));
    }
  }

  expire(channel: string, now: number): void {
    const ttlMs = this.ttls.get(channel);
    if (ttlMs !== undefined) {
      this.drop(this.of(channel).filter(({ time }) => time <= now - ttlMs));
    }
  }

  evict(maxBytes: number): void {
    for (const channel of [...this.ttls.keys()]) {
      if (this.bytes <= maxBytes) return;
      this.evictedUpTo = Math.max(
        this.evictedUpTo,
        this.lost.get(channel) ?? 0,
        ...this.of(channel).map(({ offset }) => offset),
      );
      this.all = this.all.filter((each) => each.channel !== channel);
      this.ttls.delete(channel);
      this.lost.delete(channel);
    }
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant("append" as const),
      channel: fc.constantFrom("a", "b", "c", "d"),
      size: fc.integer({ min: 1, max: 4 }),
      ttlMs: fc.integer({ min: 1, max: 50 }),
      bytes: fc.nat(400),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("read" as const),
      channel: fc.constantFrom("a", "b", "c", "d", "e"),
      since: fc.option(fc.nat(30), { nil: undefined }),
      isOther: fc.boolean(),
      newestFirst: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("wait" as const), ms: fc.nat(30) }) },
);

test("histories keep what a list of everything would, within their bytes, and say what is missing", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 500, max: 4_000 }),
      (steps, maxBytes) => {
        const { clock, histories } = setUp({ maxBytes });
        const model = new Model();
        for (const one of steps) {
          if (one.what === "wait") clock.advance(one.ms);
          if (one.what === "append") {
            const { channel, size, ttlMs, bytes } = one;
            const position = histories.append("app", { channel, size, ttlMs }, "x".repeat(bytes));
            model.offset++;
            expect(position).toEqual({ epoch: EPOCH, offset: model.offset });
            model.use(channel, ttlMs);
            model.all.push({ channel, offset: model.offset, time: clock.now(), bytes });
            model.drop(model.of(channel).slice(0, -size));
            model.expire(channel, clock.now());
            model.evict(maxBytes);
          }
          if (one.what === "read") {
            const { channel, newestFirst, isOther } = one;
            const since =
              one.since === undefined
                ? undefined
                : { epoch: isOther ? "other" : EPOCH, offset: one.since };
            const page = histories.read("app", channel, { since, limit: 99, newestFirst });
            const ttlMs = model.ttls.get(channel);
            if (ttlMs !== undefined) model.use(channel, ttlMs);
            model.expire(channel, clock.now());
            const lost = model.ttls.has(channel)
              ? (model.lost.get(channel) ?? 0)
              : model.evictedUpTo;
            const isKnown =
              since === undefined || (since.epoch === EPOCH && since.offset <= model.offset);
            const place = isKnown ? since?.offset : undefined;
            const own = model.of(channel).map(({ offset }) => offset);
            const behind = own.filter((offset) => offset > (place ?? 0));
            const before = own.filter((offset) => offset < (place ?? 1_000)).toReversed();
            expect(page.entries.map(({ offset }) => offset)).toEqual(newestFirst ? before : behind);
            expect(page.isComplete).toBe(isKnown && (newestFirst || (place ?? 0) >= lost));
            expect(page.position).toEqual({ epoch: EPOCH, offset: model.offset });
            expect(page.hasMore).toBe(false);
            expect(page.entries.every(({ content }) => content.startsWith("own "))).toBe(true);
          }
          expect(histories.bytes).toBe(model.bytes);
          expect(histories.bytes).toBeLessThanOrEqual(maxBytes);
          expect(histories.channels).toBe(model.ttls.size);
          expect(histories.position.offset).toBe(model.offset);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("apps have their own channels, and what is evicted is counted", () => {
  const { histories } = setUp({ maxBytes: 2 * (RING + ENTRY + 1) });
  const stream = { channel: "a", size: 9, ttlMs: 1_000 };
  histories.append("one", stream, "1");
  histories.append("two", stream, "2");
  const contents = (app: string) =>
    histories.read(app, "a", { limit: 9 }).entries.map(({ content }) => content);
  expect([contents("one"), contents("two")]).toEqual([["own 1"], ["own 2"]]);
  expect(histories.evicted).toBe(0);
  histories.append("three", stream, "3");
  expect([contents("one"), contents("two"), contents("three")]).toEqual([[], ["own 2"], ["own 3"]]);
  expect(histories.evicted).toBe(1);
});

test("what is larger than all the room there is goes at once, and nothing is taken into account for it", () => {
  const { histories } = setUp({ maxBytes: 1_000 });
  const stream = { channel: "a", size: 9, ttlMs: 1_000 };
  expect(histories.append("app", stream, "x".repeat(2_000)).offset).toBe(1);
  expect([histories.bytes, histories.channels, histories.evicted]).toEqual([0, 0, 1]);
  expect(histories.read("app", "a", { limit: 9 })).toMatchObject({
    entries: [],
    isComplete: false,
  });
});

test("bytes of a publication are those of its payload, or of event, data and attachments, with its names", () => {
  const base = { app: "default", channel: "abc", event: "event", data: "123" };
  const { bytes } = publicationHolding;
  expect(bytes(base)).toBe(11);
  const attachments = [new Uint8Array(10), new Uint8Array(5)];
  expect(bytes({ ...base, publisher: "me", attachments })).toBe(28);
  expect(bytes({ ...base, publisher: "me", payload: new Uint8Array(40), attachments })).toBe(45);
  const shared = Uint8Array.of(1, 2, 3);
  const own = bytesHolding.own(shared);
  shared[0] = 9;
  expect([[...own], bytesHolding.bytes(own)]).toEqual([[1, 2, 3], 3]);
});
