import { afterAll, expect, test } from "bun:test";
import { kept, read, seen } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { type Joined, join, RecordingWorker } from "@starling/core/broker/conformance/worker.ts";
import type { HistoryRequest } from "@starling/core/broker/stream.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { LaggingLink } from "./testing/lagging-link.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const PLACE = { namespace: "", size: 1_000, ttlMs: 60_000 };

const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

/** Two nodes, of which the second hears late what streams have kept. */
async function meshThatLags(place = PLACE) {
  const shared = { server, prefix: ownPrefix(), settings, placeOf: () => place };
  const link = new LaggingLink();
  const [publishing, late] = [
    new MeshNode(shared),
    new MeshNode({ ...shared, connect: async () => link.over(await connectTo(server)) }),
  ];
  closing.push(
    () => late.close(),
    () => publishing.close(),
    () => link.release(),
  );
  const [publisher, reader] = [await join(publishing), await join(late)];
  const publish = async (channel: string, texts: readonly string[]) => {
    const positions = [];
    for (const text of texts) {
      positions.push(...(await publisher.broker.publish(kept(channel, text))).positions);
    }
    return positions;
  };
  return { link, late, publisher, reader, publish, prefix: shared.prefix };
}

/** What a subscriber gets that begins with a page: the page, and what is delivered after its answer. */
async function begin({ broker, received }: Joined, channel: string, request: HistoryRequest) {
  const page = await broker.history("default", channel, request);
  const before = received.length;
  return { page, live: () => received.slice(before).map(({ data }) => data) };
}

test("what a page of a history holds does not come live after it", async () => {
  const { link, late, reader, publish } = await meshThatLags();
  await reader.broker.interest("default", "a", 1);
  const [since] = await publish("a", ["1"]);
  await late.settle();
  link.hold();
  await publish("a", ["2", "3"]);
  const { page, live } = await begin(reader, "a", { since, limit: 10 });
  expect(page.entries.map(({ content }) => content.data)).toEqual(["2", "3"]);
  link.release();
  await publish("a", ["4"]);
  await late.settle();
  expect(live()).toEqual(["4"]);
  expect(seen(reader).map(([, offset]) => offset)).toEqual([1, 2, 3, 4]);
});

test("what many come back to at once is read once", async () => {
  const { link, reader, publish } = await meshThatLags();
  const texts = Array.from({ length: 300 }, (_, index) => `${index}`);
  const [first] = await publish("a", texts);
  const before = link.messages;
  const since = first === undefined ? undefined : { ...first, offset: 0 };
  const all = Array.from({ length: 10 }, (_, offset) =>
    reader.broker.history("default", "a", { since: since && { ...since, offset }, limit: 400 }),
  );
  for (const [offset, page] of (await Promise.all(all)).entries()) {
    expect(page.entries.map(({ content }) => content.data)).toEqual(texts.slice(offset));
    expect(page.isComplete).toBe(true);
    expect(page.hasMore).toBe(false);
  }
  expect(link.messages - before).toBeLessThan(2 * texts.length);
});

test.each<[string, HistoryRequest]>([
  ["with the newest first", { newestFirst: true, limit: 1 }],
  ["with a part of it", { limit: 1 }],
])("nor where a subscriber begins %s", async (_name, request) => {
  const { link, late, reader, publish } = await meshThatLags();
  await reader.broker.interest("default", "a", 1);
  link.hold();
  await publish("a", ["1", "2"]);
  const { page, live } = await begin(reader, "a", request);
  expect(page.position.offset).toBe(2);
  link.release();
  await publish("a", ["3"]);
  await late.settle();
  expect(live()).toEqual(["3"]);
});

test("who wants nothing of the history gets whatever lies behind its position, once", async () => {
  const { link, late, reader, publish } = await meshThatLags();
  await reader.broker.interest("default", "a", 1);
  await publish("a", ["1"]);
  await late.settle();
  const first = await begin(reader, "a", { limit: 0 });
  expect(first.page.position.offset).toBe(1);
  await publish("other", ["2"]);
  expect((await begin(reader, "a", { limit: 0 })).page.position.offset).toBe(2);
  link.hold();
  await publish("a", ["3", "4"]);
  const { page, live } = await begin(reader, "a", { limit: 0 });
  expect(page.position.offset).toBeLessThan(3);
  link.release();
  await publish("a", ["5"]);
  await late.settle();
  expect(live()).toEqual(["3", "4", "5"]);
});

test("a client that knows more than the worker it comes to gets nothing twice", async () => {
  const { link, late, reader, publish } = await meshThatLags();
  await reader.broker.interest("default", "a", 1);
  link.hold();
  const since = (await publish("a", ["1", "2"])).at(-1);
  const { page, live } = await begin(reader, "a", { since, limit: 10 });
  expect(page).toMatchObject({ entries: [], isComplete: true, position: { offset: 2 } });
  link.release();
  await publish("a", ["3"]);
  await late.settle();
  expect(live()).toEqual(["3"]);
});

test("what others publish in the stream holds up nobody", async () => {
  const { link, reader, publish } = await meshThatLags();
  await reader.broker.interest("default", "quiet", 1);
  const [since] = await publish("quiet", ["1"]);
  link.hold();
  await publish("busy", ["2", "3"]);
  const { page } = await begin(reader, "quiet", { since, limit: 10 });
  expect(page).toMatchObject({ entries: [], isComplete: true, position: { offset: 3 } });
});

test("publications behind messages that are none are reached", async () => {
  const { late, reader, publish, prefix } = await meshThatLags();
  const backEnd = await connectTo(server);
  closing.push(() => backEnd.close());
  const [since] = await publish("a", ["1"]);
  for (let n = 0; n < 25; n++) await backEnd.request(`${prefix}.kept.default.=.a`, "no JSON");
  await publish("a", ["2"]);
  const page = await read(late, reader, "a", { since, limit: 10 });
  expect(page).toMatchObject({ isComplete: true, hasMore: false });
  expect(page.entries.map(({ content }) => content.data)).toEqual(["2"]);
});

const CHANNELS = ["a", "b", "c"];
/** So many that they are read together. */
const MANY = Array.from({ length: 30 }, (_, n) => `c${n}`);

test.each([
  ["few", CHANNELS],
  ["many", MANY],
])(
  "what was published in %s channels while the link was down is read from the stream, in order and once",
  async (_name, channels) => {
    const { link, late, reader, publish } = await meshThatLags();
    for (const channel of channels) await reader.broker.interest("default", channel, 1);
    link.hold();
    for (const text of ["1", "2"]) for (const channel of channels) await publish(channel, [text]);
    await link.break();
    await until(() => reader.received.length === 2 * channels.length);
    link.release();
    for (const channel of channels) await publish(channel, ["3"]);
    await until(() => reader.received.length >= 3 * channels.length);
    await late.settle();
    const expected = ["1", "2", "3"].flatMap((text) => channels.map((channel) => [channel, text]));
    expect(seen(reader).map(([channel, , text]) => [channel, text])).toEqual(expected);
    expect(reader.missedCalls).toBe(0);
  },
);

test.each([
  ["few", CHANNELS],
  ["many", MANY],
])(
  "where it is not all there any more in %s channels their subscribers are told, all at a time",
  async (_name, channels) => {
    const { link, reader, publish } = await meshThatLags({ ...PLACE, size: 1 });
    for (const channel of [...channels, "d"]) await reader.broker.interest("default", channel, 1);
    link.hold();
    for (const channel of channels) await publish(channel, ["1", "2", "3", "4"]);
    await publish("d", ["1"]);
    await link.break();
    await until(() => reader.received.some(({ channel }) => channel === "d"));
    expect(
      reader.missedIn.map((concerns) =>
        [...channels, "d"].filter((channel) => concerns?.("default", channel)),
      ),
    ).toEqual([channels]);
  },
);

test.each<[string, typeof PLACE | undefined]>([
  ["without history", undefined],
  ["with history", PLACE],
])("who subscribed in a channel %s before NATS was reached is told", async (_name, place) => {
  const away = Promise.withResolvers<void>();
  const node = new MeshNode({
    ...{ server, prefix: ownPrefix(), settings, placeOf: () => place },
    connect: async () => {
      await away.promise;
      return connectTo(server);
    },
  });
  closing.push(() => node.close());
  const worker = new RecordingWorker();
  const broker = node.start(worker);
  await broker.interest("default", "a", 1);
  expect(worker.missedCalls).toBe(0);
  away.resolve();
  await broker.reached();
  await until(() => worker.missedCalls === 1);
  expect(worker.missedIn.map((concerns) => concerns?.("default", "a"))).toEqual([true]);
});
