import { expect, test } from "bun:test";
import fc from "fast-check";
import { RecordingObserver } from "../../testing/recording-observer.ts";
import type { NodeObserver } from "../observer.ts";
import type { BrokerFixture } from "./fixture.ts";
import { join } from "./worker.ts";

type SetUp = (observer: NodeObserver) => Promise<BrokerFixture>;

const member = (connection: string, clientId = "name") => ({
  connection,
  clientId,
  user: undefined,
  state: undefined,
  since: 1,
});

/** What an observer hears of all workers of a node together. */
export function describeObserving(setUp: SetUp): void {
  const start = async (workers: number) => {
    const observer = new RecordingObserver();
    const fixture = await setUp(observer);
    const joined = [];
    for (let left = workers; left > 0; left--) joined.push(await join(fixture));
    const heard = async () => {
      await fixture.settle();
      return observer.take();
    };
    return { fixture, heard, workers: joined };
  };

  test("a channel is opened by the first subscriber of all workers, and closed by the last", async () => {
    const step = fc.tuple(fc.nat(2), fc.nat(2));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const { heard, workers } = await start(3);
        const counts = [0, 0, 0];
        for (const [index, subscribers] of steps) {
          const before = counts.some((count) => count > 0);
          counts[index] = subscribers;
          void workers[index]?.broker.interest("default", "a", subscribers);
          const after = counts.some((count) => count > 0);
          const expected = after === before ? [] : [`${after ? "opened" : "closed"} default a`];
          expect(await heard()).toEqual(expected);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("a channel is opened before its first member joins", async () => {
    const { heard, workers } = await start(1);
    for (const { broker } of workers) {
      void broker.interest("default", "a", 1);
      broker.present("default", "a", { type: "join", member: member("c1") });
    }
    expect(await heard()).toEqual(["opened default a", "joined default a c1 name"]);
  });

  test("a member joins and leaves once, also when its connection moves to another worker", async () => {
    const { heard, workers } = await start(2);
    const [from, to] = workers;
    const [app, channel] = ["default", "a"];
    from?.broker.present(app, channel, { type: "join", member: member("c1") });
    from?.broker.present(app, channel, { type: "online", connection: "c1" });
    from?.broker.present(app, channel, { type: "rename", connection: "c1", clientId: "new" });
    expect(await heard()).toEqual(["joined default a c1 name"]);
    to?.broker.present(app, channel, { type: "join", member: member("c1", "new") });
    expect(await heard()).toEqual([]);
    from?.broker.present(app, channel, { type: "leave", connection: "c1" });
    expect(await heard()).toEqual([]);
    to?.broker.present(app, channel, { type: "leave", connection: "c1" });
    expect(await heard()).toEqual(["left default a c1 new"]);
  });

  test("a connection is one, also while it moves to another worker", async () => {
    const { heard, workers } = await start(2);
    const [from, to] = workers;
    from?.broker.connected("default", "c1", "ada");
    expect(await heard()).toEqual(["connected default c1 ada"]);
    to?.broker.connected("default", "c1", "ada");
    await heard();
    from?.broker.disconnected("default", "c1");
    to?.broker.connected("default", "c1", "ada");
    to?.broker.disconnected("default", "c1");
    expect(await heard()).toEqual([]);
    to?.broker.disconnected("default", "c1");
    expect(await heard()).toEqual(["disconnected default c1 ada"]);
  });

  test("what a worker had that is gone is gone, and what others have stays", async () => {
    const { fixture, heard, workers } = await start(2);
    for (const [index, { broker }] of workers.entries()) {
      void broker.interest("default", "both", 1);
      void broker.interest("default", `own ${index}`, 3);
      broker.present("default", "both", { type: "join", member: member(`c${index}`) });
      broker.connected("default", `c${index}`, undefined);
    }
    await heard();
    const [killed, other] = workers;
    if (killed !== undefined) await fixture.leave(killed.broker);
    expect((await heard()).toSorted()).toEqual([
      "closed default own 0",
      "disconnected default c0 undefined",
      "left default both c0 name",
    ]);
    if (other !== undefined) await fixture.leave(other.broker);
    expect((await heard()).toSorted()).toEqual([
      "closed default both",
      "closed default own 1",
      "disconnected default c1 undefined",
      "left default both c1 name",
    ]);
    expect(fixture.held()).toBe(0);
  });
}

/** The same where links can be cut. */
export function describeObservingLinks(setUp: SetUp): void {
  test("a worker whose link is cut loses nothing within the lease, everything after it, and has it again", async () => {
    const observer = new RecordingObserver();
    const fixture = await setUp(observer);
    const { links } = fixture;
    if (links === undefined) throw new Error("this fixture has no links to cut");
    const { broker } = await join(fixture);
    void broker.interest("default", "a", 1);
    broker.present("default", "a", { type: "join", member: member("c1") });
    broker.connected("default", "c1", "ada");
    broker.connected("default", "c1", "ada");
    await fixture.settle();
    const whole = ["connected default c1 ada", "joined default a c1 name", "opened default a"];
    expect(observer.take().toSorted()).toEqual(whole);
    await links.cut(broker);
    await fixture.advance(5_000);
    await links.mend(broker);
    expect(observer.take()).toEqual([]);
    await links.cut(broker);
    await fixture.advance(11_000);
    expect(observer.take().toSorted()).toEqual([
      "closed default a",
      "disconnected default c1 ada",
      "left default a c1 name",
    ]);
    await links.mend(broker);
    expect(observer.take().toSorted()).toEqual(whole);
    broker.disconnected("default", "c1");
    await fixture.settle();
    expect(observer.take()).toEqual([]);
    broker.disconnected("default", "c1");
    await fixture.settle();
    expect(observer.take()).toEqual(["disconnected default c1 ada"]);
  });
}
