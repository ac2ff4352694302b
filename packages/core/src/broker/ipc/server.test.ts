import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import { FakeStreams } from "../../testing/fake-stream.ts";
import { reached } from "../../testing/published.ts";
import type { Broker } from "../broker.ts";
import { settings } from "../conformance/settings.ts";
import { answered, ask, delivery, RecordingWorker, refusal } from "../conformance/worker.ts";
import type { IpcBroker } from "./client.ts";
import { askNode } from "./control.ts";
import { helloFrame } from "./handshake.ts";
import type { IpcServerOptions } from "./server-options.ts";
import { IpcFixture } from "./testing/ipc-fixture.ts";

function setUp(more: Partial<IpcServerOptions> = {}) {
  const streams = new FakeStreams();
  const fixture = new IpcFixture(settings, streams, more);
  void fixture.listen();
  const join = async () => {
    const worker = new RecordingWorker();
    return Object.assign(worker, { broker: await fixture.join(worker) });
  };
  /** Nothing passes between the worker and the node. */
  const hold = (broker: Broker) => {
    const stream = fixture.streamOf(broker);
    if (stream !== undefined) streams.hold(stream);
    return () => {
      if (stream !== undefined) streams.release(stream);
    };
  };
  return { streams, fixture, join, hold };
}

const member = (connection: string) => ({
  connection,
  clientId: connection,
  user: undefined,
  state: undefined,
  since: 1,
});

describe("a worker without its stream", () => {
  test("keeps its place for the lease, and gets what it was sent meanwhile", async () => {
    const { fixture, join } = setUp();
    const [publisher, other] = [await join(), await join()];
    void other.broker.interest("default", "a", 1);
    other.broker.present("default", "p", { type: "join", member: member("m") });
    await fixture.settle();
    await fixture.links.cut(other.broker);
    publisher.broker.publishUnanswered(delivery("a", "1"));
    await fixture.advance(8_900);
    expect((await answered(fixture, () => publisher.broker.members("default", "p"))).length).toBe(
      1,
    );
    await fixture.links.mend(other.broker);
    expect(other.take()).toEqual(["1"]);
    expect(other.missedCalls).toBe(0);
  });

  test("is forgotten after the lease, and is told when it comes back", async () => {
    const left: number[] = [];
    const { fixture, join } = setUp({ left: (worker) => left.push(worker) });
    const [publisher, other] = [await join(), await join()];
    await answered(fixture, () => publisher.broker.watch("default", "p"));
    void other.broker.interest("default", "a", 5);
    other.broker.connectionOpened("small");
    other.broker.connectionOpened("small");
    other.broker.present("default", "p", { type: "join", member: member("m") });
    other.broker.present("default", "p", { type: "online", connection: "m" });
    await answered(fixture, () => other.broker.watch("default", "q"));
    await fixture.links.cut(other.broker);
    const pending = ask(() => other.broker.publish(delivery("a", "lost")));
    publisher.broker.publishUnanswered(delivery("a", "1"));
    await fixture.advance(9_999);
    expect(left).toEqual([]);
    await fixture.advance(1);
    expect(left).toEqual([2]);
    expect(pending.outcome).toEqual(refusal("broker_unavailable"));
    expect(publisher.news.map(({ event }) => event.type)).toEqual(["join", "online", "leave"]);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "2")))).toEqual(
      reached(0),
    );
    await answered(fixture, () => publisher.broker.admit("small"));
    await answered(fixture, () => publisher.broker.admit("small"));

    await fixture.links.mend(other.broker);
    expect(other.missedCalls).toBe(1);
    expect(other.take()).toEqual([]);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "3")))).toEqual(
      reached(5),
    );
    expect(other.take()).toEqual(["3"]);
    expect(publisher.news.map(({ event }) => event.type).slice(3)).toEqual(["join", "online"]);
    publisher.broker.present("default", "q", { type: "join", member: member("n") });
    await fixture.settle();
    expect(other.news.map(({ channel }) => channel)).toEqual(["q"]);
    const third = ask(() => publisher.broker.admit("small"));
    await fixture.settle();
    expect(third.outcome).toEqual(refusal("too_many_connections"));
  });

  test("is told everything by a node that knows nothing, since that was started anew", async () => {
    const { streams, fixture, join } = setUp();
    const [first, second] = [await join(), await join()];
    void second.broker.interest("default", "a", 3);
    await fixture.settle();
    fixture.server.close();
    const next = new IpcFixture(settings, streams);
    void next.listen();
    await fixture.advance(1_000);
    expect([first.missedCalls, second.missedCalls]).toEqual([1, 1]);
    expect(await answered(fixture, () => first.broker.publish(delivery("a", "1")))).toEqual(
      reached(3),
    );
    expect(next.node.workers.toSorted()).toEqual([1, 2]);
  });
});

describe("a worker that stands still", () => {
  test("is forgotten after the lease though its stream is open", async () => {
    const { fixture, join, hold } = setUp();
    const publisher = await join();
    const other = new RecordingWorker();
    // Its own clock stands still, too.
    const broker = await fixture.joinAs(2, other, { leaseMs: 1_000_000 });
    void broker.interest("default", "a", 1);
    await fixture.settle();
    const release = hold(broker);
    await fixture.advance(12_500);
    expect(fixture.node.workers).toEqual([1]);
    release();
    await fixture.advance(1_000);
    expect(fixture.node.workers).toEqual([1, 2]);
    expect(other.missedCalls).toBe(1);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "1")))).toEqual(
      reached(1),
    );
  });

  test("loses all that waits where that is too much, is told, and holds up nobody", async () => {
    const { fixture, join, hold } = setUp({ maxQueuedBytes: 200_000 });
    const [publisher, other, third] = [await join(), await join(), await join()];
    for (const { broker } of [other, third]) void broker.interest("default", "a", 1);
    await fixture.settle();
    const reply = Promise.withResolvers<unknown>();
    third.reply = () => reply.promise;
    const answer = ask(() => other.broker.call(3, "method", null));
    await fixture.settle();
    const release = hold(other.broker);
    const question = ask(() => publisher.broker.call(2, "method", null));
    const text = "x".repeat(10_000);
    for (let n = 0; n < 60; n++) {
      if (n === 10) reply.resolve("behind what is dropped");
      publisher.broker.publishUnanswered(delivery("a", `${n} ${text}`));
      await fixture.settle();
    }
    expect(third.take()).toHaveLength(60);
    await fixture.advance(200);
    for (let n = 60; n < 90; n++) {
      const published = ask(() => publisher.broker.publish(delivery("a", `${n} ${text}`)));
      await fixture.settle();
      // The first finds out; whatever is dropped later, nobody waits again.
      if (n === 60) await fixture.advance(200);
      expect(published.outcome).toEqual({ value: reached(2) });
    }
    third.take();
    expect(question.outcome).toEqual(refusal("broker_unavailable"));
    const [, view] = fixture.server.workers;
    expect(view?.bytesWaiting).toBeLessThanOrEqual(200_000);
    expect(fixture.server.counters.dropped).toBeGreaterThan(20);
    release();
    await fixture.advance(1_000);
    expect(other.missedCalls).toBe(1);
    expect(answer.outcome).toEqual(refusal("broker_unavailable"));
    expect(fixture.server.lost).toBe(1);
    const got = other.take().map((data) => Number.parseInt(data, 10));
    expect(got).toEqual(got.toSorted((a, b) => a - b));
    expect(got.length).toBeLessThan(90);
    expect(fixture.node.workers).toEqual([1, 2, 3]);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "last")))).toEqual(
      reached(2),
    );
    expect(other.take()).toEqual(["last"]);
  });

  test("knows the channels there are after it has lost news of them", async () => {
    const { fixture, join, hold } = setUp({ maxQueuedBytes: 200_000 });
    const [first, other] = [await join(), await join()];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    const release = hold(other.broker);
    // More than the stream itself takes, so that the news waits behind it.
    first.broker.publishUnanswered(delivery("a", "x".repeat(80_000)));
    await fixture.settle();
    void first.broker.interest("small", "x", 1);
    void first.broker.interest("small", "y", 1);
    await fixture.settle();
    first.broker.publishUnanswered(delivery("a", "x".repeat(150_000)));
    await fixture.settle();
    release();
    await fixture.advance(1_000);
    expect(other.missedCalls).toBe(1);
    expect(other.broker.hasRoomForChannel("small", "z")).toBe(false);
    expect(other.broker.hasRoomForChannel("small", "x")).toBe(true);
  });
});

describe("what comes over a stream", () => {
  test("ends it where it is garbage, and nobody else notices", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        async (isGreeted, chunks) => {
          const { streams, fixture, join } = setUp();
          const [publisher, other] = [await join(), await join()];
          void other.broker.interest("default", "a", 1);
          await fixture.settle();
          let isClosed = false;
          const closed = () => {
            isClosed = true;
          };
          const stream = await streams.open({ data() {}, drained() {}, closed });
          const hello = { role: "worker", worker: 9, link: 0, received: 0 } as const;
          if (isGreeted) stream.write(helloFrame(hello));
          for (const chunk of chunks) {
            stream.write(chunk);
            await fixture.settle();
          }
          // A length and a first value that no message has.
          stream.write(Uint8Array.of(0, 0, 0, 1, 0xc1, 0, 0, 0, 1, 0xc1));
          await fixture.advance(12_500);
          expect(isClosed).toBe(true);
          expect(fixture.node.workers).toEqual([1, 2]);
          expect(
            await answered(fixture, () => publisher.broker.publish(delivery("a", "1"))),
          ).toEqual(reached(1));
          expect(other.take()).toEqual(["1"]);
          expect(other.missedCalls).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("makes a worker begin anew where it is not what a worker may say", async () => {
    const { fixture, join } = setUp();
    const [publisher, other] = [await join(), await join()];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    // A frame of one message with the unknown number 127, written past the link.
    fixture.streamOf(other.broker)?.write(Uint8Array.of(0, 0, 0, 4, 2, 0, 0, 127));
    await fixture.advance(1_000);
    expect(fixture.log.lines.map(({ level }) => level)).toContain("error");
    expect(other.missedCalls).toBe(1);
    expect(await answered(fixture, () => publisher.broker.publish(delivery("a", "1")))).toEqual(
      reached(1),
    );
    expect(other.take()).toEqual(["1"]);
  });

  test("of another version is refused", async () => {
    const { streams, fixture } = setUp();
    const hello = helloFrame({ role: "control" }).slice();
    hello[17] = 99;
    let isClosed = false;
    const closed = () => {
      isClosed = true;
    };
    const stream = await streams.open({ data() {}, drained() {}, closed });
    stream.write(hello);
    await fixture.settle();
    expect(isClosed).toBe(true);
    expect(fixture.log.lines.map(({ fields: { err } }) => String(err))).toEqual([
      "WireError: the peer speaks version 99 of the link, not 4",
    ]);
  });

  test("has to come within the lease", async () => {
    const { streams, fixture } = setUp();
    let isClosed = false;
    const closed = () => {
      isClosed = true;
    };
    await streams.open({ data() {}, drained() {}, closed });
    await fixture.advance(9_999);
    expect(isClosed).toBe(false);
    await fixture.advance(1);
    expect(isClosed).toBe(true);
  });
});

describe("the supervisor", () => {
  test("asks a worker, and is asked by it", async () => {
    const { fixture, join } = setUp({
      answer: (method, argument, { worker }) => {
        if (method === "fail") throw new StarlingError("permission_denied", "not you");
        return [method, argument, worker];
      },
    });
    const worker = await join();
    worker.reply = (method, argument) => [method, argument];
    expect(await answered(fixture, () => fixture.server.tell(1, "drain", 5))).toEqual(["drain", 5]);
    const nobody = ask(() => fixture.server.tell(2, "drain", 5));
    expect(await answered(fixture, () => worker.broker.ask("status", null))).toEqual([
      "status",
      null,
      1,
    ]);
    const refused = ask(() => worker.broker.ask("fail", null));
    await fixture.settle();
    expect(nobody.outcome).toEqual(refusal("broker_unavailable"));
    expect(refused.outcome).toEqual(refusal("permission_denied"));
    expect((refused.outcome as { error: Error }).error.message).toBe("not you");
  });

  test("forgets a worker that is dead, and those who ask it or answer it are told", async () => {
    let isCancelled = false;
    const { fixture, join } = setUp({
      answer: (_method, _argument, { cancellation }) => {
        cancellation.onCancel(() => {
          isCancelled = true;
        });
        return new Promise(() => {});
      },
    });
    const worker = await join();
    worker.reply = () => new Promise(() => {});
    const asked = ask(() => fixture.server.tell(1, "drain", 5));
    ask(() => worker.broker.ask("wait", null));
    await fixture.settle();
    expect(isCancelled).toBe(false);
    await fixture.links.cut(worker.broker);
    fixture.server.forget(1);
    await fixture.settle();
    expect(asked.outcome).toEqual(refusal("broker_unavailable"));
    expect(isCancelled).toBe(true);
    expect([...fixture.server.workers]).toEqual([]);
    expect(fixture.node.held).toBe(0);
  });

  test("gives the place of a worker to whoever joins under the same number", async () => {
    const { fixture, join } = setUp();
    const first = await join();
    void first.broker.interest("default", "a", 1);
    await fixture.settle();
    await fixture.links.cut(first.broker);
    const second: IpcBroker = await fixture.joinAs(1, new RecordingWorker());
    expect(fixture.node.workers).toEqual([1]);
    const third = await fixture.joinAs(2, new RecordingWorker());
    expect(await answered(fixture, () => third.publish(delivery("a", "1")))).toEqual(reached(0));
    expect(second.isConnected).toBe(true);
  });

  test("passes on what a worker answered right before it left", async () => {
    const { fixture, join } = setUp();
    const [asker, leaving] = [await join(), await join()];
    let answer = (_value: string): void => {};
    leaving.reply = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const asked = ask(() => asker.broker.call(leaving.broker.worker, "method", null));
    await fixture.settle();
    answer("last words");
    // The answer is written, and leaves in one frame with the farewell.
    for (let promises = 10; promises > 0; promises--) await Promise.resolve();
    const closed = leaving.broker.close();
    await fixture.settle();
    await closed;
    expect(asked.outcome).toEqual({ value: "last words" });
    expect(fixture.node.workers).toEqual([asker.broker.worker]);
  });

  test("is left with nothing when a worker closes its link", async () => {
    const { fixture, join } = setUp();
    const [leaving, other] = [await join(), await join()];
    void other.broker.interest("default", "a", 1);
    await fixture.settle();
    leaving.broker.publishUnanswered(delivery("a", "last words"));
    const closed = leaving.broker.close();
    await fixture.settle();
    await closed;
    expect(other.take()).toEqual(["last words"]);
    expect(fixture.node.workers).toEqual([2]);
    await fixture.leave(other.broker);
    await fixture.advance(5_000);
    expect(leaving.missedCalls).toBe(0);
    expect(fixture.node.held).toBe(0);
  });
});

describe("the command line", () => {
  const options = ({ fixture, streams }: ReturnType<typeof setUp>) => ({
    open: streams.open,
    clock: fixture.clock,
    afterTurn: streams.afterTurn,
    log: fixture.log,
  });

  test("asks the node without being a worker, and hears how it goes", async () => {
    const set = setUp({
      answer: (method, argument, { worker, progress }) => {
        progress("half");
        progress({ done: 1 });
        return { method, argument, worker };
      },
    });
    const heard: unknown[] = [];
    const progress = (news: unknown) => heard.push(news);
    const asked = ask(() => askNode({ ...options(set), progress }, "restart", [1]));
    await set.fixture.settle();
    expect(asked.outcome).toEqual({
      value: { method: "restart", argument: [1], worker: undefined },
    });
    expect(heard).toEqual(["half", { done: 1 }]);
    expect(set.fixture.node.held).toBe(0);
  });

  test("is told what went wrong, and when the node is gone", async () => {
    const set = setUp({
      answer: (method) => {
        if (method === "wait") return new Promise(() => {});
        throw new StarlingError("shutting_down");
      },
    });
    const refused = ask(() => askNode(options(set), "restart", null));
    await set.fixture.settle();
    expect(refused.outcome).toEqual(refusal("shutting_down"));
    const waiting = ask(() => askNode(options(set), "wait", null));
    await set.fixture.advance(60_000);
    expect(waiting.outcome).toBeUndefined();
    set.fixture.server.close();
    await set.fixture.settle();
    expect(waiting.outcome).toEqual(refusal("broker_unavailable"));
    await set.fixture.advance(10_000);
    expect(set.fixture.clock.pendingTimers).toBe(0);
  });

  test.each([2_000, 60_000])(
    "waits as long as the node thinks, whatever the lease of workers: %i ms",
    async (leaseMs) => {
      let answer = (_value: string): void => {};
      const set = setUp({
        leaseMs,
        answer: () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      });
      const asked = ask(() => askNode(options(set), "restart", null));
      await set.fixture.advance(30_000);
      expect(asked.outcome).toBeUndefined();
      answer("done");
      await set.fixture.settle();
      expect(asked.outcome).toEqual({ value: "done" });
    },
  );

  test("who goes away is not answered, and the node knows", async () => {
    let isCancelled = false;
    const set = setUp({
      answer: (_method, _argument, { cancellation }) => {
        cancellation.onCancel(() => {
          isCancelled = true;
        });
        return new Promise(() => {});
      },
    });
    const { streams } = set;
    let stream: Awaited<ReturnType<typeof streams.open>> | undefined;
    const open: typeof streams.open = async (handler) => {
      stream = await streams.open(handler);
      return stream;
    };
    const asked = ask(() => askNode({ ...options(set), open }, "wait", null));
    await set.fixture.settle();
    if (stream !== undefined) streams.cut(stream);
    await set.fixture.settle();
    expect(isCancelled).toBe(true);
    expect(asked.outcome).toEqual(refusal("broker_unavailable"));
  });
});
