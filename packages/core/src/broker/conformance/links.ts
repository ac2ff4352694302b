import { expect, test } from "bun:test";
import fc from "fast-check";
import { reached } from "../../testing/published.ts";
import type { PresenceEvent } from "../broker.ts";
import type { BrokerFixture, BrokerLinks } from "./fixture.ts";
import { answered, ask, delivery, join, refusal } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture & { readonly links: BrokerLinks }>;

/** What becomes of it all when the link of a worker is cut, and comes back within the lease. */
export function describeLinks(setUp: SetUp): void {
  test("a link that comes back has lost and doubled nothing, and nobody is told that he missed something", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant("publish"), fc.nat(2)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("cut"), fc.nat(2)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("mend"), fc.nat(2)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("settle"), fc.nat(2)) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture), await join(fixture)];
        for (const { broker } of workers) void broker.interest("default", "a", 1);
        await fixture.settle();
        const cut = new Set<number>();
        const published: string[][] = [[], [], []];
        let n = 0;
        for (const [what, index] of steps) {
          const worker = workers[index];
          if (worker === undefined) continue;
          if (what === "settle") await fixture.settle();
          if (what === "cut" && !cut.has(index)) {
            await fixture.links.cut(worker.broker);
            cut.add(index);
          }
          if (what === "mend" && cut.delete(index)) await fixture.links.mend(worker.broker);
          if (what === "publish") {
            const data = `${index}:${n++}`;
            published[index]?.push(data);
            ask(() => worker.broker.publish(delivery("a", data)));
          }
        }
        for (const index of cut) {
          const worker = workers[index];
          if (worker !== undefined) await fixture.links.mend(worker.broker);
        }
        await fixture.settle();
        for (const [index, worker] of workers.entries()) {
          expect(worker.missedCalls).toBe(0);
          const got = worker.take();
          for (const [publisher, all] of published.entries()) {
            const own = got.filter((data) => data.startsWith(`${publisher}:`));
            expect(own).toEqual(publisher === index ? [] : all);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("publish waits 200 ms for a worker that takes nothing, once, and the worker gets it all later", async () => {
    const fixture = await setUp();
    const [publisher, cut, other] = [await join(fixture), await join(fixture), await join(fixture)];
    for (const { broker } of [cut, other]) void broker.interest("default", "a", 1);
    await fixture.settle();
    await fixture.links.cut(cut.broker);
    const first = ask(() => publisher.broker.publish(delivery("a", "1")));
    await fixture.advance(199);
    expect(first.outcome).toBeUndefined();
    expect(other.take()).toEqual(["1"]);
    await fixture.advance(1);
    expect(first.outcome).toEqual({ value: reached(2) });
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "2")))).toEqual(
      reached(2),
    );
    await fixture.links.mend(cut.broker);
    await fixture.settle();
    expect(cut.take()).toEqual(["1", "2"]);
    expect(cut.missedCalls).toBe(0);

    await fixture.links.cut(cut.broker);
    const third = ask(() => publisher.broker.publish(delivery("a", "3")));
    await fixture.settle();
    expect(third.outcome).toBeUndefined();
    await fixture.advance(200);
    expect(third.outcome).toEqual({ value: reached(2) });
  });

  test("a key whose delivery waits for a worker is answered once that is known", async () => {
    const fixture = await setUp();
    const [publisher, cut, other] = [await join(fixture), await join(fixture), await join(fixture)];
    void cut.broker.interest("default", "a", 7);
    await fixture.settle();
    await fixture.links.cut(cut.broker);
    const key = { key: "k", fingerprint: "request" };
    await answered(fixture, () => publisher.broker.reserve([key]));
    const published = ask(() => publisher.broker.publish(delivery("a", "1", { key })));
    await fixture.settle();
    const again = ask(() => other.broker.reserve([key]));
    await fixture.settle();
    expect([published.outcome, again.outcome]).toEqual([undefined, undefined]);
    await fixture.advance(200);
    expect([published.outcome, again.outcome]).toEqual([
      { value: reached(7) },
      { value: [reached(7)] },
    ]);
  });

  test("what a worker without its link publishes is refused after 5 s, and arrives at most once", async () => {
    const fixture = await setUp();
    const [publisher, other] = [await join(fixture), await join(fixture)];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    await fixture.links.cut(publisher.broker);
    const published = ask(() => publisher.broker.publish(delivery("a", "1")));
    await fixture.advance(4_999);
    expect(published.outcome).toBeUndefined();
    await fixture.advance(1);
    expect(published.outcome).toEqual(refusal("broker_unavailable"));
    await fixture.links.mend(publisher.broker);
    await fixture.settle();
    expect(other.take().length).toBeLessThanOrEqual(1);
  });

  test("without its link a worker counts rates alone, and what it cannot know is refused in time", async () => {
    const fixture = await setUp();
    const { broker } = await join(fixture);
    await fixture.links.cut(broker);
    const takes = [];
    for (let n = 0; n < 6; n++) takes.push(await answered(fixture, () => broker.take("user", "u")));
    expect(takes.map((wait) => wait > 0)).toEqual([false, false, false, false, false, true]);
    const asked = [
      ask(() => broker.reserve([{ key: "k", fingerprint: "request" }])),
      ask(() => broker.members("default", "a")),
      ask(() => broker.presenceStats("default", "a")),
      ask(() => broker.channels("default", { prefix: "", limit: 9 })),
      ask(() => broker.call(4711, "method", null)),
    ];
    await fixture.advance(10_000);
    for (const { outcome } of asked) expect(outcome).toEqual(refusal("broker_unavailable"));
  });

  test("news of members passes a cut in its order", async () => {
    const fixture = await setUp();
    const [watcher, other] = [await join(fixture), await join(fixture)];
    await answered(fixture, () => watcher.broker.watch("default", "a"));
    const cuts = [watcher, other, watcher, other];
    const expected: PresenceEvent["type"][] = [];
    for (const [n, { broker }] of cuts.entries()) {
      await fixture.links.cut(broker);
      const member = { connection: "1", clientId: `${n}`, user: "u", state: undefined, since: 1 };
      other.broker.present("default", "a", { type: "join", member });
      other.broker.present("default", "a", { type: "online", connection: "1" });
      other.broker.present("default", "a", { type: "leave", connection: "1" });
      expected.push("join", "online", "leave");
      await fixture.settle();
      await fixture.links.mend(broker);
      await fixture.settle();
    }
    expect(watcher.news.map(({ event }) => event.type)).toEqual(expected);
    expect(watcher.missedCalls + other.missedCalls).toBe(0);
  });
}
