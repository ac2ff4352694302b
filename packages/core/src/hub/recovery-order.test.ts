import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  arrive,
  type ReadingSubscriber,
  RecoveryFixture,
  said,
  turns,
} from "../testing/recovery-fixture.ts";
import type { Beginning, Begun } from "./recovery.ts";

const CHANNELS = ["kept:a", "kept:b", "kept:c"] as const;
/** A page has room for two of these. */
const FILLING = " ".repeat(100_000);

type Worker = ReturnType<RecoveryFixture["worker"]>;
type Far = ReturnType<RecoveryFixture["far"]>;

/** What was published in each channel, in the order of the node. */
class Record {
  readonly all: { readonly channel: string; readonly data: string; readonly offset: number }[] = [];
  readonly #fixture: RecoveryFixture;
  #count = 0;

  constructor(fixture: RecoveryFixture) {
    this.#fixture = fixture;
  }

  publish({ hub }: Worker, channel: string, isLarge: boolean): void {
    hub.publishUnanswered(said(channel, `${this.#count++}${isLarge ? FILLING : ""}`));
  }

  /** Reads from the node what it has in which order. */
  read({ broker }: Worker): void {
    this.all.length = 0;
    for (const channel of CHANNELS) {
      let since = { epoch: this.#fixture.local.node.history.position.epoch, offset: 0 };
      for (let hasMore = true; hasMore; ) {
        const page = broker.history("default", channel, { since, limit: 1_000 });
        if (page instanceof Promise) throw new Error("this worker is at the node");
        for (const { offset, content } of page.entries) {
          this.all.push({ channel, data: content.data.trimEnd(), offset });
          since = { ...since, offset };
        }
        ({ hasMore } = page);
      }
    }
    this.all.sort((a, b) => a.offset - b.offset);
  }

  /** What a subscriber that has begun so is to get. */
  expected(begun: readonly Begun[]): string[] {
    return this.all.flatMap(({ channel, data, offset }) => {
      const start = begun.find((each) => each.channel === channel)?.position;
      return start !== undefined && offset > start.offset ? `${channel} ${data} ${offset}` : [];
    });
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant("publish" as const),
      channel: fc.nat(2),
      isFar: fc.boolean(),
      isLarge: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constantFrom("up" as const, "down" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constantFrom("read" as const, "pause" as const) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
const from = fc.oneof(
  fc.constant(undefined),
  fc.record({ last: fc.nat(3) }),
  fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

/** What is wanted of each channel, with positions from 0 up to where the stream stands. */
function wanted(
  fixture: RecoveryFixture,
  froms: readonly ({ last: number } | { share: number } | undefined)[],
): Beginning[] {
  const { epoch, offset } = fixture.local.node.history.position;
  return froms.map((each, index) => ({
    channel: CHANNELS[index] ?? "",
    from:
      each !== undefined && "share" in each
        ? { epoch, offset: Math.round(each.share * offset) }
        : each,
  }));
}

async function take(
  fixture: RecoveryFixture,
  record: Record,
  workers: { readonly near: Worker; readonly far: Far },
  subscriber: ReadingSubscriber,
  one: Step,
): Promise<void> {
  const { near, far } = workers;
  switch (one.what) {
    case "publish":
      record.publish(one.isFar ? far : near, CHANNELS[one.channel] ?? "", one.isLarge);
      break;
    case "up":
      far.broker.up.step();
      break;
    case "down":
      far.broker.down.step();
      break;
    default:
      subscriber.isReading = one.what === "read";
      fixture.clock.advance(10);
  }
  await turns();
}

test("whatever happens when, a subscriber gets all behind its position once, in one order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.tuple(from, from, from),
      fc.array(step, { maxLength: 50 }),
      async (before, froms, after) => {
        const fixture = new RecoveryFixture();
        const workers = { near: fixture.worker(), far: fixture.far() };
        const { near, far } = workers;
        const record = new Record(fixture);
        const subscriber = far.join("1");
        for (const one of before) await take(fixture, record, workers, subscriber, one);
        const beginnings = wanted(fixture, froms);
        const outcome = far.begin(subscriber, beginnings);
        for (const one of after) await take(fixture, record, workers, subscriber, one);
        subscriber.isReading = true;
        for (let round = 0; outcome.isDone === undefined && round < 50; round++) {
          await arrive(far.broker);
          fixture.clock.advance(10);
          await turns();
        }
        await arrive(far.broker);
        expect(outcome.error).toBeUndefined();
        expect(outcome.isDone).toBe(true);
        const { begun = [] } = outcome;
        expect(begun.map(({ channel }) => channel)).toEqual([...CHANNELS]);
        record.read(near);
        expect(subscriber.take()).toEqual(["begun", ...record.expected(begun)]);
        for (const [index, { from: wantedFrom }] of beginnings.entries()) {
          const { position, recovered } = begun[index] ?? {};
          if (wantedFrom === undefined) expect(recovered).toBeUndefined();
          else if ("last" in wantedFrom) {
            const own = record.all.filter(({ channel }) => channel === CHANNELS[index]);
            const rest = own.filter(({ offset }) => offset > (position?.offset ?? 0));
            expect(rest.length).toBeGreaterThanOrEqual(Math.min(own.length, wantedFrom.last, 2));
          } else {
            expect(recovered).toBe(true);
            expect(position).toMatchObject({ ...wantedFrom });
          }
        }
        expect(far.hub.unsubscribe(subscriber, "kept:a")).toBe(true);
        far.hub.unregister(subscriber);
        near.broker.leave();
        await arrive(far.broker);
        expect(fixture.local.node.held).toBe(1);
        expect(fixture.clock.pendingTimers).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
});
