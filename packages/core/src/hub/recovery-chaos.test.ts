import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  arrive,
  type ReadingSubscriber,
  RecoveryFixture,
  said,
  turns,
} from "../testing/recovery-fixture.ts";

const CHANNELS = ["kept:a", "kept:b", "plain"] as const;
const LARGE = " ".repeat(100_000);

const channel = fc.constantFrom(...CHANNELS);
const subscriber = fc.nat(1);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("begin" as const),
      subscriber,
      channels: fc.uniqueArray(channel, { minLength: 1 }),
      behind: fc.nat(5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant("leave" as const), subscriber, channel }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constantFrom("go" as const, "pause" as const, "read" as const),
      subscriber,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant("publish" as const),
      channel,
      isLarge: fc.boolean(),
      isLost: fc.nat(9).map((n) => n === 0),
    }),
  },
  { weight: 12, arbitrary: fc.record({ what: fc.constantFrom("up" as const, "down" as const) }) },
);

/** What one subscriber heard, in parts: a new one begins where it begins, or leaves, a channel. */
class Heard {
  readonly parts: { readonly channel: string; readonly offsets: number[] }[] = [];
  readonly #open = new Map<string, number[] | undefined>();
  readonly subscriber: ReadingSubscriber;

  constructor(subscriber: ReadingSubscriber) {
    this.subscriber = subscriber;
  }

  /** Whatever comes from now on in that channel belongs to another part, or to none. */
  turn(name: string, isOpen: boolean): void {
    this.read();
    const offsets: number[] = [];
    if (isOpen) this.parts.push({ channel: name, offsets });
    this.#open.set(name, isOpen ? offsets : undefined);
  }

  read(): void {
    for (const frame of this.subscriber.take()) {
      const [name = "", , offset] = frame.split(" ");
      if (!name.startsWith("kept")) continue;
      const offsets = this.#open.get(name);
      if (offsets === undefined) throw new Error(`${frame} came to somebody who is not there`);
      offsets.push(Number(offset));
    }
  }
}

/** Places of everything that was published in a channel. */
function places(
  fixture: RecoveryFixture,
  { broker }: ReturnType<RecoveryFixture["worker"]>,
  name: string,
): Set<number> {
  const found = new Set<number>();
  let since = { ...fixture.local.node.history.position, offset: 0 };
  for (let hasMore = true; hasMore; ) {
    const page = broker.history("default", name, { since, limit: 1_000 });
    if (page instanceof Promise) throw new Error("this worker is at the node");
    for (const { offset } of page.entries) found.add(offset);
    since = { ...since, offset: page.entries.at(-1)?.offset ?? 0 };
    ({ hasMore } = page);
  }
  return found;
}

test("whoever comes, leaves and goes, and whatever is lost: no part that anybody hears has a gap, and nothing is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 120, size: "max" }),
      async (steps) => {
        const fixture = new RecoveryFixture();
        const [near, far] = [fixture.worker(), fixture.far()];
        const join = (index: number) => new Heard(far.join(`${index}`));
        const current = [join(0), join(1)];
        const all = [...current];
        const begin = (heard: Heard, channels: readonly string[], behind: number) => {
          const { epoch, offset } = fixture.local.node.history.position;
          const from = { epoch, offset: Math.max(0, offset - behind) };
          const done = far.hub.begin(
            heard.subscriber,
            channels.map((name) => ({ channel: name, from })),
            {
              begun(how) {
                // Where it had the channel already, it goes on.
                for (const { channel: name, position } of how) {
                  if (position !== undefined) heard.turn(name, true);
                }
              },
            },
          );
          // It is refused where it leaves again before it has begun.
          if (done instanceof Promise) done.catch(() => {});
        };
        for (const one of steps) {
          const heard = "subscriber" in one ? current[one.subscriber] : undefined;
          if (one.what === "up") far.broker.up.step();
          if (one.what === "down") far.broker.down.step();
          if (one.what === "publish") {
            const wasEmpty = far.broker.down.isEmpty;
            near.hub.publishUnanswered(said(one.channel, `1${one.isLarge ? LARGE : ""}`));
            if (one.isLost && wasEmpty && !far.broker.down.isEmpty) {
              far.broker.down.loseLast();
              far.broker.down.send(() => far.handlers.missed());
            }
          }
          if (heard !== undefined) {
            const reader = heard.subscriber;
            if (one.what === "begin") begin(heard, one.channels, one.behind);
            if (one.what === "leave" && far.hub.unsubscribe(reader, one.channel)) {
              heard.turn(one.channel, false);
            }
            if (one.what === "pause" || one.what === "read") reader.isReading = one.what === "read";
            if (one.what === "go") {
              far.hub.unregister(reader);
              for (const name of CHANNELS) heard.turn(name, false);
              current[one.subscriber] = join(one.subscriber);
              all.push(current[one.subscriber] ?? heard);
            }
          }
          fixture.clock.advance(10);
          await turns();
        }
        for (const { subscriber: reader } of current) reader.isReading = true;
        for (let round = 0; round < 5; round++) {
          await arrive(far.broker);
          fixture.clock.advance(10);
        }
        for (const heard of all) {
          heard.read();
          for (const { channel: name, offsets } of heard.parts) {
            const kept = places(fixture, near, name);
            for (const [index, offset] of offsets.entries()) {
              expect(kept.has(offset)).toBe(true);
              const last = index === 0 ? offset - 1 : (offsets[index - 1] ?? 0);
              const between = [...kept].filter((each) => each > last && each < offset);
              expect([last < offset, between]).toEqual([true, []]);
            }
          }
          far.hub.unregister(heard.subscriber);
        }
        await arrive(far.broker);
        fixture.clock.advance(10_000);
        await turns();
        expect(near.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([]);
        expect(fixture.clock.pendingTimers).toBe(0);
      },
    ),
    { numRuns: 100 },
  );
});
