import { expect, test } from "bun:test";
import type { Member } from "../hub/member.ts";
import type { Publication } from "../hub/publication.ts";
import { disconnected } from "../testing/disconnected.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { reached } from "../testing/published.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { settings } from "./conformance/settings.ts";
import { delivery, RecordingWorker } from "./conformance/worker.ts";
import { publicationHolding } from "./holdings.ts";
import { LocalBroker } from "./local.ts";
import { Node } from "./node.ts";

const newNode = () =>
  new Node<Publication>(
    { ...settings, clock: new FakeClock(), random: new SeededRandom() },
    publicationHolding,
  );

test("a worker that is the whole node is answered at once, and needs no ids", () => {
  const worker = new RecordingWorker();
  const broker = new LocalBroker(newNode(), 0, worker, { isAlone: true });
  const key = { key: "k", fingerprint: "request" };
  expect(broker.needsIds).toBe(false);
  void broker.interest("default", "a", 3);
  expect(broker.reserve([key])).toEqual([undefined]);
  expect(broker.publish(delivery("a", "1", { reached: 3, key }))).toEqual(reached(3));
  expect(broker.reserve([key])).toEqual([reached(3)]);
  broker.publishUnanswered(delivery("a", "2"));
  expect(worker.received).toEqual([]);
  expect(broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([
    { channel: "a", subscribers: 3 },
  ]);
  expect(broker.disconnect("default", { user: "u" })).toEqual(disconnected(0));
  expect(broker.watch("default", "a")).toEqual([]);
  expect(() => {
    for (let n = 0; n < 4; n++) void broker.admit("small");
  }).toThrow(expect.objectContaining({ errorName: "too_many_connections" }));
});

test("workers of one process are delivered to before publish returns, the same object where it can be", () => {
  const node = newNode();
  const [publisher, other] = [new RecordingWorker(), new RecordingWorker()];
  const brokers = [new LocalBroker(node, 1, publisher), new LocalBroker(node, 2, other)];
  for (const channel of ["a", "b"]) brokers[1]?.interest("default", channel, 1);
  const published = delivery("a", "1", { channels: ["a", "b"], reached: 1 });
  expect(brokers[0]?.publish(published)).toEqual(reached(3));
  expect(other.received[0]).toBe(published.publication);
  expect(other.received[1]).toEqual({ ...published.publication, channel: "b" });
});

test("each worker has its own copy of a member", async () => {
  const node = newNode();
  const [first, second] = [new RecordingWorker(), new RecordingWorker()];
  const owner = new LocalBroker(node, 1, first);
  const watcher = new LocalBroker(node, 2, second);
  const member: Member = {
    connection: "1",
    clientId: "name",
    user: undefined,
    state: undefined,
    since: 1,
  };
  void watcher.watch("default", "a");
  owner.present("default", "a", { type: "join", member });
  const [news] = second.news;
  const copies = [
    ...(news?.event.type === "join" ? [news.event.member] : []),
    ...(await watcher.watch("default", "a")),
    ...(await watcher.members("default", "a")),
  ];
  expect(new Set([member, ...copies]).size).toBe(4);
  for (const copy of [member, ...copies]) copy.clientId = "changed by one";
  expect(owner.members("default", "a")).toEqual([{ ...member, clientId: "name" }]);
});

test("a worker that has left takes up no room any more, whatever it still says", async () => {
  const node = newNode();
  const left = new LocalBroker(node, 1, new RecordingWorker());
  left.leave();
  void left.admit("small");
  left.connectionOpened("small");
  expect(left.watch("default", "a")).toEqual([]);
  expect(() => left.reserve([{ key: "k", fingerprint: "request" }])).toThrow("cannot be reached");
  expect(node.held).toBe(0);
});

test("a delivery without an answer whose key is another's is counted", () => {
  const node = newNode();
  const brokers = [1, 2].map((id) => new LocalBroker(node, id, new RecordingWorker()));
  const key = { key: "k", fingerprint: "request" };
  void brokers[0]?.reserve([key]);
  brokers[1]?.publishUnanswered(delivery("a", "1", { key }));
  expect(() => brokers[1]?.publish(delivery("a", "1", { key }))).toThrow("another delivery");
  expect(node.counters.lateKeys).toBe(2);
});
