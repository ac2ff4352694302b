import { describe, expect, test } from "bun:test";
import { FakeStreams } from "../../testing/fake-stream.ts";
import { reached } from "../../testing/published.ts";
import { CancellationSource } from "../cancellation.ts";
import { settings } from "../conformance/settings.ts";
import { answered, ask, delivery, RecordingWorker, refusal } from "../conformance/worker.ts";
import type { IpcBrokerOptions } from "./client-options.ts";
import { IpcFixture } from "./testing/ipc-fixture.ts";

function setUp(isListening = true) {
  const streams = new FakeStreams({ capacity: 2 ** 26 });
  const fixture = new IpcFixture(settings, streams);
  if (isListening) void fixture.listen();
  let workers = 0;
  const join = async (more: Partial<IpcBrokerOptions> = {}) => {
    const worker = new RecordingWorker();
    workers++;
    return Object.assign(worker, { broker: await fixture.joinAs(workers, worker, more) });
  };
  return { streams, fixture, join };
}

describe("connecting", () => {
  test("is given up where the node does not answer within the lease", async () => {
    const { streams, fixture } = setUp(false);
    const joining = ask(() => fixture.joinAs(1, new RecordingWorker()));
    await fixture.advance(9_999);
    expect(joining.outcome).toBeUndefined();
    await fixture.advance(1);
    expect(joining.outcome).toEqual(refusal("broker_unavailable"));
    await fixture.advance(60_000);
    expect(fixture.clock.pendingTimers).toBe(0);
    expect(streams.step()).toBe(false);
  });

  test("is tried again until the node is there", async () => {
    const { fixture } = setUp(false);
    const joining = ask(() => fixture.joinAs(1, new RecordingWorker()));
    await fixture.advance(5_000);
    void fixture.listen();
    await fixture.advance(1_000);
    expect(joining.outcome).toHaveProperty("value");
  });

  test("again takes longer from time to time, up to a second, and never as long as another", async () => {
    const { fixture, join } = setUp();
    const attempts: number[] = [];
    let isClosed = false;
    const { broker } = await join({
      open: async (handler) => {
        if (!isClosed) return fixture.transport.open(handler);
        attempts.push(fixture.clock.now());
        throw new Error("closed");
      },
    });
    isClosed = true;
    const begun = fixture.clock.now();
    fixture.server.close();
    for (let elapsed = 0; elapsed < 8_000; elapsed += 5) await fixture.advance(5);
    expect(broker.isConnected).toBe(false);
    const waits = attempts.map((at, index) => at - (attempts[index - 1] ?? begun));
    for (const [index, wait] of waits.entries()) {
      const most = Math.min(1_000, 50 * 2 ** index);
      expect(wait).toBeGreaterThanOrEqual(most / 2 - 5);
      expect(wait).toBeLessThanOrEqual(most + 5);
    }
    expect(new Set(waits.slice(-5)).size).toBeGreaterThan(1);
    expect(waits.length).toBeGreaterThan(10);
  });

  test("and losing the link are told", async () => {
    const { fixture, join } = setUp();
    const changes: boolean[] = [];
    const { broker } = await join({ linkChanged: (isUp) => changes.push(isUp) });
    expect(changes).toEqual([true]);
    await fixture.links.cut(broker);
    expect(changes).toEqual([true, false]);
    await fixture.links.mend(broker);
    expect(changes).toEqual([true, false, true]);
    expect(broker.counters.connects).toBe(2);
  });
});

describe("the queue towards the node", () => {
  test("refuses publications at its limit, counts them, and lets the rest arrive once", async () => {
    const { fixture, join } = setUp();
    const [publisher, other] = [await join({ maxQueuedBytes: 100_000 }), await join()];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    await fixture.links.cut(publisher.broker);
    const text = "x".repeat(10_000);
    const all = Array.from({ length: 12 }, (_, n) =>
      ask(() => publisher.broker.publish(delivery("a", `${n} ${text}`))),
    );
    publisher.broker.publishUnanswered(delivery("a", `12 ${text}`));
    await fixture.settle();
    const refused = all.filter(({ outcome }) => outcome !== undefined);
    expect(refused.map(({ outcome }) => outcome)).toEqual(
      refused.map(() => refusal("broker_unavailable")),
    );
    expect(publisher.broker.counters.refused).toBe(refused.length + 1);
    await fixture.links.mend(publisher.broker);
    await fixture.settle();
    expect(other.take().map((data) => Number.parseInt(data, 10))).toEqual(
      all.flatMap(({ outcome }, n) => (outcome !== undefined && "error" in outcome ? [] : [n])),
    );
    expect(refused.length).toBe(3);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "1")))).toEqual(
      reached(1),
    );
  });

  test("still takes what the node has to know, and where even that is too much, tells all anew", async () => {
    const { fixture, join } = setUp();
    const [worker, other] = [await join({ maxQueuedBytes: 20_000 }), await join()];
    await fixture.links.cut(worker.broker);
    const member = (n: number) => ({
      connection: `${n}`,
      clientId: "c".repeat(1_000),
      user: undefined,
      state: undefined,
      since: n,
    });
    const present = (n: number) =>
      worker.broker.present("default", "p", { type: "join", member: member(n) });
    for (let n = 0; n < 30; n++) present(n);
    await fixture.links.mend(worker.broker);
    const count = async () =>
      (await answered(fixture, () => other.broker.presenceStats("default", "p"))).members;
    expect(await count()).toBe(30);
    expect(worker.missedCalls).toBe(0);

    await fixture.links.cut(worker.broker);
    for (let n = 30; n < 80; n++) present(n);
    const refused = ask(() => worker.broker.publish(delivery("a", "1")));
    await fixture.settle();
    expect(refused.outcome).toEqual(refusal("broker_unavailable"));
    await fixture.links.mend(worker.broker);
    expect(worker.missedCalls).toBe(1);
    expect(await count()).toBe(80);
  });

  test("holds one message for the interest in a channel, however often it changes in a turn", async () => {
    const { fixture, join } = setUp();
    const [worker, publisher] = [await join(), await join()];
    await fixture.settle();
    const before = worker.broker.counters.messagesSent;
    for (let n = 1; n <= 1_000; n++) void worker.broker.interest("default", "a", n);
    void worker.broker.interest("default", "b", 1);
    void worker.broker.interest("default", "b", 0);
    await fixture.settle();
    expect(worker.broker.counters.messagesSent - before).toBe(2);
    void worker.broker.interest("default", "c", 1);
    await fixture.settle();
    expect(worker.broker.counters.messagesSent - before).toBe(3);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "1")))).toEqual(
      reached(1_000),
    );
  });

  test("has interest before whatever is asked after it in the same turn", async () => {
    const { fixture, join } = setUp();
    const [asker, asked] = [await join(), await join()];
    asked.reply = () => {
      asked.broker.publishUnanswered(delivery("moved", "for the asker"));
      return "published";
    };
    void asker.broker.interest("default", "moved", 1);
    const answer = ask(() => asker.broker.call(2, "publish", null));
    void asker.broker.interest("default", "moved", 2);
    await fixture.settle();
    expect(answer.outcome).toEqual({ value: "published" });
    expect(asker.take()).toEqual(["for the asker"]);

    void asker.broker.interest("default", "later", 4);
    const page = { prefix: "l", limit: 9 };
    expect(await answered(fixture, () => asker.broker.channels("default", page))).toEqual({
      channels: [{ channel: "later", subscribers: 4 }],
      next: null,
    });
  });
});

describe("a question", () => {
  test("whose answer does not fit is refused, and nothing else is lost by it", async () => {
    const { fixture, join } = setUp();
    const [asker, asked] = [await join(), await join({ maxQueuedBytes: 100_000 })];
    asked.reply = (method) => "x".repeat(method === "much" ? 60_000 : 40_000);
    const [much, less] = [
      ask(() => asker.broker.call(2, "much", null)),
      ask(() => asker.broker.call(2, "less", null)),
    ];
    await fixture.settle();
    expect(much.outcome).toEqual(refusal("broker_unavailable"));
    expect(less.outcome).toEqual({ value: "x".repeat(40_000) });
  });

  test("whose answer finds no room is refused, and the node is told all anew", async () => {
    const { fixture, join } = setUp();
    const [asker, asked] = [await join(), await join({ maxQueuedBytes: 20_000 })];
    const { promise, resolve } = Promise.withResolvers<unknown>();
    asked.reply = () => promise;
    const answer = ask(() => asker.broker.call(2, "method", null));
    await fixture.settle();
    await fixture.links.cut(asked.broker);
    const member = { clientId: "c".repeat(1_000), user: undefined, state: undefined, since: 1 };
    for (let n = 0; n < 38; n++) {
      const event = { type: "join", member: { ...member, connection: `${n}` } } as const;
      asked.broker.present("default", "p", event);
    }
    resolve("x".repeat(5_000));
    await fixture.settle();
    await fixture.links.mend(asked.broker);
    expect(answer.outcome).toEqual(refusal("broker_unavailable"));
    expect(asked.missedCalls).toBe(1);
    const stats = await answered(fixture, () => asker.broker.presenceStats("default", "p"));
    expect(stats.members).toBe(38);
  });

  test("whose argument or answer MessagePack cannot say is refused", async () => {
    const { fixture, join } = setUp();
    const [asker, asked] = [await join(), await join()];
    asked.reply = () => 2n ** 70n;
    const answer = ask(() => asker.broker.call(2, "method", null));
    const question = ask(() => asker.broker.call(2, "method", 2n ** 70n));
    await fixture.settle();
    expect(answer.outcome).toEqual(refusal("internal"));
    expect(question.outcome).toHaveProperty("error");
  });

  test("that is given up is refused though the link is down", async () => {
    const { fixture, join } = setUp();
    const [asker] = [await join(), await join()];
    await fixture.links.cut(asker.broker);
    const source = new CancellationSource();
    const asked = ask(() => asker.broker.call(2, "method", null, source));
    await fixture.settle();
    expect(asked.outcome).toBeUndefined();
    source.cancel();
    await fixture.settle();
    expect(asked.outcome).toEqual(refusal("broker_unavailable"));
  });

  test("for a rate is answered by the worker itself where the node lets it wait", async () => {
    const { streams, fixture, join } = setUp();
    const { broker } = await join();
    const stream = fixture.streamOf(broker);
    if (stream !== undefined) streams.hold(stream);
    const asked = ask(() => broker.take("address", "a"));
    await fixture.advance(999);
    expect(asked.outcome).toBeUndefined();
    await fixture.advance(1);
    expect(asked.outcome).toEqual({ value: 0 });
    const next = ask(() => broker.take("address", "b"));
    await fixture.links.cut(broker);
    expect(next.outcome).toEqual({ value: 0 });
  });
});

test("an app without limits is not asked for room", async () => {
  const { fixture, join } = setUp();
  const { broker } = await join();
  await fixture.links.cut(broker);
  expect(broker.admit("default")).toBeUndefined();
  expect(broker.hasRoomForChannel("default", "any")).toBe(true);
});

test("what is not limited costs no message", async () => {
  const { fixture, join } = setUp();
  const { broker } = await join();
  const before = broker.counters.messagesSent;
  expect(broker.take("api", "key")).toBe(0);
  broker.connectionOpened("default");
  broker.connectionClosed("default");
  expect(broker.interest("default", "a", 0)).toBeUndefined();
  await fixture.settle();
  expect(broker.counters.messagesSent).toBe(before);
  broker.connectionOpened("small");
  broker.connectionClosed("small");
  await fixture.settle();
  expect(broker.counters.messagesSent).toBe(before + 2);
});

test("a channel that is opened and closed before the node heard of it leaves its room", async () => {
  const { fixture, join } = setUp();
  const { broker } = await join();
  for (const channel of ["a", "b", "c"]) {
    void broker.interest("small", channel, 1);
    void broker.interest("small", channel, 0);
  }
  await fixture.settle();
  expect(broker.hasRoomForChannel("small", "d")).toBe(true);
});

test("once the node has taken note, interest has nothing to wait for", async () => {
  const { fixture, join } = setUp();
  const { broker } = await join();
  expect(broker.interest("default", "a", 1)).toBeInstanceOf(Promise);
  await fixture.settle();
  expect(broker.interest("default", "a", 2)).toBeUndefined();
});

describe("a node that is given up", () => {
  test("is not waited for with news of interest that it was never sent", async () => {
    const { fixture, join } = setUp();
    const { broker } = await join();
    const noted = ask(() => broker.interest("default", "a", 1));
    await fixture.links.cut(broker);
    expect(noted.outcome).toBeUndefined();
    await fixture.advance(10_000);
    expect(noted.outcome).toEqual({ value: undefined });
  });

  test("is no longer answered: what it asked is given up", async () => {
    const { fixture, join } = setUp();
    const [asker, asked] = [await join(), await join()];
    let isGivenUp = false;
    asked.reply = (_method, _argument, cancellation) => {
      cancellation.onCancel(() => {
        isGivenUp = true;
      });
      return new Promise(() => {});
    };
    ask(() => asker.broker.call(2, "method", null));
    await fixture.settle();
    await fixture.links.cut(asked.broker);
    expect(isGivenUp).toBe(false);
    await fixture.advance(10_000);
    expect(isGivenUp).toBe(true);
  });
});

test("after a link that came back the next one is tried for as soon as the first", async () => {
  const { fixture, join } = setUp();
  const { broker } = await join();
  await fixture.links.cut(broker);
  await fixture.advance(5_000);
  await fixture.links.mend(broker);
  const stream = fixture.streamOf(broker);
  if (stream !== undefined) fixture.transport.cut(stream);
  await fixture.settle();
  expect(broker.isConnected).toBe(false);
  await fixture.advance(50);
  expect(broker.isConnected).toBe(true);
});

test("leaving takes a second at most, and nothing of the broker runs on", async () => {
  const { streams, fixture, join } = setUp();
  const { broker } = await join();
  ask(() => broker.members("default", "a"));
  ask(() => broker.take("user", "u"));
  await fixture.settle();
  const stream = fixture.streamOf(broker);
  if (stream !== undefined) streams.hold(stream);
  const closing = ask(() => broker.close());
  await fixture.advance(999);
  expect(closing.outcome).toBeUndefined();
  await fixture.advance(1);
  expect(closing.outcome).toEqual({ value: undefined });
  fixture.server.close();
  expect(fixture.clock.pendingTimers).toBe(0);
});
