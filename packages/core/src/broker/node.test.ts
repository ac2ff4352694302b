import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Position } from "../hub/position.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { reached } from "../testing/published.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import type { PresenceEvent, Published } from "./broker.ts";
import { CancellationSource } from "./cancellation.ts";
import { settings } from "./conformance/settings.ts";
import { Node } from "./node.ts";
import type { NodeDelivery, NodeMember, NodeSeat } from "./seat.ts";

/** A worker that takes over what it is handed when the test says so. */
class Worker implements NodeMember<string> {
  readonly handed: {
    readonly text: string;
    readonly taken: ((hasTaken: boolean) => void) | undefined;
  }[] = [];
  readonly channels: string[] = [];
  readonly answers: ((value: unknown) => void)[] = [];
  onPresence: () => void = () => {};

  deliver(
    app: string,
    channels: readonly string[],
    publication: string,
    taken: ((hasTaken: boolean) => void) | undefined,
  ): void {
    this.handed.push({ text: `${app} ${channels} ${publication}`, taken });
  }

  deliverKept(
    app: string,
    channel: string,
    publication: string,
    { offset }: Position,
    taken: ((hasTaken: boolean) => void) | undefined,
  ): void {
    this.handed.push({ text: `${app} ${channel} ${publication} ${offset}`, taken });
  }

  presence(): void {
    this.onPresence();
  }

  channelsChanged(app: string, opened: readonly string[], closed: readonly string[]): void {
    this.channels.push(`${app} +${opened} -${closed}`);
  }

  ask(): Promise<unknown> {
    return new Promise((resolve) => {
      this.answers.push(resolve);
    });
  }

  /** Takes over everything that it was handed. */
  take(): string[] {
    return this.handed.splice(0).map(({ text, taken }) => {
      taken?.(true);
      return text;
    });
  }
}

function setUp(count: number) {
  const clock = new FakeClock();
  const node = new Node<string>(
    { ...settings, clock, random: new SeededRandom() },
    { own: (text) => text, bytes: ({ length }) => length },
  );
  const workers = Array.from({ length: count }, () => new Worker());
  const seats = workers.map((worker, index) => node.join(worker, index + 1));
  return { clock, node, workers, seats };
}

const delivery = (more: Partial<NodeDelivery<string>> = {}): NodeDelivery<string> => ({
  app: "default",
  channels: ["a"],
  streams: [],
  publication: "text",
  reached: 1,
  key: undefined,
  ...more,
});

const connection = (name: string): PresenceEvent => ({
  type: "join",
  member: { connection: name, clientId: "", user: undefined, state: undefined, since: 0 },
});

test("publish is answered at once where no other worker is interested", () => {
  const { node, workers, seats } = setUp(2);
  seats[0]?.interest("default", "a", 5);
  seats[1]?.interest("default", "b", 5);
  expect(seats[0]?.publish(delivery())).toEqual(reached(1));
  expect(workers.map((worker) => worker.handed)).toEqual([[], []]);
  expect(node.counters).toMatchObject({ publications: 1, handovers: 0 });
});

test("what is kept is handed to the publisher too, which is not waited for", async () => {
  const { node, workers, seats } = setUp(3);
  for (const seat of seats.slice(0, 2)) seat.interest("default", "a", 2);
  const streams = [{ channel: "a", size: 9, ttlMs: 1_000 }];
  let total: number | undefined;
  const publish = async () => {
    const published = await seats[0]?.publish(delivery({ channels: [], streams, reached: 0 }));
    total = published?.subscribers;
  };
  const published = publish();
  await Promise.resolve();
  expect(total).toBeUndefined();
  const handed = workers.map((worker) => worker.handed.map(({ text }) => text));
  expect(handed).toEqual([["default a text 1"], ["default a text 1"], []]);
  expect(workers[0]?.handed[0]?.taken).toBeUndefined();
  workers[1]?.take();
  await published;
  expect(total).toBe(4);
  expect(node.counters).toMatchObject({ publications: 1, handovers: 2 });
});

test("publish is answered once every interested worker has taken over, or lags, or is gone", async () => {
  const { clock, node, workers, seats } = setUp(4);
  for (const seat of seats.slice(1)) seat.interest("default", "a", 2);
  let total: Published | undefined;
  const publish = async () => {
    total = await seats[0]?.publish(delivery());
  };
  const published = publish();
  workers[1]?.take();
  seats[2]?.leave();
  await Promise.resolve();
  expect(total).toBeUndefined();
  clock.advance(200);
  await published;
  expect(total).toEqual(reached(7));
  expect([node.laggingWorkers, node.handoversTimedOut]).toEqual([1, 1]);
  workers[3]?.take();
  expect(node.laggingWorkers).toBe(0);
  expect(node.counters).toMatchObject({ publications: 1, handovers: 3 });
});

test("a worker is handed a delivery once, with those of its channels that it is interested in", () => {
  const { workers, seats } = setUp(3);
  for (const channel of ["a", "c", "d"]) seats[1]?.interest("default", channel, 1);
  seats[2]?.interest("default", "b", 1);
  seats[0]?.publishUnanswered(delivery({ channels: ["a", "b", "c"] }));
  expect(workers[1]?.handed).toEqual([{ text: "default a,c text", taken: undefined }]);
  expect(workers[2]?.handed).toEqual([{ text: "default b text", taken: undefined }]);
});

test("workers are told of the channels of apps that limit them, each change once", () => {
  const { node, workers, seats } = setUp(2);
  seats[0]?.interest("default", "a", 1);
  seats[0]?.interest("small", "a", 1);
  seats[0]?.interest("small", "a", 2);
  seats[1]?.interest("small", "a", 1);
  seats[1]?.interest("small", "b", 1);
  expect([...(seats[0]?.limitedChannels() ?? [])]).toEqual([["small", ["a", "b"]]]);
  seats[0]?.interest("small", "a", 0);
  for (const { channels } of workers) expect(channels).toEqual(["small +a -", "small +b -"]);
  seats[1]?.interest("small", "b", 0);
  seats[1]?.interest("small", "c", 1);
  seats[0]?.interest("small", "d", 1);
  seats[1]?.interest("small", "d", 1);
  workers[0]?.channels.splice(0, 2);
  expect(workers[0]?.channels).toEqual(["small + -b", "small +c -", "small +d -"]);
  workers[0]?.channels.splice(0);
  seats[1]?.leave();
  expect(workers[0]?.channels).toEqual(["small + -a,c"]);
  expect(node.workers).toEqual([1]);
});

test("a worker's id is free again once it has left, and only then", () => {
  const { node, seats } = setUp(1);
  expect(() => node.join(new Worker(), 1)).toThrow("worker 1 is in the node already");
  seats[0]?.leave();
  const next = node.join(new Worker(), 1);
  void next.interest("default", "a", 1);
  seats[0]?.leave();
  expect(next.channels("default", { prefix: "", limit: 9 }).channels).toHaveLength(1);
  expect(node.workers).toEqual([1]);
});

test("the node itself can ask a worker", async () => {
  const { node, workers } = setUp(1);
  const asked = node.call(1, "method", null);
  workers[0]?.answers[0]?.("answer");
  expect(await asked).toBe("answer");
  await expect(node.call(2, "method", null)).rejects.toMatchObject({
    errorName: "broker_unavailable",
  });
  const source = new CancellationSource();
  const cancelled = node.call(1, "method", null, source);
  source.cancel();
  await expect(cancelled).rejects.toMatchObject({ errorName: "broker_unavailable" });
  const failing = node.call(1, "method", null);
  workers[0]?.answers[2]?.(Promise.reject(new Error("a fault")));
  await expect(failing).rejects.toThrow("a fault");
  expect(node.held).toBe(1);
});

test("a seat that was left asks nobody", async () => {
  const { node, workers, seats } = setUp(2);
  seats[0]?.leave();
  await expect(seats[0]?.call(2, "method", null)).rejects.toMatchObject({
    errorName: "broker_unavailable",
  });
  expect(workers[1]?.answers).toEqual([]);
  expect(node.held).toBe(1);
});

test("who stops watching, and watches again, while it is told of the last leave keeps its watch", () => {
  const { workers, seats } = setUp(2);
  const [owner, watcher] = seats;
  owner?.present("default", "a", connection("1"));
  void watcher?.watch("default", "a");
  const worker = workers[1];
  if (worker === undefined) throw new Error("there is no worker");
  let told = 0;
  worker.onPresence = () => {
    told++;
    if (told > 1) return;
    watcher?.unwatch("default", "a");
    void watcher?.watch("default", "a");
  };
  owner?.present("default", "a", { type: "leave", connection: "1" });
  owner?.present("default", "a", connection("2"));
  expect(told).toBe(2);
});

test("whatever workers do, nothing is held once they have left, and no timer runs", async () => {
  const channel = fc.constantFrom("a", "b");
  const step = fc.record({
    seat: fc.nat(2),
    what: fc.constantFrom(
      "interest",
      "publish",
      "reserve",
      "release",
      "admit",
      "open",
      "close",
      "join",
      "drop",
      "watch",
      "unwatch",
      "call",
      "gather",
      "take",
      "wait",
      "leave",
    ),
    app: fc.constantFrom("default", "small"),
    channel,
    n: fc.nat(2),
    ms: fc.nat(300),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, node, workers, seats } = setUp(3);
      const open: Promise<unknown>[] = [];
      const later = (answer: () => unknown) => {
        const settle = async () => {
          try {
            await answer();
          } catch {
            // Refusals are answers, too.
          }
        };
        open.push(settle());
      };
      for (const { seat: index, what, app, channel, n, ms } of steps) {
        const [seat, worker] = [seats[index], workers[index]];
        if (seat === undefined || worker === undefined) continue;
        const key = { key: `${n}`, fingerprint: "request" };
        const known: Record<typeof what, (seat: NodeSeat<string>) => unknown> = {
          interest: (of) => of.interest(app, channel, n),
          publish: (of) =>
            of.publish(delivery({ app, channels: [channel], key: n > 0 ? key : undefined })),
          reserve: (of) => of.reserve([key, { key: `${ms % 3}`, fingerprint: "request" }]),
          release: (of) => of.release([key]),
          admit: (of) => of.admit(app),
          open: (of) => of.connectionOpened(app),
          close: (of) => of.connectionClosed(app),
          join: (of) => of.present(app, channel, connection(`${n}`)),
          drop: (of) => of.present(app, channel, { type: "leave", connection: `${n}` }),
          watch: (of) => of.watch(app, channel),
          unwatch: (of) => of.unwatch(app, channel),
          call: (of) => of.call(n + 1, "method", null),
          gather: (of) => of.gather("method", null),
          take: () => worker.take(),
          wait: () => clock.advance(ms),
          leave: (of) => of.leave(),
        };
        later(() => known[what](seat));
      }
      for (const seat of seats) seat.leave();
      await Promise.all(open);
      expect(node.workers).toEqual([]);
      expect(node.held).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    }),
    { numRuns: 300 },
  );
});
