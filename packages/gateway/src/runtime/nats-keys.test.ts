/** Deliveries with a key that do not reach all at first: made again, they are completed, and nobody has them twice. */

import { afterAll, expect, test } from "bun:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { read, stream } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import {
  ask,
  delivery,
  type Joined,
  join,
  refusal,
} from "@starling/core/broker/conformance/worker.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { LaggingLink } from "./testing/lagging-link.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";

const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

/** Channels of two streams, and some of none. */
function placeOf(_app: string, channel: string) {
  const [namespace = ""] = channel.split(":");
  return namespace === "plain" ? undefined : { namespace, size: 100, ttlMs: 60_000 };
}

/** Two nodes, one of them with two workers. */
async function mesh() {
  const clock = new FakeClock();
  const link = new LaggingLink();
  const shared = { server, prefix: ownPrefix(), settings, placeOf };
  const [here, there] = [
    new MeshNode({ ...shared, clock, connect: async () => link.over(await connectTo(server)) }),
    new MeshNode(shared),
  ];
  closing.push(
    () => here.close(),
    () => there.close(),
    () => link.release(),
  );
  const [first, neighbour, other] = [await join(here), await join(here), await join(there)];
  return { clock, link, here, there, first, neighbour, other, prefix: shared.prefix };
}

const key = { key: "caller\ndefault\nk", fingerprint: "request" };

/** As a publisher's request is made; answers whether the publisher's worker has delivered it to its own before. */
async function attempt(
  { broker }: Joined,
  channels: readonly string[],
  streams: readonly string[],
) {
  const [known] = await broker.reserve([key]);
  if (known !== undefined) return { isKnown: true, isRepeated: true, published: known };
  const isRepeated = broker.isDelivered(key);
  try {
    const published = await broker.publish(
      delivery("", "1", { channels, streams: streams.map((channel) => stream(channel)), key }),
    );
    return { isKnown: false, isRepeated, published };
  } catch (error) {
    broker.release([key]);
    throw error;
  }
}

const had = ({ received }: Joined) => received.map(({ channel }) => channel).toSorted();

test("what one stream refuses is completed by the next attempt, at another worker, and comes once in each channel", async () => {
  const { here, there, first, neighbour, other, prefix } = await mesh();
  const all = ["plain:a", "one:a", "two:a"];
  for (const { broker } of [first, neighbour, other]) {
    for (const channel of all) await broker.interest("default", channel, 1);
  }
  const backEnd = await connectTo(server);
  closing.push(() => backEnd.close());
  const { streams } = await jetstreamManager(backEnd, { checkAPI: false });
  const { config } = await streams.info(`${prefix}+default+two`);
  await streams.update(config.name, { ...config, max_msg_size: 1 });
  const refused = ask(() => attempt(first, ["plain:a"], ["one:a", "two:a"]));
  await here.settle();
  expect(refused.outcome).toEqual(refusal("broker_unavailable"));
  await streams.update(config.name, config);
  const again = await attempt(neighbour, ["plain:a"], ["one:a", "two:a"]);
  expect(again).toMatchObject({ isKnown: false, isRepeated: true });
  const third = await attempt(first, ["plain:a"], ["one:a", "two:a"]);
  expect(third).toEqual({ isKnown: true, isRepeated: true, published: again.published });
  await there.settle();
  await here.settle();
  expect(had(other)).toEqual(["one:a", "plain:a", "two:a"]);
  expect(had(neighbour)).toEqual(["one:a", "plain:a", "two:a"]);
  expect(had(first)).toEqual(["one:a", "two:a"]);
  for (const channel of ["one:a", "two:a"]) {
    const { entries, position } = await read(there, other, channel);
    expect(entries).toHaveLength(1);
    expect(again.published.positions).toContainEqual(position);
  }
});

test("what NATS has not confirmed in time comes once to other nodes when it is made again", async () => {
  const { clock, link, here, there, first, neighbour, other } = await mesh();
  for (const { broker } of [first, neighbour, other])
    await broker.interest("default", "plain:a", 1);
  link.hold();
  const unconfirmed = ask(() => attempt(first, ["plain:a"], []));
  await there.settle();
  clock.advance(5_000);
  await there.settle();
  expect(unconfirmed.outcome).toEqual(refusal("broker_unavailable"));
  link.release();
  const again = await attempt(neighbour, ["plain:a"], []);
  expect(again).toMatchObject({ isKnown: false, isRepeated: true });
  await here.settle();
  await there.settle();
  expect([had(other), had(neighbour), had(first)]).toEqual([["plain:a"], ["plain:a"], []]);
  expect((await attempt(first, ["plain:a"], [])).isKnown).toBe(true);
});

test("a key that was not reached at all is free again, and one of channels with history leaves nothing behind", async () => {
  const { here, there, first, other } = await mesh();
  const held = here.held();
  await first.broker.reserve([key]);
  expect(here.held()).toBeGreaterThan(held);
  first.broker.release([key]);
  expect(here.held()).toBe(held);
  await other.broker.interest("default", "one:a", 1);
  expect(await attempt(first, [], ["one:a"])).toMatchObject({ isRepeated: false });
  await there.settle();
  expect(had(other)).toEqual(["one:a"]);
  expect(here.held()).toBe(held);
});
