import { expect, test } from "bun:test";
import fc from "fast-check";
import { reached } from "../../testing/published.ts";
import type { DeliveryKey, Published } from "../broker.ts";
import type { BrokerFixture } from "./fixture.ts";
import { answered, ask, delivery, type Joined, join, refusal } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture>;

const key = (name: string, fingerprint = "request"): DeliveryKey => ({ key: name, fingerprint });

/** Keys for which a delivery is made once. */
export function describeKeys(setUp: SetUp): void {
  test("a new key is its worker's, and afterwards everybody gets the answer of its delivery", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    void second.broker.interest("default", "a", 4);
    await fixture.settle();
    const keys = [key("k")];
    expect(await answered(fixture, () => first.broker.reserve(keys))).toEqual([undefined]);
    const published = delivery("a", "1", { key: key("k"), reached: 1 });
    expect(await answered(fixture, () => first.broker.publish(published))).toEqual(reached(5));
    for (const { broker } of [first, second]) {
      expect(await answered(fixture, () => broker.reserve([key("other"), key("k")]))).toEqual([
        undefined,
        reached(5),
      ]);
      broker.release([key("other")]);
      await fixture.settle();
    }
  });

  test("a key that is published unanswered is used up with all subscribers, too", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    void second.broker.interest("default", "a", 4);
    await fixture.settle();
    await answered(fixture, () => first.broker.reserve([key("k")]));
    first.broker.publishUnanswered(delivery("a", "1", { key: key("k"), reached: 1 }));
    await fixture.settle();
    expect(await answered(fixture, () => second.broker.reserve([key("k")]))).toEqual([reached(5)]);
  });

  test("a key of a different request is refused, and then no key at all is reserved", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    const outcome = async (keys: readonly DeliveryKey[]) => {
      const asked = ask(() => second.broker.reserve(keys));
      await fixture.settle();
      return asked.outcome;
    };
    const conflict = refusal("idempotency_conflict");
    await answered(fixture, () => first.broker.reserve([key("k")]));
    expect(await outcome([key("new"), key("k", "different")])).toEqual(conflict);
    await answered(fixture, () => first.broker.publish(delivery("a", "1", { key: key("k") })));
    expect(await outcome([key("new"), key("k", "different")])).toEqual(conflict);
    expect(await outcome([key("twice"), key("twice", "different")])).toEqual(conflict);
    const free = [key("new", "mine"), key("twice", "mine")];
    expect(await answered(fixture, () => first.broker.reserve(free))).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("a key that comes twice in one call counts once", async () => {
    const fixture = await setUp();
    const { broker } = await join(fixture);
    const twice = [key("k"), key("k")];
    expect(await answered(fixture, () => broker.reserve(twice))).toEqual([undefined, undefined]);
    await answered(fixture, () => broker.publish(delivery("a", "1", { key: key("k") })));
    expect(await answered(fixture, () => broker.reserve(twice))).toEqual([reached(0), reached(0)]);
  });

  const endings: Record<
    string,
    { end(fixture: BrokerFixture, holder: Joined): Promise<unknown>; answer: Published | undefined }
  > = {
    "is given its answer once it is published": {
      end: (fixture, { broker }) =>
        answered(fixture, () => broker.publish(delivery("a", "1", { key: key("k"), reached: 3 }))),
      answer: reached(3),
    },
    "is given its answer once it is published and nobody asks for the answer": {
      end: async (fixture, { broker }) => {
        broker.publishUnanswered(delivery("a", "1", { key: key("k"), reached: 4 }));
        await fixture.settle();
      },
      answer: reached(4),
    },
    "has it once it is released": {
      end: async (fixture, { broker }) => {
        broker.release([key("k")]);
        await fixture.settle();
      },
      answer: undefined,
    },
    "has it after fifteen seconds": {
      end: (fixture) => fixture.advance(15_000),
      answer: undefined,
    },
    "has it once its worker is gone": {
      end: (fixture, { broker }) => fixture.leave(broker),
      answer: undefined,
    },
  };
  for (const [what, { end, answer }] of Object.entries(endings)) {
    test(`whoever waits for a key that another has ${what}`, async () => {
      const fixture = await setUp();
      const [holder, waiter, third] = [
        await join(fixture),
        await join(fixture),
        await join(fixture),
      ];
      await answered(fixture, () => holder.broker.reserve([key("k")]));
      const waiting = ask(() => waiter.broker.reserve([key("mine"), key("k")]));
      await fixture.settle();
      expect(waiting.outcome).toBeUndefined();
      // Who waits holds nothing, so that no two can wait for one another.
      expect(await answered(fixture, () => third.broker.reserve([key("mine")]))).toEqual([
        undefined,
      ]);
      third.broker.release([key("mine")]);
      await fixture.settle();
      await end(fixture, holder);
      await fixture.settle();
      expect(waiting.outcome).toEqual({ value: [undefined, answer] });
    });
  }

  test("a delivery that comes when its key is another's is made nowhere", async () => {
    const fixture = await setUp();
    const [late, other, listener] = [await join(fixture), await join(fixture), await join(fixture)];
    void listener.broker.interest("default", "a", 1);
    await fixture.settle();
    const outcome = async (published: ReturnType<typeof delivery>) => {
      const asked = ask(() => late.broker.publish(published));
      await fixture.settle();
      return asked.outcome;
    };
    await answered(fixture, () => late.broker.reserve([key("k")]));
    await fixture.advance(15_000);
    await answered(fixture, () => other.broker.reserve([key("k")]));
    const tooLate = delivery("a", "late", { key: key("k") });
    expect(await outcome(tooLate)).toEqual(refusal("broker_unavailable"));
    late.broker.publishUnanswered(tooLate);
    await fixture.settle();
    const inTime = delivery("a", "in time", { key: key("k"), reached: 2 });
    expect(await answered(fixture, () => other.broker.publish(inTime))).toEqual(reached(3));
    expect(await outcome(tooLate)).toEqual(refusal("broker_unavailable"));
    const changed = delivery("a", "changed", { key: key("k", "different") });
    expect(await outcome(changed)).toEqual(refusal("idempotency_conflict"));
    expect(listener.take()).toEqual(["in time"]);
    expect(await answered(fixture, () => late.broker.reserve([key("k")]))).toEqual([reached(3)]);
  });

  test("a key that ran out while nobody else wanted it is published with all the same", async () => {
    const fixture = await setUp();
    const { broker } = await join(fixture);
    await answered(fixture, () => broker.reserve([key("k")]));
    await fixture.advance(15_000);
    const published = delivery("a", "1", { key: key("k"), reached: 2 });
    expect(await answered(fixture, () => broker.publish(published))).toEqual(reached(2));
    expect(await answered(fixture, () => broker.reserve([key("k")]))).toEqual([reached(2)]);
  });

  test("a worker cannot release what another has reserved", async () => {
    const fixture = await setUp();
    const [holder, other] = [await join(fixture), await join(fixture)];
    await answered(fixture, () => holder.broker.reserve([key("k")]));
    other.broker.release([key("k")]);
    const waiting = ask(() => other.broker.reserve([key("k")]));
    await fixture.settle();
    expect(waiting.outcome).toBeUndefined();
  });

  test("a key that waits is nobody's once the worker that waited is gone", async () => {
    const fixture = await setUp();
    const [holder, waiter, third] = [await join(fixture), await join(fixture), await join(fixture)];
    await answered(fixture, () => holder.broker.reserve([key("k")]));
    ask(() => waiter.broker.reserve([key("k")]));
    await fixture.settle();
    await fixture.leave(waiter.broker);
    holder.broker.release([key("k")]);
    await fixture.settle();
    expect(await answered(fixture, () => third.broker.reserve([key("k")]))).toEqual([undefined]);
  });

  test("whoever reserves at the same time, each key is published once, and all get one answer", async () => {
    const request = fc.record({
      worker: fc.nat(2),
      keys: fc.uniqueArray(fc.constantFrom("k", "l", "m"), { minLength: 1 }),
      isPublished: fc.boolean(),
      settles: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 15 }), async (requests) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture), await join(fixture)];
        const published = new Map<string, number>();
        const answers = new Map<string, Set<number>>();
        let n = 0;
        const make = async (worker: Joined, names: readonly string[], isPublished: boolean) => {
          const known = await worker.broker.reserve(names.map((name) => key(name)));
          for (const [index, name] of names.entries()) {
            let answer = known[index];
            if (answer === undefined && !isPublished) worker.broker.release([key(name)]);
            if (answer === undefined && isPublished) {
              published.set(name, (published.get(name) ?? 0) + 1);
              answer = await worker.broker.publish(
                delivery("a", name, { key: key(name), reached: n++ }),
              );
            }
            if (answer !== undefined)
              answers.set(name, (answers.get(name) ?? new Set()).add(answer.subscribers));
          }
        };
        const made = [];
        for (const { worker, keys, isPublished, settles } of requests) {
          const chosen = workers[worker];
          if (chosen !== undefined) made.push(ask(() => make(chosen, keys, isPublished)));
          if (settles) await fixture.settle();
        }
        for (let round = 0; round <= requests.length; round++) await fixture.settle();
        for (const { outcome } of made) expect(outcome).toEqual({ value: undefined });
        const wanted = requests
          .filter(({ isPublished }) => isPublished)
          .flatMap(({ keys }) => keys);
        expect(published).toEqual(new Map(Array.from(new Set(wanted), (name) => [name, 1])));
        for (const each of answers.values()) expect(each.size).toBe(1);
      }),
      { numRuns: 40 },
    );
  });
}
