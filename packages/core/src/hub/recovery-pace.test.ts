import { expect, test } from "bun:test";
import { RecoveryFixture, said, turns } from "../testing/recovery-fixture.ts";

/** Filling of which a page has room for two. */
const LARGE = " ".repeat(100_000);

function recovering(channels: readonly string[], missed: number, filling: string) {
  const fixture = new RecoveryFixture({ size: 100_000 });
  const worker = fixture.worker();
  const publish = (count: number) => {
    for (let n = 0; n < count; n++) worker.hub.publishUnanswered(said("kept:a", `1${filling}`));
  };
  publish(missed);
  const subscriber = worker.join("s");
  const from = { ...fixture.local.node.history.position, offset: 0 };
  subscriber.isReading = false;
  const outcome = worker.begin(
    subscriber,
    channels.map((channel) => ({ channel, from })),
  );
  /** Reads what it was sent, while so many more are published; answers how many that were. */
  const read = async (published: number): Promise<number> => {
    publish(published);
    const count = subscriber.take().filter((frame) => frame.startsWith("kept")).length;
    subscriber.isReading = true;
    fixture.clock.advance(10);
    subscriber.isReading = false;
    await turns();
    return count;
  };
  return { fixture, worker, subscriber, outcome, read };
}

test("a client that reads no faster than is published is cut, told and counted", async () => {
  const { fixture, worker, subscriber, outcome, read } = recovering(["kept:a"], 10, LARGE);
  let got = 0;
  for (let round = 0; round < 100 && subscriber.cut === 0; round++) got += await read(2);
  expect([subscriber.cut, worker.counters.unfinishedRecoveries]).toEqual([1, 1]);
  expect(got).toBeGreaterThan(10);
  expect(outcome.error).toMatchObject({ errorName: "not_joined" });
  expect(fixture.clock.pendingTimers).toBe(0);
});

test("one that reads somewhat faster gets everything, and goes live", async () => {
  const { worker, subscriber, outcome, read } = recovering(["kept:a"], 40, LARGE);
  let got = 0;
  for (let round = 0; outcome.isDone !== true && round < 1_000; round++) {
    got += await read(round % 2 === 0 ? 1 : 2);
  }
  got += await read(0);
  expect([outcome.isDone, subscriber.cut]).toEqual([true, 0]);
  expect(worker.counters.unfinishedRecoveries).toBe(0);
  expect(got).toBe(worker.counters.publications);
});

test("a client of many channels is not held up by one in which much is published", async () => {
  const channels = Array.from({ length: 50 }, (_, n) => `kept:${n}`);
  const { subscriber, outcome, read } = recovering(["kept:a", ...channels], 2_000, "");
  for (let round = 0; outcome.isDone !== true && round < 100; round++) await read(100);
  expect([outcome.isDone, subscriber.cut]).toEqual([true, 0]);
});
