import { expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { LocalNode } from "../testing/local-node.ts";
import { TestSubscriber } from "../testing/test-subscriber.ts";
import { Channels } from "./channels.ts";
import { Counters } from "./counters.ts";
import type { AppConfig, NamespaceConfig } from "./namespace.ts";
import { Publishing } from "./publishing.ts";
import { Recoveries } from "./recoveries.ts";

function setUp() {
  const clock = new FakeClock();
  const history = { size: 9, ttlMs: 1_000 };
  const kept: NamespaceConfig = {
    subscribe: "anyone",
    publish: "anyone",
    volatile: false,
    history,
  };
  const namespaces = new Map([["kept", kept]]);
  const apps = new Map<string, AppConfig>([["default", { namespaces }]]);
  const { broker } = LocalNode.alone({ clock, apps });
  const channels = new Channels({ clock, broker, apps });
  const counters = new Counters();
  const recoveries = new Recoveries({ clock, counters, broker, apps, channels, maxBytes: 1_000 });
  const publishing = new Publishing({
    fanout: new FakeNetwork(),
    clock,
    broker,
    apps,
    counters,
    slowConsumerBytes: 1_000,
    channels,
    recoveries,
  });
  return { apps, broker, channels, publishing };
}

const said = (channel: string) => ({ app: "default", channel, event: "e", data: "1" });

test("senders are remembered where they might hear themselves, and while they are registered", () => {
  const { publishing } = setUp();
  const subscriber = new TestSubscriber("s");
  const begin = (channel: string) => publishing.begin(said(channel), [channel], subscriber);
  expect(begin("kept:a").publication.sender).toBe("s");
  expect(publishing.senders).toBe(0);
  subscriber.bagIndex = 0;
  expect(begin("plain").publication.sender).toBeUndefined();
  expect(publishing.senders).toBe(0);
  begin("kept:a");
  begin("kept:b");
  expect(publishing.senders).toBe(1);
  publishing.forget(subscriber);
  expect(publishing.senders).toBe(0);
});

test("own subscribers do not get again what they had in an earlier attempt", () => {
  const { broker, channels, publishing } = setUp();
  const subscriber = new TestSubscriber("s");
  void channels.join(channels.open("default", "plain"), subscriber, subscriber.format);
  const key = { key: "k", fingerprint: "request" };
  const begin = () => publishing.begin(said("plain"), ["plain"], undefined, key);
  expect(begin()).toMatchObject({ channels: ["plain"], reached: 1 });
  Object.assign(broker, { isDelivered: (of: unknown) => of === key });
  expect(begin()).toMatchObject({ channels: ["plain"], reached: 0 });
});
