import { expect, test } from "bun:test";
import { Counters } from "../../hub/counters.ts";
import { Hub } from "../../hub/hub.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeNetwork } from "../../testing/fake-network.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { Shadow } from "./shadow.ts";

test("a shadow that cannot have all channels leaves nothing behind", () => {
  const clock = new FakeClock();
  const apps = new Map([["default", { namespaces: new Map() }]]);
  const local = new LocalNode({ clock, apps });
  const counters = new Counters();
  const hub = new Hub({
    ...local.join(),
    fanout: new FakeNetwork(),
    clock,
    random: new SeededRandom(),
    counters,
    apps,
    slowConsumerBytes: 1_000,
    maxChannelsPerConnection: 1,
  });
  const channels = ["a", "b"];
  const connection = { id: "1", app: "default", user: undefined, channels, isRecoverable: false };
  const follower = { deliver: () => undefined, close: () => undefined };
  const before = local.node.held;
  expect(() => Shadow.of(connection, hub, follower)).toThrow("as many channels as one may be");
  expect(counters.connections).toBe(0);
  expect(local.node.held).toBe(before);
});
