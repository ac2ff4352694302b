import { describe, expect, test } from "bun:test";
import { DelayedBroker } from "../testing/delayed-broker.ts";
import { disconnected } from "../testing/disconnected.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { LocalNode } from "../testing/local-node.ts";
import { reached } from "../testing/published.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { plainFormat, TestSubscriber } from "../testing/test-subscriber.ts";
import { Counters } from "./counters.ts";
import { Hub } from "./hub.ts";
import type { AppConfig } from "./namespace.ts";
import type { Publication } from "./publication.ts";
import type { Frame } from "./subscriber.ts";

/** The hubs of two workers of one node. */
function setUp(limits: Omit<AppConfig, "namespaces"> = {}) {
  const clock = new FakeClock();
  const apps = new Map<string, AppConfig>([["default", { namespaces: new Map(), ...limits }]]);
  const local = new LocalNode({ clock, apps });
  const worker = (place = local.join()) => {
    const counters = new Counters();
    const network = new FakeNetwork(100_000);
    const hub = new Hub({
      ...place,
      fanout: network,
      clock,
      random: new SeededRandom(),
      counters,
      apps,
      slowConsumerBytes: 100_000,
      maxChannelsPerConnection: 10,
    });
    const join = (id: string, ...channels: string[]) => {
      const socket = network.socket();
      const subscriber = new TestSubscriber(id, socket, plainFormat, `user of ${id}`);
      hub.register(subscriber);
      for (const channel of channels) void hub.subscribe(subscriber, channel);
      return { subscriber, received: socket.received };
    };
    return { ...place, hub, counters, join };
  };
  return { clock, local, worker, a: worker(), b: worker() };
}

const publication = (channel: string, data: string): Publication => ({
  app: "default",
  channel,
  event: "message",
  data,
});

describe("a connection", () => {
  test("is told to the node by its id, where its app wants that", () => {
    const told: string[] = [];
    const { a, b } = setUp({ tellsConnections: true });
    for (const { broker } of [a, b]) {
      broker.connected = (app, id, user) => told.push(`+ ${app} ${id} ${user}`);
      broker.disconnected = (app, id) => told.push(`- ${app} ${id}`);
    }
    const { subscriber } = a.join("1", "news");
    b.join("2");
    a.hub.unregister(subscriber);
    a.hub.unregister(subscriber);
    expect(told).toEqual(["+ default 1 user of 1", "+ default 2 user of 2", "- default 1"]);
  });

  test("costs the node nothing elsewhere", () => {
    const { a, local } = setUp();
    const { held } = local.node;
    const { subscriber } = a.join("1");
    expect(local.node.held).toBe(held);
    a.hub.unregister(subscriber);
  });
});

describe("a publication", () => {
  test("reaches the subscribers of all workers, and counts them all", async () => {
    const { a, b } = setUp();
    const [first, second, third] = [a.join("1", "news"), b.join("2", "news"), b.join("3", "news")];
    expect(await a.hub.publish(publication("news", "x"))).toEqual(reached(3));
    b.hub.publishUnanswered(publication("news", "y"));
    for (const { received } of [first, second, third]) expect(received).toEqual(["x", "y"]);
    expect([a.counters, b.counters].map(({ publications }) => publications)).toEqual([1, 1]);
    expect([a.counters, b.counters].map(({ deliveries }) => deliveries)).toEqual([2, 4]);
  });

  test("reaches everybody but its sender", async () => {
    const { a, b } = setUp();
    const [sender, neighbour, far] = [
      a.join("1", "news"),
      a.join("2", "news"),
      b.join("3", "news"),
    ];
    expect(await a.hub.publish(publication("news", "x"), sender.subscriber)).toEqual(reached(2));
    expect([sender, neighbour, far].map(({ received }) => received)).toEqual([[], ["x"], ["x"]]);
  });

  test("is not sent to workers without subscribers, also once these have left", async () => {
    const { local, a, b } = setUp();
    const far = b.join("1", "news");
    b.hub.unsubscribe(far.subscriber, "news");
    b.hub.unregister(b.join("2", "news").subscriber);
    expect(await a.hub.publish(publication("news", "x"))).toEqual(reached(0));
    expect(local.node.counters.handovers).toBe(0);
    expect(far.received).toEqual([]);
  });

  test("in several channels goes to each worker once, with one id in all of them", async () => {
    const { local, a, b } = setUp();
    a.join("1", "a", "b");
    const ids: (number | undefined)[] = [];
    const delivered: Frame[] = [];
    const polling = new TestSubscriber("2");
    Object.assign(polling, {
      deliver(frames: readonly Frame[], id?: number) {
        delivered.push(...frames);
        ids.push(id);
      },
    });
    b.hub.register(polling);
    for (const channel of ["b", "c"]) void b.hub.subscribe(polling, channel);
    expect(await a.hub.broadcast(publication("a", "x"), ["a", "b", "c"])).toEqual(reached(4));
    expect(delivered).toEqual(["x", "x"]);
    expect(local.node.counters.handovers).toBe(1);
    expect(ids).toEqual([expect.any(Number), ids[0]]);
    await a.hub.publish(publication("b", "y"));
    expect(ids[2]).not.toBe(ids[0]);
  });

  test("reaches its own worker at once, whatever the others take", () => {
    const { local, worker } = setUp();
    const place = local.place((node, id, handler) => DelayedBroker.join(node, id, handler));
    const far = worker(place);
    const own = far.join("1", "news");
    expect(far.hub.publish(publication("news", "x"))).toBeInstanceOf(Promise);
    expect(own.received).toEqual(["x"]);
  });
});

describe("limits hold for all workers together:", () => {
  test("connections, those that are about to be included", async () => {
    const { clock, a, b } = setUp({ maxConnections: 2 });
    await a.hub.admit("default");
    const first = a.join("1");
    await b.hub.admit("default");
    expect(() => a.hub.admit("default")).toThrow("as many connections");
    clock.advance(10_000);
    await b.hub.admit("default");
    b.join("2");
    expect(() => a.hub.admit("default")).toThrow("as many connections");
    a.hub.unregister(first.subscriber);
    await b.hub.admit("default");
    expect(() => a.hub.admit("default")).toThrow("as many connections");
    expect(() => b.hub.admit("nowhere")).toThrow("no such app");
  });

  test("channels, but for those that are there on another worker", () => {
    const { a, b } = setUp({ maxChannels: 1 });
    a.join("1", "news");
    const { subscriber } = b.join("2", "news");
    expect(() => b.hub.subscribe(subscriber, "sport")).toThrow("as many channels");
    expect(() => b.hub.requireChannel("default", "news")).not.toThrow();
    expect(() => b.hub.requireChannel("default", "sport")).toThrow("as many channels");
  });
});

test("a user is disconnected wherever they are, a connection where it is", async () => {
  const { a, b } = setUp();
  const [first, second, other] = [a.join("1"), b.join("1"), b.join("2")];
  expect(await a.hub.disconnect("default", { user: "user of 1" })).toEqual(disconnected(2));
  expect(await a.hub.disconnect("default", { connection: "2" })).toEqual(disconnected(1));
  expect(await b.hub.disconnect("default", { connection: "2" })).toEqual(disconnected(1));
  for (const { subscriber } of [first, second, other]) {
    expect(subscriber.disconnectedFor).toBe("disconnected_by_publisher");
  }
});

describe("a user who is banned", () => {
  const HOUR = 3_600_000;

  test("is disconnected from all workers, and gets in again when the ban ends or is lifted", async () => {
    const { clock, a, b } = setUp();
    const [here, there, other] = [a.join("1"), b.join("1"), b.join("2")];
    await a.hub.ban("default", "user of 1", clock.now() + HOUR);
    for (const { subscriber } of [here, there]) {
      expect(subscriber.disconnectedFor).toBe("disconnected_by_publisher");
    }
    expect(other.subscriber.disconnectedFor).toBeUndefined();
    for (const { hub } of [a, b]) {
      expect(() => hub.admit("default", "user of 1")).toThrow("banned");
      expect(() => hub.admit("default", "user of 2")).not.toThrow();
      expect(() => hub.admit("default")).not.toThrow();
    }
    await b.hub.ban("default", "user of 1", 0);
    for (const { hub } of [a, b]) expect(() => hub.admit("default", "user of 1")).not.toThrow();
    await a.hub.ban("default", "user of 2", clock.now() + HOUR);
    clock.advance(HOUR);
    for (const { hub } of [a, b]) expect(() => hub.admit("default", "user of 2")).not.toThrow();
  });

  test("does not stay where the ban came between being let in and being there", async () => {
    const { clock, a, b } = setUp();
    await a.hub.admit("default", "user of 1");
    await b.hub.ban("default", "user of 1", clock.now() + HOUR);
    const { subscriber } = a.join("1");
    clock.advance(0);
    expect(subscriber.disconnectedFor).toBe("disconnected_by_publisher");
  });

  test("is known to a worker that starts later, and to one that has missed something", async () => {
    const { clock, local, worker, a } = setUp();
    for (let id = 1; id <= 2_100; id++) {
      await a.hub.ban("default", `user of ${id}`, clock.now() + HOUR);
    }
    const late = worker();
    await late.hub.prepare();
    expect(late.hub.bans("default")).toHaveLength(2_100);
    expect(() => late.hub.admit("default", "user of 1")).toThrow("banned");
    const deaf = worker(local.join());
    expect(() => deaf.hub.admit("default", "user of 1")).not.toThrow();
    deaf.handlers.missed();
    expect(() => deaf.hub.admit("default", "user of 1")).toThrow("banned");
  });
});

test("channels of all workers are listed, with all their subscribers", async () => {
  const { a, b } = setUp();
  a.join("1", "news", "sport");
  b.join("2", "news", "weather");
  const page = { prefix: "", limit: 2 };
  expect(await b.hub.channels("default", page)).toEqual({
    channels: [
      { channel: "news", subscribers: 2 },
      { channel: "sport", subscribers: 1 },
    ],
    next: "sport",
  });
  expect(await b.hub.channels("default", { ...page, cursor: "sport" })).toEqual({
    channels: [{ channel: "weather", subscribers: 1 }],
    next: null,
  });
});

test("who may have missed something is closed within five seconds, and nobody else", () => {
  const { clock, a } = setUp();
  const listening = Array.from({ length: 50 }, (_, index) => a.join(`${index}`, "news").subscriber);
  const [idle, later] = [a.join("idle").subscriber, () => a.join("later", "news").subscriber];
  a.handlers.missed();
  const newcomer = later();
  clock.advance(5_000);
  expect(new Set(listening.map(({ closedFor }) => closedFor))).toEqual(
    new Set(["messages_missed"]),
  );
  expect([idle.closedFor, newcomer.closedFor]).toEqual([undefined, undefined]);
});

test("a worker that is gone has no subscribers any more", async () => {
  const { a, b } = setUp();
  a.join("1", "news");
  b.join("2", "news", "sport");
  b.broker.leave();
  expect(await a.hub.publish(publication("news", "x"))).toEqual(reached(1));
  expect(await a.hub.channels("default", { prefix: "", limit: 9 })).toMatchObject({
    channels: [{ channel: "news", subscribers: 1 }],
  });
});
