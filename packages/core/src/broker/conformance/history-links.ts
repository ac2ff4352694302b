import { expect, test } from "bun:test";
import fc from "fast-check";
import type { BrokerFixture, BrokerLinks } from "./fixture.ts";
import { kept, read, seen } from "./kept.ts";
import { answered, ask, join } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture & { readonly links: BrokerLinks }>;

/** What becomes of histories when the link of a worker is cut. */
export function describeHistoryLinks(setUp: SetUp): void {
  test("with links that come back all workers still get all in one order, the publisher too", async () => {
    const step = fc.tuple(
      fc.constantFrom("publish", "publish", "publish", "cut", "mend", "settle"),
      fc.nat(2),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture), await join(fixture)];
        for (const { broker } of workers) void broker.interest("default", "a", 1);
        await fixture.settle();
        const cut = new Set<number>();
        let published = 0;
        for (const [what, index] of steps) {
          const worker = workers[index];
          if (worker === undefined) continue;
          if (what === "settle") await fixture.settle();
          if (what === "cut" && !cut.has(index)) {
            await fixture.links.cut(worker.broker);
            cut.add(index);
          }
          if (what === "mend" && cut.delete(index)) await fixture.links.mend(worker.broker);
          if (what === "publish") ask(() => worker.broker.publish(kept("a", `${published++}`)));
        }
        for (const [index, worker] of workers.entries()) {
          if (cut.has(index)) await fixture.links.mend(worker.broker);
        }
        await fixture.settle();
        for (const worker of workers) {
          expect(worker.missedCalls).toBe(0);
          const { entries, isComplete } = await read(fixture, worker, "a");
          expect([entries.length, isComplete]).toEqual([published, true]);
          const all = entries.map(({ offset, content }) => ["a", offset, content.data]);
          expect(seen(worker).map((each) => [...each])).toEqual(all);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("a worker that was away for too long is told that it missed something, and finds it in the history", async () => {
    const fixture = await setUp();
    const [publisher, away] = [await join(fixture), await join(fixture)];
    void away.broker.interest("default", "a", 1);
    await fixture.settle();
    const first = await answered(fixture, () => publisher.broker.publish(kept("a", "1")));
    await fixture.links.cut(away.broker);
    await fixture.advance(12_000);
    await answered(fixture, () => publisher.broker.publish(kept("a", "2")));
    await fixture.links.mend(away.broker);
    await fixture.settle();
    expect(away.missedCalls).toBe(1);
    await answered(fixture, () => publisher.broker.publish(kept("a", "3")));
    expect(away.take()).toEqual(["1", "3"]);
    const [since] = first.positions;
    const page = await read(fixture, away, "a", { since, limit: 9 });
    expect(page.isComplete).toBe(true);
    expect(page.entries.map(({ content }) => content.data)).toEqual(["2", "3"]);
  });
}
