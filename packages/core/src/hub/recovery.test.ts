import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { arrive, RecoveryFixture, said, turns } from "../testing/recovery-fixture.ts";
import { TestSubscriber } from "../testing/test-subscriber.ts";

type Worker = ReturnType<RecoveryFixture["worker"]>;

/** Filling of which a page has room for two. */
const LARGE = " ".repeat(100_000);

function publish({ hub }: Worker, channel: string, ...data: readonly string[]): void {
  for (const each of data) hub.publishUnanswered(said(channel, each));
}

function alone(settings: ConstructorParameters<typeof RecoveryFixture>[0] = {}) {
  const fixture = new RecoveryFixture(settings);
  const worker = fixture.worker();
  const at = (offset: number) => ({ ...fixture.local.node.history.position, offset });
  return { fixture, worker, at };
}

describe("a subscription that begins", () => {
  test("behind a position is told so, then gets what came since, then what comes", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1", "2", "3");
    const subscriber = worker.join("s");
    const outcome = worker.begin(subscriber, [{ channel: "kept:a", from: at(1) }]);
    publish(worker, "kept:a", "4");
    expect(outcome.begun).toEqual([{ channel: "kept:a", position: at(1), recovered: true }]);
    expect(subscriber.offsets).toEqual([2, 3, 4]);
    expect(subscriber.take()).toEqual(["begun", "kept:a 2 2", "kept:a 3 3", "kept:a 4 4"]);
  });

  test("with the last ones gets as many, the oldest first, and stands before them", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1", "2", "3");
    publish(worker, "kept:b", "4");
    for (const [last, offset, expected] of [
      [1, 2, ["kept:a 3 3"]],
      [2, 1, ["kept:a 2 2", "kept:a 3 3"]],
      [9, 0, ["kept:a 1 1", "kept:a 2 2", "kept:a 3 3"]],
      [0, 4, []],
    ] as const) {
      const subscriber = worker.join(`last ${last}`);
      const { begun } = worker.begin(subscriber, [{ channel: "kept:a", from: { last } }]);
      expect(begun).toEqual([{ channel: "kept:a", position: at(offset), recovered: undefined }]);
      expect(subscriber.take()).toEqual(["begun", ...expected]);
    }
  });

  test("with nothing stands at the end", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1");
    const subscriber = worker.join("s");
    const { begun } = worker.begin(subscriber, [{ channel: "kept:a" }]);
    expect(begun).toEqual([{ channel: "kept:a", position: at(1), recovered: undefined }]);
    expect(subscriber.take()).toEqual(["begun"]);
  });

  test("where something is missing is told so and gets nothing of the history, only what comes", () => {
    const { worker, at } = alone({ size: 2 });
    publish(worker, "kept:a", "1", "2", "3");
    for (const from of [at(0), { epoch: "another", offset: 2 }, at(9)]) {
      const subscriber = worker.join("s");
      const { begun } = worker.begin(subscriber, [{ channel: "kept:a", from }]);
      expect(begun).toEqual([{ channel: "kept:a", position: at(3), recovered: false }]);
      expect(subscriber.take()).toEqual(["begun"]);
    }
    const subscriber = worker.join("s");
    worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }]);
    publish(worker, "kept:a", "4");
    expect(subscriber.take()).toEqual(["begun", "kept:a 4 4"]);
  });

  test("in several channels gets all of it in one order, and of each what is wanted", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1");
    publish(worker, "kept:b", "2");
    publish(worker, "kept:c", "3");
    publish(worker, "kept:a", "4");
    publish(worker, "kept:b", "5");
    const subscriber = worker.join("s");
    const { begun } = worker.begin(subscriber, [
      { channel: "kept:a", from: { last: 1 } },
      { channel: "kept:b", from: at(0) },
      { channel: "kept:c" },
    ]);
    expect(begun?.map(({ position }) => position?.offset)).toEqual([3, 0, 5]);
    expect(subscriber.take()).toEqual(["begun", "kept:b 2 2", "kept:a 4 4", "kept:b 5 5"]);
  });

  test("where clients cannot recover is one without history, and says so to whoever wanted a position", () => {
    const { worker, at } = alone();
    for (const channel of ["closed:a", "plain"]) {
      publish(worker, channel, "1");
      for (const [from, recovered] of [
        [at(0), false],
        [{ last: 1 }, undefined],
        [undefined, undefined],
      ] as const) {
        const subscriber = worker.join("s");
        const { begun, isDone } = worker.begin(subscriber, [{ channel, from }]);
        expect(isDone ?? false).toBe(false);
        expect(begun).toEqual([{ channel, position: undefined, recovered }]);
        publish(worker, channel, "2");
        expect(subscriber.take()).toEqual(["begun", `${channel} 2 -`]);
        worker.hub.unregister(subscriber);
      }
    }
  });

  test("leaves out what the subscriber says that it said itself", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1", "2", "3");
    const subscriber = worker.join("s");
    worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }], ({ data }) => data === "2");
    expect(subscriber.take()).toEqual(["begun", "kept:a 1 1", "kept:a 3 3"]);
  });

  test("a second time changes nothing, and recovers nothing", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1");
    const subscriber = worker.join("s");
    worker.begin(subscriber, [{ channel: "kept:a" }]);
    const { begun } = worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }]);
    expect(begun).toEqual([{ channel: "kept:a", position: undefined, recovered: false }]);
    publish(worker, "kept:a", "2");
    expect(subscriber.take()).toEqual(["begun", "begun", "kept:a 2 2"]);
  });

  test("with a socket is reached by native fan-out afterwards", () => {
    const { worker, at } = alone();
    publish(worker, "kept:a", "1");
    const sockets = [worker.network.socket(), worker.network.socket()];
    for (const [index, socket] of sockets.entries()) {
      const subscriber = new TestSubscriber(`${index}`, socket);
      worker.hub.register(subscriber);
      worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }]);
    }
    publish(worker, "kept:a", "2");
    for (const { received } of sockets) expect(received).toEqual(["1", "2"]);
    expect(worker.network.topic("plain:default:kept:a").size).toBe(2);
  });
});

describe("one publication in several channels with history", () => {
  test("has its own place and cursor in each, live and in the history, and none where there is no history", async () => {
    const { fixture, worker, at } = alone();
    const other = fixture.worker();
    const [live, far] = [worker.join("live"), other.join("far")];
    const channels = ["kept:a", "closed:a", "kept:b", "plain"];
    worker.begin(
      live,
      channels.map((channel) => ({ channel })),
    );
    other.begin(
      far,
      channels.map((channel) => ({ channel })),
    );
    const published = await worker.hub.broadcast(said("kept:a", "1"), channels);
    expect(published).toEqual({ subscribers: 8, positions: [at(1), at(2), at(3)] });
    const expected = ["kept:a 1 1", "closed:a 1 -", "kept:b 1 3", "plain 1 -"];
    expect(live.take().toSorted()).toEqual(["begun", ...expected].toSorted());
    expect(far.offsets).toEqual([1, 2, 3, undefined]);
    expect(far.take()).toEqual(["begun", ...expected]);
    const late = worker.join("late");
    worker.begin(late, [
      { channel: "kept:b", from: at(0) },
      { channel: "kept:a", from: at(0) },
    ]);
    expect(late.take()).toEqual(["begun", "kept:a 1 1", "kept:b 1 3"]);
  });
});

describe("who publishes", () => {
  test("does not hear itself where it is not to, live or while it recovers", async () => {
    const fixture = new RecoveryFixture();
    const far = fixture.far();
    const subscriber = far.join("s");
    const other = far.join("other");
    far.begin(other, [{ channel: "kept:a" }]);
    await arrive(far.broker);
    far.begin(subscriber, [{ channel: "kept:a" }]);
    far.hub.publishUnanswered(said("kept:a", "own"), subscriber);
    far.hub.publishUnanswered(said("kept:a", "all"));
    await arrive(far.broker);
    far.hub.publishUnanswered(said("kept:a", "own"), subscriber);
    await arrive(far.broker);
    expect(subscriber.take()).toEqual(["begun", "kept:a all 2"]);
    expect(other.take()).toEqual(["begun", "kept:a own 1", "kept:a all 2", "kept:a own 3"]);
  });
});

describe("a client that reads slowly", () => {
  const many = () => {
    const setUp = alone();
    publish(setUp.worker, "kept:a", ...["1", "2", "3", "4", "5"].map((data) => data + LARGE));
    const subscriber = setUp.worker.join("s");
    subscriber.isReading = false;
    const beginnings = [{ channel: "kept:a", from: setUp.at(0) }, { channel: "kept:b" }];
    return { ...setUp, subscriber, outcome: setUp.worker.begin(subscriber, beginnings) };
  };

  test("gets its history as it reads, what is published meanwhile behind it", async () => {
    const { fixture, worker, subscriber, outcome } = many();
    expect(subscriber.take()).toEqual(["begun", "kept:a 1 1", "kept:a 2 2"]);
    publish(worker, "kept:b", "6");
    publish(worker, "kept:a", "7");
    fixture.clock.advance(9_990);
    await turns();
    expect([subscriber.cut, subscriber.take()]).toEqual([0, []]);
    subscriber.isReading = true;
    fixture.clock.advance(10);
    await turns();
    const rest = ["kept:a 3 3", "kept:a 4 4", "kept:a 5 5", "kept:b 6 6", "kept:a 7 7"];
    expect(subscriber.take()).toEqual(rest);
    expect(outcome.isDone).toBe(true);
    expect(fixture.clock.pendingTimers).toBe(0);
  });

  test("is cut when it does not read for ten seconds, and nothing is left of it", async () => {
    const { fixture, worker, subscriber, outcome } = many();
    fixture.clock.advance(10_000);
    await turns();
    expect(subscriber.cut).toBe(1);
    expect(outcome.error).toMatchObject({ errorName: "not_joined" });
    expect(fixture.clock.pendingTimers).toBe(0);
    publish(worker, "kept:a", "6");
    expect(subscriber.take()).toEqual(["begun", "kept:a 1 1", "kept:a 2 2"]);
    expect(worker.hub.channels("default", { prefix: "", limit: 9 })).toMatchObject({
      channels: [],
    });
  });

  test("is not cut for what was published in all that time, as long as it reads", async () => {
    const { fixture, worker, at } = alone({ maxBytes: 1_000 });
    publish(worker, "kept:a", ...["1", "2", "3", "4", "5", "6"].map((data) => data + LARGE));
    const subscriber = worker.join("s");
    subscriber.isReading = false;
    const outcome = worker.begin(subscriber, [
      { channel: "kept:a", from: at(0) },
      { channel: "kept:b" },
    ]);
    for (let round = 0; round < 3; round++) {
      publish(worker, "kept:b", "7", "8", "9", "10", "11");
      worker.hub.relay("default", "kept:b", subscriber.format, `news ${round}`);
      subscriber.isReading = true;
      fixture.clock.advance(10);
      subscriber.isReading = false;
      await turns();
    }
    subscriber.isReading = true;
    fixture.clock.advance(10);
    await turns();
    expect([subscriber.cut, outcome.isDone]).toEqual([0, true]);
    const all = subscriber.take();
    expect(all.filter((frame) => frame.startsWith("kept"))).toHaveLength(21);
    expect(all.filter((frame) => frame.startsWith("news"))).toEqual(["news 0", "news 1", "news 2"]);
  });

  test("can leave its channels, or go, and nothing is waited for any more", async () => {
    const left = many();
    for (const channel of ["kept:a", "kept:b"])
      left.worker.hub.unsubscribe(left.subscriber, channel);
    await turns();
    expect(left.outcome.isDone).toBe(true);
    const gone = many();
    gone.worker.hub.unregister(gone.subscriber);
    expect(gone.fixture.clock.pendingTimers).toBe(0);
    await turns();
    expect(gone.outcome.error).toMatchObject({ errorName: "not_joined" });
    expect(gone.subscriber.take()).toEqual(["begun", "kept:a 1 1", "kept:a 2 2"]);
  });

  test("does not hear what it says itself meanwhile", async () => {
    const { fixture, worker, subscriber } = many();
    worker.hub.publishUnanswered(said("kept:b", "own"), subscriber);
    subscriber.isReading = true;
    fixture.clock.advance(10);
    await turns();
    expect(subscriber.take().filter((frame) => frame.includes("own"))).toEqual([]);
  });

  test("that wants a channel again, with others, waits for both", async () => {
    const { fixture, worker, subscriber } = many();
    const again = worker.begin(subscriber, [{ channel: "kept:a" }, { channel: "kept:c" }]);
    await turns();
    expect(again.begun).toBeUndefined();
    subscriber.isReading = true;
    fixture.clock.advance(10);
    await turns();
    expect(again.begun?.map(({ channel }) => channel)).toEqual(["kept:c", "kept:a"]);
  });

  test("that wants it again when there is no room for the others is refused, whatever becomes of the first", async () => {
    const { fixture, worker, at } = alone({ maxChannels: 2 });
    publish(worker, "kept:a", ...["1", "2", "3"].map((data) => data + LARGE));
    const subscriber = worker.join("s");
    subscriber.isReading = false;
    const first = worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }]);
    const names = ["kept:a", "kept:b", "kept:c"];
    const again = worker.begin(
      subscriber,
      names.map((channel) => ({ channel })),
    );
    await turns();
    expect(again.error).toMatchObject({ errorName: "app_channels_full" });
    expect(first).not.toHaveProperty("error");
    worker.hub.unregister(subscriber);
    await turns();
    expect(first.error).toMatchObject({ errorName: "not_joined" });
    expect(fixture.local.node.held).toBe(1);
  });

  test("is cut when the rest of its history is gone meanwhile", async () => {
    const { fixture, worker, at } = alone({ size: 4 });
    publish(worker, "kept:a", ...["1", "2", "3", "4"].map((data) => data + LARGE));
    const subscriber = worker.join("s");
    subscriber.isReading = false;
    const outcome = worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }]);
    subscriber.take();
    publish(worker, "kept:a", "5", "6", "7");
    subscriber.isReading = true;
    fixture.clock.advance(10);
    await turns();
    expect([subscriber.cut, subscriber.closedFor]).toEqual([1, undefined]);
    expect(subscriber.take()).toEqual([]);
    expect(outcome.error).toMatchObject({ errorName: "not_joined" });
    expect(worker.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([]);
  });

  test("of channels of which it gets nothing it is sent nothing in later rounds either", async () => {
    const { fixture, worker, at } = alone({ size: 4 });
    publish(worker, "kept:b", "1", "2", "3", "4", "5");
    publish(worker, "kept:a", ...["6", "7", "8"].map((data) => data + LARGE));
    publish(worker, "kept:b", "9");
    publish(worker, "kept:c", "10", "11");
    const subscriber = worker.join("s");
    worker.begin(subscriber, [
      { channel: "kept:a", from: at(0) },
      { channel: "kept:b", from: at(0) },
      { channel: "kept:c", from: { last: 1 } },
      { channel: "kept:d" },
    ]);
    publish(worker, "kept:b", "12");
    await turns();
    fixture.clock.advance(10);
    await turns();
    const expected = ["kept:a 6 6", "kept:a 7 7", "kept:a 8 8", "kept:c 11 11", "kept:b 12 12"];
    expect(subscriber.take()).toEqual(["begun", ...expected]);
  });

  test("is sent little of many channels at a time, too", async () => {
    const { fixture, worker, at } = alone();
    const names = ["kept:a", "kept:b", "kept:c", "kept:d"];
    for (const name of names) publish(worker, name, `1${LARGE}`);
    const subscriber = worker.join("s");
    subscriber.isReading = false;
    worker.begin(
      subscriber,
      names.map((channel) => ({ channel, from: at(0) })),
    );
    expect(subscriber.take()).toEqual(["begun", "kept:a 1 1", "kept:b 1 2"]);
    worker.hub.unsubscribe(subscriber, "kept:d");
    subscriber.isReading = true;
    fixture.clock.advance(10);
    await turns();
    expect(subscriber.take()).toEqual(["kept:c 1 3"]);
  });
});

describe("what cannot begin leaves nothing behind", () => {
  test("where the connection has too many channels, with those that it is about to have", async () => {
    const fixture = new RecoveryFixture({ maxChannelsPerConnection: 3 });
    const far = fixture.far();
    const subscriber = far.join("s");
    const first = far.begin(subscriber, [{ channel: "kept:a" }, { channel: "kept:b" }]);
    const refused = { error: expect.objectContaining({ errorName: "too_many_channels" }) };
    expect(far.begin(subscriber, [{ channel: "kept:c" }, { channel: "plain" }])).toEqual(refused);
    void far.hub.subscribe(subscriber, "kept:a");
    await arrive(far.broker);
    expect(first.isDone).toBe(true);
    expect(far.begin(subscriber, [{ channel: "kept:c" }, { channel: "plain" }])).toEqual(refused);
    const known = [{ channel: "kept:a" }, { channel: "plain" }];
    const second = far.begin(subscriber, known);
    await arrive(far.broker);
    expect(second.isDone).toBe(true);
    expect(() => far.hub.subscribe(subscriber, "kept:c")).toThrow("channels");
  });

  test("where the app has too many channels, all but those that it had", async () => {
    const { fixture, worker } = alone({ maxChannels: 3 });
    const subscriber = worker.join("s");
    worker.begin(subscriber, [{ channel: "kept:a" }]);
    const names = ["plain", "kept:a", "kept:b", "kept:c"];
    const { error } = worker.begin(
      subscriber,
      names.map((channel) => ({ channel })),
    );
    expect(error).toMatchObject({ errorName: "app_channels_full" });
    expect(worker.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([
      { channel: "kept:a", subscribers: 1 },
    ]);
    expect(worker.hub.unsubscribe(subscriber, "plain")).toBe(false);
    worker.hub.unregister(subscriber);
    expect(fixture.local.node.held).toBe(1);
  });

  const failing = (worker: Worker, isFailing: () => boolean) => {
    const { broker } = worker;
    const history = broker.history.bind(broker);
    broker.history = (app, channel, request) => {
      if (isFailing()) throw new StarlingError("broker_unavailable");
      return history(app, channel, request);
    };
  };

  test("where the node cannot be asked", () => {
    const { fixture, worker } = alone();
    failing(worker, () => true);
    const subscriber = worker.join("s");
    const { error, begun } = worker.begin(subscriber, [
      { channel: "kept:a", from: { last: 1 } },
      { channel: "plain" },
    ]);
    expect([error, begun]).toEqual([
      expect.objectContaining({ errorName: "broker_unavailable" }),
      undefined,
    ]);
    expect(subscriber.closedFor).toBeUndefined();
    expect(subscriber.channels).toBeUndefined();
    expect(worker.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([]);
    expect(fixture.clock.pendingTimers).toBe(0);
    void worker.hub.subscribe(subscriber, "kept:a");
    publish(worker, "kept:a", "1");
    expect(subscriber.take()).toEqual(["kept:a 1 1"]);
  });

  test("where the node cannot be asked for the rest: who was told that it begins is closed", async () => {
    const { fixture, worker, at } = alone();
    publish(worker, "kept:a", ...["1", "2", "3"].map((data) => data + LARGE));
    let isFailing = false;
    failing(worker, () => isFailing);
    const subscriber = worker.join("s");
    const outcome = worker.begin(subscriber, [{ channel: "kept:a", from: at(0) }]);
    isFailing = true;
    await turns();
    expect(outcome.error).toMatchObject({ errorName: "broker_unavailable" });
    expect([subscriber.closedFor, subscriber.cut]).toEqual(["messages_missed", 0]);
    expect(worker.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([]);
    expect(fixture.clock.pendingTimers).toBe(0);
  });
});
