import { expect, test } from "bun:test";
import fc from "fast-check";
import { reached } from "../../testing/published.ts";
import type { BrokerFixture } from "./fixture.ts";
import { answered, ask, delivery, type Joined, join, publication } from "./worker.ts";

const CHANNELS = ["a", "b", "c"] as const;

type SetUp = () => Promise<BrokerFixture>;

/** Interest, order, at most once, and the answer of `publish`. */
export function describePublishing(setUp: SetUp): void {
  test("a worker gets what others publish in channels that it is interested in, and nothing else", async () => {
    const fixture = await setUp();
    const [publisher, first, second] = [
      await join(fixture),
      await join(fixture),
      await join(fixture),
    ];
    void publisher.broker.interest("default", "a", 1);
    void first.broker.interest("default", "a", 2);
    void second.broker.interest("default", "b", 1);
    void second.broker.interest("small", "a", 1);
    await fixture.settle();
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "1")))).toEqual(
      reached(2),
    );
    expect(publisher.take()).toEqual([]);
    expect(first.take()).toEqual(["1"]);
    expect(second.take()).toEqual([]);
  });

  test("once the node has noted interest, nothing that any worker publishes passes it by", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    for (let n = 1; n <= 20; n++) {
      const channel = `room ${n}`;
      // Who comes second, or tells the same again, waits like the first.
      if (n > 10) void other.broker.interest("default", channel, 1);
      const answer = other.broker.interest("default", channel, n > 15 ? 2 : 1);
      // Whoever is told by the subscriber publishes at the very moment at which it may.
      const published =
        answer instanceof Promise
          ? answer.then(() => publisher.broker.publishUnanswered(delivery(`room ${n}`, String(n))))
          : publisher.broker.publishUnanswered(delivery(`room ${n}`, String(n)));
      await fixture.settle();
      await published;
      await fixture.settle();
      expect(other.take()).toEqual([String(n)]);
    }
  });

  test("what is published unanswered arrives the same", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    publisher.broker.publishUnanswered(delivery("a", "1"));
    publisher.broker.publishUnanswered(delivery("b", "2"));
    await fixture.settle();
    expect(other.take()).toEqual(["1"]);
  });

  test("a publication arrives with everything that it says", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    void other.broker.interest("default", "ä\u{1F600}", 1);
    await fixture.settle();
    const whole = {
      id: publisher.broker.nextId(),
      app: "default",
      channel: "ä\u{1F600}",
      event: "événement",
      data: '{"text":"\u{1F600}","n":1.50}',
      publisher: "somebody",
      payload: Uint8Array.of(0x81, 0xa1, 0x61, 0xc0),
      attachments: [Uint8Array.of(1, 2, 3), new Uint8Array()],
    };
    const channels = [whole.channel];
    await answered(fixture, () =>
      publisher.broker.publish({
        app: "default",
        channels,
        streams: [],
        publication: whole,
        reached: 0,
      }),
    );
    expect(other.received).toHaveLength(1);
    const [received] = other.received;
    expect({ ...received, payload: undefined, attachments: undefined }).toEqual({
      ...whole,
      payload: undefined,
      attachments: undefined,
    });
    expect([...(received?.payload ?? [])]).toEqual([...whole.payload]);
    expect(received?.attachments?.map((bytes) => [...bytes])).toEqual([[1, 2, 3], []]);
  });

  test("what a publication does not say it does not say at the other end", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    await answered(fixture, () =>
      publisher.broker.publish(delivery("a", "1", { publication: publication("a", "1", 7) })),
    );
    const [received] = other.received;
    expect(received?.publisher).toBeUndefined();
    expect(received?.payload).toBeUndefined();
    expect(received?.attachments).toBeUndefined();
    expect(received?.id).toBe(7);
  });

  test("one delivery in several channels arrives once in each, with the id of the publication", async () => {
    const fixture = await setUp();
    const [publisher, first, second] = [
      await join(fixture),
      await join(fixture),
      await join(fixture),
    ];
    for (const channel of CHANNELS) void first.broker.interest("default", channel, 2);
    void second.broker.interest("default", "c", 5);
    await fixture.settle();
    const total = await answered(fixture, () =>
      publisher.broker.publish(
        delivery("a", "1", {
          channels: ["a", "b", "c"],
          publication: publication("a", "1", 7),
          reached: 10,
        }),
      ),
    );
    expect(total).toEqual(reached(21));
    const seen = ({ received }: Joined) => received.map(({ channel, id }) => [channel, id]);
    expect(seen(first)).toEqual([
      ["a", 7],
      ["b", 7],
      ["c", 7],
    ]);
    expect(seen(second)).toEqual([["c", 7]]);
  });

  test("publish answers the subscribers on all workers, as each last told their number", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    const publish = () => answered(fixture, () => publisher.broker.publish(delivery("a", "1")));
    void publisher.broker.interest("default", "a", 9);
    expect(await publish()).toEqual(reached(0));
    for (const subscribers of [1, 7, 3]) {
      void other.broker.interest("default", "a", subscribers);
      await fixture.settle();
      expect(await publish()).toEqual(reached(subscribers));
    }
    void other.broker.interest("default", "a", 0);
    await fixture.settle();
    expect(await publish()).toEqual(reached(0));
    expect(other.take()).toHaveLength(3);
  });

  test("a worker that left gets nothing, and nobody counts its subscribers or waits for it", async () => {
    const fixture = await setUp();
    const [publisher, leaving] = [await join(fixture), await join(fixture)];
    void leaving.broker.interest("default", "a", 4);
    await fixture.settle();
    await fixture.leave(leaving.broker);
    expect(
      await answered(fixture, () => publisher.broker.publish(delivery("a", "1", { reached: 1 }))),
    ).toEqual(reached(1));
    expect(leaving.take()).toEqual([]);
  });

  test("ids of publications differ among all workers, and are exact numbers", async () => {
    const fixture = await setUp();
    const workers = [await join(fixture), await join(fixture), await join(fixture)];
    const ids = workers.flatMap(({ broker }) => Array.from({ length: 50 }, () => broker.nextId()));
    expect(new Set(ids).size).toBe(150);
    expect(ids.every(Number.isSafeInteger)).toBe(true);
    for (const { broker } of workers) expect(broker.needsIds).toBe(true);
    expect(new Set(workers.map(({ broker }) => broker.worker)).size).toBe(3);
  });

  test("each publication arrives once, in the order of its publisher, at whoever is interested", async () => {
    const step = fc.oneof(
      { weight: 1, arbitrary: fc.tuple(fc.constant("interest"), fc.nat(2), fc.nat(2), fc.nat(2)) },
      { weight: 4, arbitrary: fc.tuple(fc.constant("publish"), fc.nat(2), fc.nat(2), fc.nat(2)) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture), await join(fixture)];
        const interests = workers.map(() => new Map<string, number>());
        const expected = workers.map(() => [] as string[]);
        let n = 0;
        const totals: { readonly asked: { outcome: unknown }; readonly total: number }[] = [];
        for (const [what, w, c, number] of steps) {
          const channel = CHANNELS[c] ?? "a";
          const broker = workers[w]?.broker;
          if (what === "interest") {
            // What was published before is to reach the node before.
            await fixture.settle();
            broker?.interest("default", channel, number);
            interests[w]?.set(channel, number);
            await fixture.settle();
            continue;
          }
          const channels = CHANNELS.slice(c, c + 1 + number);
          const data = `${w}:${n++}`;
          let total = 1;
          for (const [index, interest] of interests.entries()) {
            if (index === w) continue;
            for (const each of channels) {
              total += interest.get(each) ?? 0;
              if ((interest.get(each) ?? 0) > 0) expected[index]?.push(`${each} ${data}`);
            }
          }
          const asked = ask(
            () => broker?.publish(delivery(channel, data, { channels, reached: 1 })) ?? 0,
          );
          totals.push({ asked, total });
        }
        await fixture.settle();
        for (const { asked, total } of totals)
          expect(asked.outcome).toEqual({ value: reached(total) });
        for (const [index, { received }] of workers.entries()) {
          const got = received.map(({ channel, data }) => `${channel} ${data}`);
          expect(got.toSorted()).toEqual(expected[index]?.toSorted() ?? []);
          for (const channel of CHANNELS) {
            for (const publisher of workers.keys()) {
              const of = (all: readonly string[]) =>
                all.filter((line) => line.startsWith(`${channel} ${publisher}:`));
              expect(of(got)).toEqual(of(expected[index] ?? []));
            }
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("what is published after a publish has settled arrives after it, whoever publishes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(1), { minLength: 2, maxLength: 12 }), async (order) => {
        const fixture = await setUp();
        const publishers = [await join(fixture), await join(fixture)];
        const receiver = await join(fixture);
        void receiver.broker.interest("default", "a", 1);
        await fixture.settle();
        for (const [index, who] of order.entries()) {
          const broker = publishers[who]?.broker;
          await answered(fixture, () => broker?.publish(delivery("a", `${index}`)) ?? 0);
        }
        expect(receiver.take()).toEqual(order.map((_, index) => `${index}`));
      }),
      { numRuns: 20 },
    );
  });

  test("channels are listed by name, with their subscribers on all workers", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    void first.broker.interest("default", "room:b", 1);
    void first.broker.interest("default", "room:a", 2);
    void second.broker.interest("default", "room:b", 4);
    void second.broker.interest("default", "other", 1);
    void second.broker.interest("small", "room:c", 1);
    await fixture.settle();
    const page = (limit: number, cursor?: string) =>
      answered(fixture, () => first.broker.channels("default", { prefix: "room:", limit, cursor }));
    expect(await page(1)).toEqual({
      channels: [{ channel: "room:a", subscribers: 2 }],
      next: "room:a",
    });
    expect(await page(9, "room:a")).toEqual({
      channels: [{ channel: "room:b", subscribers: 5 }],
      next: null,
    });
  });
}
