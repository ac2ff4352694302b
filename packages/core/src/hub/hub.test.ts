import { describe, expect, spyOn, test } from "bun:test";
import { atOnce } from "../testing/at-once.ts";
import { disconnected } from "../testing/disconnected.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { LocalNode } from "../testing/local-node.ts";
import { reached } from "../testing/published.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { plainFormat, TestSubscriber } from "../testing/test-subscriber.ts";
import { Counters } from "./counters.ts";
import { Hub } from "./hub.ts";
import type { AppConfig, NamespaceConfig } from "./namespace.ts";
import type { Publication } from "./publication.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";

const otherFormat: WireFormat = { id: "other", encode: ({ data }) => [`<${data}>`] };

const volatileNamespace: NamespaceConfig = {
  subscribe: "anyone",
  publish: "anyone",
  volatile: true,
};

function setUp(maxChannelsPerConnection = 10, socketLimit = 100) {
  const clock = new FakeClock();
  const network = new FakeNetwork(socketLimit);
  const counters = new Counters();
  const apps = new Map<string, AppConfig>([
    ["default", { namespaces: new Map([["cursor", volatileNamespace]]) }],
    ["shop", { namespaces: new Map() }],
  ]);
  const hub = new Hub({
    ...LocalNode.alone({ clock, apps }),
    fanout: network,
    clock,
    random: new SeededRandom(),
    counters,
    apps,
    slowConsumerBytes: 100,
    maxChannelsPerConnection,
  });
  const join = (subscriber: TestSubscriber, ...channels: string[]): TestSubscriber => {
    hub.register(subscriber);
    for (const channel of channels) void hub.subscribe(subscriber, channel);
    return subscriber;
  };
  const publish = (said: Publication, except?: Subscriber) => atOnce(hub.publish(said, except));
  const channels = () => atOnce(hub.channels("default", { prefix: "", limit: 100 })).channels;
  return { clock, network, counters, hub, join, publish, channels };
}

function publication(channel: string, data: string): Publication {
  return { app: "default", channel, event: "message", data };
}

describe("delivery", () => {
  test("reaches every subscriber of the channel and nobody else, encoded once", () => {
    const { network, join, publish } = setUp();
    const encode = spyOn(plainFormat, "encode");
    const sockets = [network.socket(), network.socket(), network.socket()] as const;
    join(new TestSubscriber("a", sockets[0]), "news");
    join(new TestSubscriber("b", sockets[1]), "news", "sport");
    join(new TestSubscriber("c", sockets[2]), "sport");
    expect(publish(publication("news", "1"))).toEqual(reached(2));
    expect(sockets.map((socket) => socket.received)).toEqual([["1"], ["1"], []]);
    expect(encode).toHaveBeenCalledTimes(1);
    encode.mockRestore();
  });

  test("hands frames one by one to subscribers without a socket", () => {
    const { network, join, publish } = setUp();
    const socket = network.socket();
    const polling = join(new TestSubscriber("p"), "news");
    join(new TestSubscriber("s", socket), "news");
    const attachment = new Uint8Array([1]);
    publish({ ...publication("news", "1"), attachments: [attachment] });
    expect(polling.delivered).toEqual(["1", attachment]);
    expect(socket.received).toEqual(["1", attachment]);
  });

  test("encodes once for each wire format of the channel", () => {
    const { network, join, publish } = setUp();
    const [plain, other] = [network.socket(), network.socket()];
    join(new TestSubscriber("a", plain), "news");
    join(new TestSubscriber("b", other, otherFormat), "news");
    expect(publish(publication("news", "1"))).toEqual(reached(2));
    expect(plain.received).toEqual(["1"]);
    expect(other.received).toEqual(["<1>"]);
  });

  test("moves to the native topic when a subscriber gets a socket, in order and without doubles", () => {
    const { network, hub, join, publish } = setUp();
    const subscriber = join(new TestSubscriber("p"), "news");
    publish(publication("news", "1"));
    const socket = network.socket();
    subscriber.socket = socket;
    hub.attach(subscriber, socket);
    publish(publication("news", "2"));
    expect(subscriber.delivered).toEqual(["1"]);
    expect(socket.received).toEqual(["2"]);
  });

  test("ends with unsubscribing and with unregistering, and leaves no channel behind", () => {
    const { network, hub, join, counters, publish, channels } = setUp();
    const [a, b] = [network.socket(), network.socket()];
    const first = join(new TestSubscriber("a", a), "news");
    const second = join(new TestSubscriber("b", b), "news", "sport");
    expect(hub.unsubscribe(first, "news")).toBe(true);
    expect(hub.unsubscribe(first, "news")).toBe(false);
    hub.unregister(second);
    expect(publish(publication("news", "1"))).toEqual(reached(0));
    expect([a.received, b.received]).toEqual([[], []]);
    expect(channels()).toEqual([]);
    expect(counters.connections).toBe(1);
  });

  test("keeps apps apart", () => {
    const { network, join, publish } = setUp();
    const socket = network.socket();
    join(new TestSubscriber("a", socket), "news");
    expect(publish({ ...publication("news", "1"), app: "shop" })).toEqual(reached(0));
    expect(() => publish({ ...publication("news", "1"), app: "nowhere" })).toThrow("no such app");
    expect(socket.received).toEqual([]);
  });
});

describe("delivery but to the sender", () => {
  test("reaches every other subscriber, whether they have sockets or poll", () => {
    const { network, join, publish } = setUp();
    const sockets = [network.socket(), network.socket(), network.socket()] as const;
    const sender = join(new TestSubscriber("a", sockets[0]), "news");
    join(new TestSubscriber("b", sockets[1]), "news");
    join(new TestSubscriber("c", sockets[2], otherFormat), "news");
    const polling = join(new TestSubscriber("p"), "news");
    expect(publish(publication("news", "1"), sender)).toEqual(reached(3));
    expect(publish(publication("news", "2"), polling)).toEqual(reached(3));
    expect(sockets.map((socket) => socket.received)).toEqual([["2"], ["1", "2"], ["<1>", "<2>"]]);
    expect(polling.delivered).toEqual(["1"]);
  });

  test("is a delivery to nobody where the sender is alone, and cuts nobody", () => {
    const { network, join, publish } = setUp();
    const socket = network.socket();
    const sender = join(new TestSubscriber("a", socket), "news");
    expect(publish(publication("news", "1"), sender)).toEqual(reached(0));
    const polling = join(new TestSubscriber("p"), "news");
    expect(publish(publication("news", "2"), sender)).toEqual(reached(1));
    expect(socket.received).toEqual([]);
    expect(polling.delivered).toEqual(["2"]);
    expect(sender.cut).toBe(0);
  });

  test("by one who is not subscribed reaches everybody", () => {
    const { network, join, publish } = setUp();
    const socket = network.socket();
    join(new TestSubscriber("a", socket), "news");
    const outsider = join(new TestSubscriber("o", network.socket()));
    expect(publish(publication("news", "1"), outsider)).toEqual(reached(1));
    expect(socket.received).toEqual(["1"]);
  });

  test("of a frame of one protocol reaches its subscribers alone", () => {
    const { network, hub, join } = setUp();
    const [plain, other] = [network.socket(), network.socket()];
    join(new TestSubscriber("a", plain), "news");
    join(new TestSubscriber("b", other, otherFormat), "news");
    hub.relay("default", "news", otherFormat, "state");
    expect([plain.received, other.received]).toEqual([[], ["state"]]);
  });
});

describe("subscribing", () => {
  test("twice counts once", () => {
    const { network, join, channels } = setUp();
    join(new TestSubscriber("a", network.socket()), "news", "news");
    expect(channels()).toEqual([{ channel: "news", subscribers: 1 }]);
  });

  test("to more channels than allowed is refused and leaves no empty channel", () => {
    const { network, hub, join, channels } = setUp(2);
    const subscriber = join(new TestSubscriber("a", network.socket()), "1", "2");
    expect(() => hub.subscribe(subscriber, "3")).toThrow("as many channels");
    expect(channels().map(({ channel }) => channel)).toEqual(["1", "2"]);
    expect(() => hub.subscribe(subscriber, "2")).not.toThrow();
  });
});

describe("a slow consumer", () => {
  test("is cut when it loses a frame, and nobody else is", () => {
    const { network, join, publish } = setUp();
    const [slowSocket, fastSocket] = [network.socket(), network.socket()];
    const slow = join(new TestSubscriber("slow", slowSocket), "news");
    const fast = join(new TestSubscriber("fast", fastSocket), "news");
    slowSocket.pause();
    for (let count = 0; count < 12; count++) publish(publication("news", "0123456789"));
    expect(slow.cut).toBe(1);
    expect(fast.cut).toBe(0);
    expect(fastSocket.received.length).toBe(12);
  });

  test("is cut before it loses anything, once the turn in which it fell behind is over", () => {
    const { clock, network, join, publish } = setUp(10, 100_000);
    const [slowSocket, behindSocket] = [network.socket(), network.socket()];
    const slow = join(new TestSubscriber("slow", slowSocket), "news", "more");
    const behind = join(new TestSubscriber("behind", behindSocket), "news");
    join(new TestSubscriber("fast", network.socket()), "news", "more");
    slowSocket.pause();
    behindSocket.pause();
    for (let count = 0; count < 8; count++) publish(publication("news", "0123456789"));
    clock.advance(0);
    expect(slow.cut).toBe(0);
    for (let count = 0; count < 8; count++) publish(publication("more", "0123456789"));
    expect(slow.cut).toBe(0);
    clock.advance(0);
    expect(slow.cut).toBe(1);
    expect(behind.cut).toBe(0);
    expect(slowSocket.buffered.length).toBe(16);
    expect(clock.pendingTimers).toBe(0);
  });

  test("that is only behind, within the limit, is left alone", () => {
    const { network, join, publish } = setUp();
    const socket = network.socket();
    const subscriber = join(new TestSubscriber("a", socket), "news");
    socket.pause();
    for (let count = 0; count < 10; count++) publish(publication("news", "0123456789"));
    socket.resume();
    expect(subscriber.cut).toBe(0);
    expect(socket.received.length).toBe(10);
  });
});

describe("a volatile namespace", () => {
  test("passes over whoever is not ready, counts that, and loses nothing for the others", () => {
    const { network, join, counters, publish } = setUp();
    const [behind, ready] = [network.socket(), network.socket()];
    join(new TestSubscriber("behind", behind), "cursor:1");
    join(new TestSubscriber("ready", ready), "cursor:1");
    behind.pause();
    for (const data of ["1", "2", "3"]) publish(publication("cursor:1", data));
    expect(behind.buffered).toEqual(["1"]);
    expect(ready.received).toEqual(["1", "2", "3"]);
    expect(counters.volatileDrops).toBe(2);
    behind.resume();
    for (const data of ["4", "5"]) publish(publication("cursor:1", data));
    expect(behind.received).toEqual(["1", "4", "5"]);
  });

  test("keeps nothing for a polling subscriber without a waiting request", () => {
    const { join, publish } = setUp();
    const subscriber = join(new TestSubscriber("p"), "cursor:1");
    publish(publication("cursor:1", "1"));
    subscriber.isPollWaiting = true;
    publish(publication("cursor:1", "2"));
    expect(subscriber.delivered).toEqual(["2"]);
  });
});

describe("disconnecting", () => {
  test("by user ends every connection of that user in that app", () => {
    const { network, hub, join } = setUp();
    const [a1, a2, b] = ["a", "a", "b"].map((user, index) =>
      join(new TestSubscriber(`${index}`, network.socket(), plainFormat, user)),
    );
    expect(hub.disconnect("default", { user: "a" })).toEqual(disconnected(2));
    expect(hub.disconnect("shop", { user: "b" })).toEqual(disconnected(0));
    expect([a1, a2, b].map((each) => each?.disconnectedFor)).toEqual([
      "disconnected_by_publisher",
      "disconnected_by_publisher",
      undefined,
    ]);
  });

  test("by connection ends that one alone", () => {
    const { network, hub, join } = setUp();
    const [first, second] = ["1", "2"].map((id) => join(new TestSubscriber(id, network.socket())));
    expect(hub.disconnect("default", { connection: "2" })).toEqual(disconnected(1));
    expect(hub.disconnect("default", { connection: "3" })).toEqual(disconnected(0));
    expect(first?.disconnectedFor).toBeUndefined();
    expect(second?.disconnectedFor).toBe("disconnected_by_publisher");
  });
});

describe("native topics", () => {
  const topic = "plain:default:news";

  test("are made for the second socket, left by who leaves, and gone with the last", () => {
    const { network, hub, join, publish } = setUp();
    const [a, b, c] = ["a", "b", "c"].map((id) =>
      join(new TestSubscriber(id, network.socket()), "news"),
    );
    expect(network.topic(topic).size).toBe(3);
    for (const subscriber of [a, b]) if (subscriber) hub.unsubscribe(subscriber, "news");
    expect(network.topic(topic).size).toBe(1);
    if (c) hub.unsubscribe(c, "news");
    expect(network.topic(topic).size).toBe(0);
    const lone = network.socket();
    join(new TestSubscriber("d", lone), "news");
    expect(network.topic(topic).size).toBe(0);
    expect(publish(publication("news", "1"))).toEqual(reached(1));
    expect(lone.received).toEqual(["1"]);
  });

  test("do not mix the channels of two apps, or of two formats", () => {
    const { network, join, publish } = setUp();
    const sockets = Array.from({ length: 4 }, () => network.socket());
    sockets.forEach((socket, index) => {
      const subscriber = new TestSubscriber(`${index}`, socket);
      if (index >= 2) Object.assign(subscriber, { app: "shop" });
      join(subscriber, "news");
    });
    expect(publish(publication("news", "1"))).toEqual(reached(2));
    expect(sockets.map(({ received }) => received.length)).toEqual([1, 1, 0, 0]);
  });

  test("leave out who polls, and take it in when it gets a socket", () => {
    const { network, hub, join, publish } = setUp();
    const sockets = [network.socket(), network.socket(), network.socket()] as const;
    const polling = join(new TestSubscriber("p"), "news");
    join(new TestSubscriber("a", sockets[0]), "news");
    join(new TestSubscriber("b", sockets[1]), "news");
    publish(publication("news", "1"));
    polling.socket = sockets[2];
    hub.attach(polling, sockets[2]);
    hub.attach(polling, sockets[2]);
    publish(publication("news", "2"));
    expect(polling.delivered).toEqual(["1"]);
    expect(sockets.map(({ received }) => received)).toEqual([["1", "2"], ["1", "2"], ["2"]]);
    hub.unregister(polling);
    expect(publish(publication("news", "3"))).toEqual(reached(2));
    expect(sockets[2].received).toEqual(["2"]);
  });
});

test("publications and deliveries are counted, those to nobody and to polling clients, too", () => {
  const { network, join, counters, publish } = setUp();
  publish(publication("news", "1"));
  join(new TestSubscriber("p"), "news");
  join(new TestSubscriber("s", network.socket()), "news");
  publish(publication("news", "2"));
  expect([counters.publications, counters.deliveries]).toEqual([2, 2]);
});

test("a channel is there until its last subscriber has left", () => {
  const { network, hub, join, channels } = setUp();
  const first = join(new TestSubscriber("a", network.socket()), "news");
  const second = join(new TestSubscriber("b", network.socket(), otherFormat), "news");
  expect(channels()).toEqual([{ channel: "news", subscribers: 2 }]);
  hub.unregister(first);
  expect(channels()).toEqual([{ channel: "news", subscribers: 1 }]);
  hub.unregister(second);
  expect(channels()).toEqual([]);
});
