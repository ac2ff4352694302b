import { expect, test } from "bun:test";
import fc from "fast-check";
import { reached } from "../../testing/published.ts";
import type { BrokerFixture } from "./fixture.ts";
import { keep, kept, read, seen, stream } from "./kept.ts";
import { answered, ask, delivery, type Joined, join } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture>;

export interface HistorySuiteOptions {
  /**
   * Whether there is one order for all channels together, default `true`, or one for each: two publications
   * of different channels that are kept at the same moment may then pass one another.
   */
  readonly hasOneOrder?: boolean;
}

/** Numbers and one order for all, and what comes out of a history. */
export function describeHistory(
  setUp: SetUp,
  { hasOneOrder = true }: HistorySuiteOptions = {},
): void {
  test("a publication that is kept is numbered, and comes to every interested worker, the publisher's own before the answer", async () => {
    const fixture = await setUp();
    const [publisher, other, stranger] = [
      await join(fixture),
      await join(fixture),
      await join(fixture),
    ];
    void publisher.broker.interest("default", "a", 2);
    void other.broker.interest("default", "a", 3);
    await fixture.settle();
    let receivedBefore = -1;
    const publish = async () => {
      const published = await publisher.broker.publish(kept("a", "1"));
      receivedBefore = publisher.received.length;
      return published;
    };
    const { subscribers, positions } = await answered(fixture, publish);
    expect([subscribers, receivedBefore]).toEqual([5, 1]);
    const [position] = positions;
    expect(position).toEqual({ epoch: expect.stringMatching(/^[\w-]{8,20}$/), offset: 1 });
    publisher.broker.publishUnanswered(kept("a", "2"));
    await fixture.settle();
    for (const { received } of [publisher, other]) {
      expect(received.map(({ data, position }) => [data, position])).toEqual([
        ["1", position],
        ["2", { epoch: position?.epoch ?? "", offset: 2 }],
      ]);
    }
    expect(stranger.received).toEqual([]);
  });

  test("whoever publishes at once, all workers get all in one order, which is that of the history", async () => {
    const step = fc.record({
      worker: fc.nat(2),
      channels: fc.uniqueArray(fc.constantFrom("a", "b"), { minLength: 1 }),
      isAnswered: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture), await join(fixture)];
        for (const { broker } of workers) {
          for (const channel of ["a", "b"]) void broker.interest("default", channel, 1);
        }
        await fixture.settle();
        const asked = steps.map(({ worker, channels, isAnswered }, n) => {
          const broker = workers[worker]?.broker;
          const streams = channels.map((channel) => stream(channel));
          const one = kept(channels[0] ?? "", `${worker}:${n}`, { streams });
          if (isAnswered) return ask(() => broker?.publish(one));
          broker?.publishUnanswered(one);
          return undefined;
        });
        await fixture.settle();
        const inOrder = (each: Joined) =>
          hasOneOrder
            ? seen(each)
            : ["a", "b"].flatMap((channel) => seen(each).filter(([of]) => of === channel));
        const all = inOrder(workers[0] ?? (await join(fixture)));
        expect(all).toHaveLength(steps.reduce((sum, { channels }) => sum + channels.length, 0));
        const offsets = all.map(([, offset]) => offset ?? 0);
        const counted = hasOneOrder ? offsets : offsets.toSorted((a, b) => a - b);
        expect(counted).toEqual(all.map((_, index) => index + 1));
        for (const worker of workers) expect(inOrder(worker)).toEqual(all);
        for (const [n, { worker, channels }] of steps.entries()) {
          const answer = asked[n]?.outcome;
          if (answer === undefined) continue;
          const offsets = channels.map((channel) => {
            return all.find((each) => each[0] === channel && each[2] === `${worker}:${n}`)?.[1];
          });
          const positions = offsets.map((offset) => expect.objectContaining({ offset }));
          expect(answer).toEqual({ value: { subscribers: 3 * channels.length, positions } });
        }
        for (const channel of ["a", "b"]) {
          for (const worker of workers) {
            const { entries } = await read(fixture, worker, channel);
            const own: unknown[] = entries.map(({ offset, content }) => {
              return [channel, offset, content.data];
            });
            const expected: unknown[] = all.filter((each) => each[0] === channel);
            expect(own).toEqual(expected);
          }
        }
        // What one worker publishes keeps its order.
        for (const index of workers.keys()) {
          const numbers = all
            .toSorted(([, a = 0], [, b = 0]) => a - b)
            .filter(([, , data]) => data.startsWith(`${index}:`))
            .map(([, , data]) => Number(data.slice(2)));
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 30 },
    );
  });

  test("one delivery in channels of both kinds comes once in each, and to the publisher where it is kept", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    for (const channel of ["a", "b", "c", "d"]) {
      void publisher.broker.interest("default", channel, 1);
      void other.broker.interest("default", channel, 2);
    }
    await fixture.settle();
    const whole = delivery("b", "1", {
      channels: ["a", "c"],
      streams: [stream("b"), stream("d")],
      reached: 2,
    });
    const published = await answered(fixture, () => publisher.broker.publish(whole));
    expect(published.subscribers).toBe(12);
    expect(published.positions.map(({ offset }) => offset)).toEqual([1, 2]);
    expect(seen(publisher)).toEqual([
      ["b", 1, "1"],
      ["d", 2, "1"],
    ]);
    expect(seen(other).toSorted()).toEqual([
      ["a", undefined, "1"],
      ["b", 1, "1"],
      ["c", undefined, "1"],
      ["d", 2, "1"],
    ]);
    const { entries } = await read(fixture, other, "d");
    expect(entries.map(({ content }) => content.channel)).toEqual(["d"]);
    expect((await read(fixture, other, "a")).entries).toEqual([]);
  });

  test("a publication comes out of the history with everything that it says, its place and its time", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    const whole = {
      ...kept("a", '{"n":1.50}').publication,
      id: publisher.broker.nextId(),
      publisher: "somebody",
      sender: "connection",
      payload: Uint8Array.of(0x81, 0xc0),
      attachments: [Uint8Array.of(1, 2, 3), new Uint8Array()],
    };
    await fixture.advance(1_000);
    await answered(fixture, () => publisher.broker.publish(kept("a", "", { publication: whole })));
    const { position, entries } = await read(fixture, other, "a");
    const [entry] = entries;
    const [received] = other.received;
    for (const content of [received, entry?.content]) {
      expect({ ...content, payload: [...(content?.payload ?? [])] }).toMatchObject({
        ...{ id: whole.id, app: "default", channel: "a", event: "event", data: '{"n":1.50}' },
        ...{ publisher: "somebody", sender: "connection", payload: [0x81, 0xc0], position },
      });
      expect(content?.attachments?.map((bytes) => [...bytes])).toEqual([[1, 2, 3], []]);
    }
    const before = entry?.time ?? 0;
    await fixture.advance(1_000);
    await keep(fixture, publisher, "a", ["2"]);
    const [, second] = (await read(fixture, other, "a")).entries;
    // Where a server numbers the publications, its clock goes on by itself.
    expect((second?.time ?? 0) - before).toBeGreaterThanOrEqual(1_000);
  });

  test("the answer of a key that was published with says where the publication stands", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    const keys = [
      { key: "k", fingerprint: "request" },
      { key: "l", fingerprint: "request" },
    ];
    await answered(fixture, () => first.broker.reserve(keys));
    const streams = [stream("a"), stream("b")];
    void second.broker.interest("default", "a", 6);
    await fixture.settle();
    const one = kept("a", "1", { streams, key: keys[0], reached: 4 });
    const published = await answered(fixture, () => first.broker.publish(one));
    first.broker.publishUnanswered(kept("a", "2", { key: keys[1], reached: 1 }));
    await fixture.settle();
    expect(published.subscribers).toBe(10);
    expect(published.positions.map(({ offset }) => offset)).toEqual([1, 2]);
    const [epoch] = published.positions.map((position) => position.epoch);
    expect(await answered(fixture, () => second.broker.reserve(keys))).toEqual([
      published,
      { ...reached(7), positions: [{ epoch: epoch ?? "", offset: 3 }] },
    ]);
  });

  test("a page and what comes once interest is noted have no gap and nothing twice", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1), { maxLength: 12 }),
        fc.array(fc.nat(1), { maxLength: 12 }),
        fc.array(fc.nat(1), { maxLength: 12 }),
        async (before, during, after) => {
          const fixture = await setUp();
          const publishers = [await join(fixture), await join(fixture)];
          const reader = await join(fixture);
          let n = 0;
          const publish = (who: readonly number[]) => {
            for (const each of who) {
              publishers[each]?.broker.publishUnanswered(kept("a", `${n++}`));
            }
          };
          publish(before);
          const begin = async () => {
            await reader.broker.interest("default", "a", 1);
            publish(during);
            return reader.broker.history("default", "a", { limit: 1_000 });
          };
          const page = ask(begin);
          publish(after);
          await fixture.settle();
          const { outcome } = page;
          if (outcome === undefined || "error" in outcome) throw new Error("there is no page");
          const { position, entries } = outcome.value;
          const later = reader.received.flatMap(({ position: at, data }) => {
            return at !== undefined && at.offset > position.offset ? [[at.offset, data]] : [];
          });
          const all = (await read(fixture, reader, "a")).entries.map(({ offset, content }) => {
            return [offset, content.data];
          });
          expect(all).toHaveLength(before.length + during.length + after.length);
          const first = entries.map(({ offset, content }) => [offset, content.data]);
          expect([...first, ...later]).toEqual(all);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("what a worker published stays when the worker has gone", async () => {
    const fixture = await setUp();
    const [leaving, other] = [await join(fixture), await join(fixture)];
    void leaving.broker.interest("default", "a", 1);
    await keep(fixture, leaving, "a", ["1"]);
    await fixture.leave(leaving.broker);
    leaving.received.length = 0;
    const [position] = await keep(fixture, other, "a", ["2"]);
    expect(position?.offset).toBe(2);
    const { entries, isComplete } = await read(fixture, other, "a");
    expect(entries.map(({ content }) => content.data)).toEqual(["1", "2"]);
    expect(isComplete).toBe(true);
    expect(leaving.received).toEqual([]);
  });
}
