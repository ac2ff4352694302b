import { describe, expect, test } from "bun:test";
import { DelayedBroker } from "../testing/delayed-broker.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { LocalNode } from "../testing/local-node.ts";
import { reached } from "../testing/published.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { plainFormat, TestSubscriber } from "../testing/test-subscriber.ts";
import { Counters } from "./counters.ts";
import { Expectations } from "./expectations.ts";
import { Hub } from "./hub.ts";
import type { AppConfig } from "./namespace.ts";

/** One of two workers; `heard` is how many subscribers the other believes it to have in a channel. */
function setUp({ maxChannels = 0, isDelayed = false } = {}) {
  const clock = new FakeClock();
  const apps = new Map<string, AppConfig>([["default", { namespaces: new Map(), maxChannels }]]);
  const local = new LocalNode({ clock, apps });
  const other = local.join().broker;
  const place = isDelayed
    ? local.place((node, id, handler) => DelayedBroker.join(node, id, handler))
    : local.join();
  const hub = new Hub({
    ...place,
    fanout: new FakeNetwork(100_000),
    clock,
    random: new SeededRandom(),
    counters: new Counters(),
    apps,
    slowConsumerBytes: 100_000,
    maxChannelsPerConnection: 10,
  });
  const join = (id: string) => {
    const subscriber = new TestSubscriber(id, undefined, plainFormat);
    hub.register(subscriber);
    return subscriber;
  };
  const heard = async (channel = "news") => {
    const publication = { app: "default", channel, event: "message", data: "x" };
    return other.publish({
      app: "default",
      channels: [channel],
      streams: [],
      publication,
      reached: 0,
    });
  };
  return { clock, hub, join, heard, place };
}

describe("a subscriber that is expected", () => {
  test("and does not come in ten seconds, counts until then", async () => {
    const { clock, hub, heard } = setUp();
    void hub.expect("default", "news");
    clock.advance(9_999);
    expect(await heard()).toEqual(reached(1));
    clock.advance(1);
    expect(await heard()).toEqual(reached(0));
    expect(clock.pendingTimers).toBe(0);
  });

  test("has ten seconds of its own, whoever was expected before", async () => {
    const { clock, hub, heard } = setUp();
    void hub.expect("default", "news");
    clock.advance(9_000);
    void hub.expect("default", "news");
    clock.advance(9_999);
    expect(await heard()).toEqual(reached(1));
    clock.advance(1);
    expect(await heard()).toEqual(reached(0));
  });

  test("misses nothing when the last of those who were there leaves meanwhile", async () => {
    const { clock, hub, join, heard } = setUp();
    const present = join("present");
    void hub.subscribe(present, "news");
    void hub.expect("default", "news");
    void hub.expect("default", "sport");
    hub.unregister(present);
    expect(await heard()).toEqual(reached(1));
    const coming = join("coming");
    void hub.subscribe(coming, "news");
    clock.advance(10_000);
    expect(await heard()).toEqual(reached(1));
    hub.unregister(coming);
    expect(await heard()).toEqual(reached(0));
  });

  test("and has come and gone, is expected no more", async () => {
    const { clock, hub, join, heard } = setUp();
    void hub.expect("default", "news");
    const subscriber = join("1");
    void hub.subscribe(subscriber, "news");
    hub.unsubscribe(subscriber, "news");
    expect(await heard()).toEqual(reached(0));
    expect(clock.pendingTimers).toBe(0);
  });

  test("does not keep the place of one who came when two are expected", async () => {
    const { clock, hub, join, heard } = setUp();
    for (let n = 0; n < 2; n++) void hub.expect("default", "news");
    const subscriber = join("1");
    void hub.subscribe(subscriber, "news");
    hub.unsubscribe(subscriber, "news");
    expect(await heard()).toEqual(reached(1));
    clock.advance(10_000);
    expect(await heard()).toEqual(reached(0));
  });

  test("and does not come, takes nothing from one who came", async () => {
    const { clock, hub, join, heard } = setUp();
    for (let n = 0; n < 2; n++) void hub.expect("default", "news");
    void hub.subscribe(join("1"), "news");
    clock.advance(10_000);
    expect(await heard()).toEqual(reached(1));
  });

  test("changes nothing of the number that are there", async () => {
    const { hub, join, heard } = setUp();
    for (const id of ["1", "2"]) void hub.subscribe(join(id), "news");
    void hub.expect("default", "news");
    expect(await heard()).toEqual(reached(2));
  });

  test("has a channel like any other: where there are as many as may be, it is refused", async () => {
    const { hub, heard } = setUp({ maxChannels: 1 });
    void hub.expect("default", "news");
    expect(() => hub.expect("default", "sport")).toThrow("as many channels");
    expect(await heard("sport")).toEqual(reached(0));
    expect(() => hub.expect("default", "news")).not.toThrow();
  });

  test("waits for the node although another was expected, or subscribed, before", () => {
    const { hub, join } = setUp({ isDelayed: true });
    expect(hub.expect("default", "news")).toBeInstanceOf(Promise);
    expect(hub.expect("default", "news")).toBeInstanceOf(Promise);
    const subscriber = join("1");
    expect(hub.subscribe(subscriber, "news")).toBeInstanceOf(Promise);
    expect(hub.subscribe(subscriber, "news")).toBeInstanceOf(Promise);
    expect(hub.expect("default", "news")).toBeInstanceOf(Promise);
  });
});

test("expectations of one channel are one entry, however many there are", () => {
  const clock = new FakeClock();
  const expired: string[] = [];
  const expectations = new Expectations(clock, (app, channel) => expired.push(`${app} ${channel}`));
  for (let n = 0; n < 100; n++) expectations.add("default", "news");
  expectations.meet("default", "sport");
  expectations.add("other", "news");
  expectations.meet("other", "news");
  expect([expectations.has("default", "news"), expectations.has("other", "news")]).toEqual([
    true,
    false,
  ]);
  clock.advance(10_000);
  expect(expired).toEqual(["default news"]);
  expect(expectations.has("default", "news")).toBe(false);
});
