import { expect, test } from "bun:test";
import fc from "fast-check";
import type { BrokerFixture } from "./fixture.ts";
import { answered, ask, type Joined, join, refusal } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture>;

/** Rates, connections and channels that hold for all workers together. */
export function describeLimits(setUp: SetUp): void {
  test("a key has one rate on all workers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2), { minLength: 6, maxLength: 12 }), async (order) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture), await join(fixture)];
        const take = (index: number, key: string) =>
          answered(fixture, () => workers[index]?.broker.take("user", key) ?? 0);
        const waits: number[] = [];
        for (const index of order) waits.push(await take(index, "u"));
        expect(waits.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
        for (const wait of waits.slice(5)) expect(wait).toBe(200);
        expect(await take(0, "v")).toBe(0);
        await fixture.advance(200);
        expect(await take(1, "u")).toBe(0);
        expect(await take(2, "u")).toBe(200);
      }),
      { numRuns: 10 },
    );
  });

  test("each rate has keys of its own, and one that is off allows everything", async () => {
    const fixture = await setUp();
    const { broker } = await join(fixture);
    const take = (rate: "address" | "api" | "user") =>
      answered(fixture, () => broker.take(rate, "k"));
    expect(await take("address")).toBe(0);
    expect(await take("address")).toBe(1000);
    expect(await take("user")).toBe(0);
    for (let n = 0; n < 20; n++) expect(await take("api")).toBe(0);
  });

  const admitted = async (fixture: BrokerFixture, { broker }: Joined, app = "small") => {
    const asked = ask(() => broker.admit(app));
    await fixture.settle();
    if (asked.outcome !== undefined && "value" in asked.outcome) return true;
    expect(asked.outcome).toEqual(refusal("too_many_connections"));
    return false;
  };

  test("an app has no more connections than it may, on all workers together", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    expect(await admitted(fixture, first)).toBe(true);
    expect(await admitted(fixture, second)).toBe(true);
    first.broker.connectionOpened("small");
    await fixture.settle();
    expect(await admitted(fixture, first)).toBe(true);
    for (const worker of [first, second]) expect(await admitted(fixture, worker)).toBe(false);
    first.broker.connectionClosed("small");
    await fixture.settle();
    expect(await admitted(fixture, second)).toBe(true);
    expect(await admitted(fixture, first)).toBe(false);
    for (let n = 0; n < 5; n++) expect(await admitted(fixture, first, "default")).toBe(true);
  });

  test("room for a connection is held for ten seconds, and that of an open one for as long as it is open", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    for (let n = 0; n < 3; n++) expect(await admitted(fixture, first)).toBe(true);
    first.broker.connectionOpened("small");
    await fixture.advance(9_999);
    expect(await admitted(fixture, second)).toBe(false);
    await fixture.advance(1);
    for (let n = 0; n < 2; n++) expect(await admitted(fixture, second)).toBe(true);
    expect(await admitted(fixture, second)).toBe(false);
  });

  test("a worker that is gone has no connections, and holds no room for any", async () => {
    const fixture = await setUp();
    const [leaving, staying] = [await join(fixture), await join(fixture)];
    for (let n = 0; n < 3; n++) expect(await admitted(fixture, leaving)).toBe(true);
    leaving.broker.connectionOpened("small");
    await fixture.settle();
    await fixture.leave(leaving.broker);
    for (let n = 0; n < 3; n++) expect(await admitted(fixture, staying)).toBe(true);
    expect(await admitted(fixture, staying)).toBe(false);
  });

  test("a user has no more connections than one may, on all workers together, and others have theirs", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    const admits = async ({ broker }: Joined, user: string) => {
      const asked = ask(() => broker.admit("shared", user));
      await fixture.settle();
      if (asked.outcome !== undefined && "value" in asked.outcome) return true;
      expect(asked.outcome).toEqual(refusal("too_many_user_connections"));
      return false;
    };
    expect([await admits(first, "ada"), await admits(second, "ada")]).toEqual([true, true]);
    expect([await admits(first, "ada"), await admits(second, "ada")]).toEqual([false, false]);
    expect(await admits(first, "bob")).toBe(true);
    first.broker.connected("shared", "1", "ada");
    // It moves, and is one all the same.
    second.broker.connected("shared", "1", "ada");
    first.broker.disconnected("shared", "1");
    await fixture.advance(10_000);
    expect([await admits(first, "ada"), await admits(second, "ada")]).toEqual([true, false]);
    await fixture.leave(first.broker);
    expect([await admits(second, "ada"), await admits(second, "ada")]).toEqual([true, false]);
    second.broker.disconnected("shared", "1");
    await fixture.settle();
    expect([await admits(second, "ada"), await admits(second, "ada")]).toEqual([true, false]);
  });

  test("connections are counted as one would by hand, whatever happens in which order", async () => {
    const step = fc.record({ worker: fc.nat(1), what: fc.constantFrom("admit", "open", "close") });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const fixture = await setUp();
        const workers = [await join(fixture), await join(fixture)];
        const model = workers.map(() => ({ room: 0, open: 0 }));
        for (const { worker: index, what } of steps) {
          const [worker, own] = [workers[index], model[index]];
          if (worker === undefined || own === undefined) continue;
          const taken = model.reduce((sum, { room, open }) => sum + room + open, 0);
          if (what === "admit") {
            expect(await admitted(fixture, worker)).toBe(taken < 3);
            if (taken < 3) own.room++;
          } else if (what === "open" && own.room > 0) {
            worker.broker.connectionOpened("small");
            own.room--;
            own.open++;
          } else if (what === "close" && own.open > 0) {
            worker.broker.connectionClosed("small");
            own.open--;
          }
          await fixture.settle();
        }
      }),
      { numRuns: 30 },
    );
  });

  test("an app has no more channels than it may, on all workers together", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    const room = (channel: string, app = "small") =>
      [first, second].map(({ broker }) => broker.hasRoomForChannel(app, channel));
    expect(room("a")).toEqual([true, true]);
    void first.broker.interest("small", "a", 1);
    void second.broker.interest("small", "a", 1);
    void second.broker.interest("small", "b", 3);
    await fixture.settle();
    expect(room("c")).toEqual([false, false]);
    expect([...room("a"), ...room("b")]).toEqual([true, true, true, true]);
    expect(room("c", "default")).toEqual([true, true]);
    void first.broker.interest("small", "a", 0);
    await fixture.settle();
    expect(room("c")).toEqual([false, false]);
    void second.broker.interest("small", "a", 0);
    await fixture.settle();
    expect(room("c")).toEqual([true, true]);
  });

  test("a worker that joins late knows the channels there are, and one that leaves takes its own along", async () => {
    const fixture = await setUp();
    const first = await join(fixture);
    void first.broker.interest("small", "a", 1);
    void first.broker.interest("small", "b", 1);
    await fixture.settle();
    const second = await join(fixture);
    void second.broker.interest("small", "b", 1);
    await fixture.settle();
    expect(second.broker.hasRoomForChannel("small", "c")).toBe(false);
    expect(second.broker.hasRoomForChannel("small", "a")).toBe(true);
    await fixture.leave(first.broker);
    await fixture.settle();
    expect(second.broker.hasRoomForChannel("small", "c")).toBe(true);
    void second.broker.interest("small", "c", 1);
    await fixture.settle();
    expect(second.broker.hasRoomForChannel("small", "a")).toBe(false);
  });
}
