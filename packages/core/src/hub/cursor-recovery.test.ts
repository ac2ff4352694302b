import { expect, test } from "bun:test";
import fc from "fast-check";
import { Counters } from "../hub/counters.ts";
import { Hub } from "../hub/hub.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { LocalNode } from "../testing/local-node.ts";
import { MeshModel } from "../testing/mesh-model.ts";
import { turns } from "../testing/recovery-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { TestSubscriber } from "../testing/test-subscriber.ts";
import { Cursor, parseCursor } from "./cursor.ts";
import type { AppConfig, NamespaceConfig } from "./namespace.ts";
import type { Begun } from "./recovery.ts";
import type { WireFormat } from "./subscriber.ts";

/** In a cursor of which something is not known. */
const UNKNOWN = /!|[~!][\w-]*\./;

/** One frame as its client remembers it. */
interface Heard {
  readonly cursor: string;
  readonly channel?: string;
  readonly offset?: number;
  readonly begun?: readonly Begun[];
}

const format: WireFormat = {
  id: "told",
  encode: ({ channel, position, cursor }) => [
    JSON.stringify({ cursor, channel, offset: position?.offset } as Heard),
  ],
};

class ReadingSubscriber extends TestSubscriber {
  override isReady(): boolean {
    return true;
  }
}

/** Workers of a mesh whose publications arrive when the test says so. */
class Fixture {
  readonly model: MeshModel;
  readonly workers;

  constructor(size: number, workers: number) {
    const model = new MeshModel(size);
    const clock = new FakeClock();
    const open = { subscribe: "anyone", publish: "anyone", volatile: false } as const;
    const kept: NamespaceConfig = { ...open, history: { size, ttlMs: 1e9 }, recover: true };
    const namespaces = new Map(["a", "b"].map((name) => [name, { ...kept }]));
    const apps = new Map<string, AppConfig>([["default", { namespaces }]]);
    const local = new LocalNode({ clock, apps });
    this.model = model;
    this.workers = Array.from({ length: workers }, () => {
      const place = local.place(model.place);
      const hub = new Hub({
        ...{ ...place, clock, apps, fanout: new FakeNetwork(), random: new SeededRandom() },
        counters: new Counters(),
        slowConsumerBytes: 1e9,
        maxChannelsPerConnection: 100,
      });
      return { broker: place.broker, hub };
    });
  }

  worker(index: number) {
    const worker = this.workers[index % this.workers.length];
    if (worker === undefined) throw new Error("there is no worker");
    return worker;
  }

  /** Everything arrives, and is answered. */
  async settle(): Promise<void> {
    await turns();
    for (const { broker } of this.workers) {
      while (broker.asked > 0 || broker.arriving.length > 0) {
        broker.answer(0);
        for (const channel of broker.arriving) broker.arrive(channel);
        await turns();
      }
    }
  }
}

/** What a client has been sent of one channel. */
class Sent {
  readonly offsets: Set<number>;
  /** Behind which it is promised everything; undefined until then. */
  start: number | undefined;
  /** How many of them lie behind that, and the newest of all. */
  #behind = 0;
  newest = 0;

  constructor(from?: Sent) {
    this.offsets = new Set(from?.offsets);
    this.newest = from?.newest ?? 0;
    if (from?.start !== undefined) this.begin(from.start);
  }

  add(offset: number): void {
    this.offsets.add(offset);
    this.newest = Math.max(this.newest, offset);
    if (this.start !== undefined && offset > this.start) this.#behind++;
  }

  begin(start: number): void {
    this.start = start;
    this.#behind = this.offsets.values().reduce((sum, each) => sum + (each > start ? 1 : 0), 0);
  }

  /** Whether of all the channel has, in order, it has those behind its start up to the first so many, and no more. */
  isUpTo(count: number, all: readonly number[]): boolean {
    const { start = 0 } = this;
    const last = all[count - 1] ?? 0;
    return this.newest <= last && this.#behind === Math.max(0, count - countUpTo(start, all));
  }
}

/** How many numbers are not greater than a limit; they are in order. */
function countUpTo(limit: number, numbers: readonly number[]): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A client that remembers the last cursor alone, and comes back with it. */
class Client {
  readonly channels: readonly string[];
  readonly #fixture: Fixture;
  #worker = 0;
  #subscriber: ReadingSubscriber | undefined;
  cursor: string | undefined;
  /** By channel. */
  readonly sent: Map<string, Sent>;
  /** Channels that were told that something is missing though everything was kept. */
  needless = 0;
  recovered = 0;
  connections = 0;

  constructor(fixture: Fixture, channels: readonly string[]) {
    this.#fixture = fixture;
    this.channels = channels;
    this.sent = new Map(channels.map((channel) => [channel, new Sent()]));
  }

  connect(worker: number): void {
    const { hub } = this.#fixture.worker(worker);
    const subscriber = new ReadingSubscriber(`s${Math.random()}`, undefined, format);
    this.#worker = worker;
    this.#subscriber = subscriber;
    hub.register(subscriber);
    const { cursor } = this;
    const from = cursor === undefined ? undefined : (parseCursor(cursor) ?? Cursor.nowhere);
    const beginnings = this.channels.map((channel) => ({ channel, from }));
    const done = hub.begin(subscriber, beginnings, {
      begun: (begun, at) =>
        void subscriber.delivered.push(JSON.stringify({ cursor: at, begun } as Heard)),
    });
    Promise.resolve(done).catch(() => {});
  }

  /** Loses its connection, having read so many of the frames, all by default. */
  cut(read = Number.POSITIVE_INFINITY): void {
    const subscriber = this.#subscriber;
    if (subscriber === undefined) return;
    this.#subscriber = undefined;
    this.#fixture.worker(this.#worker).hub.unregister(subscriber);
    const frames = subscriber.delivered.map((frame): Heard => JSON.parse(String(frame)));
    const count = read === Number.POSITIVE_INFINITY ? frames.length : read % (frames.length + 1);
    for (const heard of frames.slice(0, count)) {
      this.#hear(heard);
      this.#requireTrue();
    }
    if (count === frames.length) return;
    // It might have been cut anywhere else.
    const other = new Client(this.#fixture, this.channels);
    other.cursor = this.cursor;
    for (const [channel, sent] of this.sent) other.sent.set(channel, new Sent(sent));
    for (const heard of frames.slice(count)) {
      other.#hear(heard);
      other.#requireTrue();
    }
  }

  /** What it is promised, and has not got. */
  missing(channel: string): number[] {
    const sent = this.sent.get(channel);
    if (sent?.start === undefined) return [];
    const { start, offsets } = sent;
    const all = this.#fixture.model.streamOf(channel).of(channel);
    return all.filter((offset) => offset > start && !offsets.has(offset));
  }

  /** Its cursor says what it has. */
  #requireTrue(): void {
    const cursor = parseCursor(this.cursor ?? "");
    for (const [channel, sent] of this.sent) {
      if (sent.start === undefined) continue;
      const stream = this.#fixture.model.streamOf(channel);
      const seen = cursor?.of(stream.epoch);
      if (seen === undefined) throw new Error(`nothing of ${channel} in ${this.cursor}`);
      const all = stream.of(channel);
      let count = countUpTo(seen.offset, all);
      while (count > 0 && !seen.has(all[count - 1] ?? 0)) count--;
      if (count === 0) count = countUpTo(seen.settled, all);
      const next = all[count];
      if (next !== undefined && next <= seen.unknownTo) continue;
      if (sent.isUpTo(count, all)) continue;
      const missing = all.slice(count);
      const wanted = missing.filter((offset) => offset > (sent.start ?? 0));
      const again = missing.filter((offset) => sent.offsets.has(offset));
      const found = { wanted, again };
      expect(found, `${channel} behind ${this.cursor}`).toEqual({
        wanted: this.missing(channel),
        again: [],
      });
      throw new Error(`${channel} is counted wrongly behind ${this.cursor}`);
    }
  }

  #hear({ cursor, channel, offset, begun }: Heard): void {
    const before = this.cursor;
    this.cursor = cursor;
    if (channel !== undefined && offset !== undefined) {
      const sent = this.sent.get(channel);
      if (sent === undefined || sent.offsets.has(offset)) {
        throw new Error(`${channel} ${offset} twice, or unasked for`);
      }
      sent.add(offset);
    }
    for (const { channel, position, recovered } of begun ?? []) {
      if (recovered === true) {
        this.recovered++;
        continue;
      }
      if (recovered === false && this.sent.get(channel)?.start !== undefined) {
        const stream = this.#fixture.model.streamOf(channel);
        const kept = new Set(stream.kept(channel, this.#fixture.model.size));
        const isKept = this.missing(channel).every((number) => kept.has(number));
        if (isKept && before !== undefined && !UNKNOWN.test(before)) this.needless++;
      }
      this.sent.get(channel)?.begin(position?.offset ?? 0);
    }
  }
}

test("what came out of the order of the numbers is not taken for seen", async () => {
  const fixture = new Fixture(100, 1);
  const { model } = fixture;
  const { broker } = fixture.worker(0);
  const client = new Client(fixture, ["a:1", "a:2"]);
  client.connect(0);
  await fixture.settle();
  for (const channel of ["a:1", "a:2"]) model.publish(channel);
  await fixture.settle();
  const late = model.publish("a:2");
  model.publish("a:1");
  broker.arrive("a:1");
  client.cut();
  expect(client.cursor).toBe("a-epoch.4~B");
  broker.arrive("a:2");
  expect(client.missing("a:1")).toEqual([]);
  expect(client.missing("a:2")).toEqual([late]);
  client.connect(0);
  await fixture.settle();
  client.cut();
  expect(client.recovered).toBe(2);
  expect(client.missing("a:2")).toEqual([]);
  expect(client.cursor).toBe("a-epoch.4");
});

test("a cursor names the streams of all channels of a client", async () => {
  const fixture = new Fixture(100, 1);
  const { model } = fixture;
  const client = new Client(fixture, ["a:1", "b:1"]);
  client.connect(0);
  await fixture.settle();
  for (const channel of ["a:1", "b:1", "b:1"]) model.publish(channel);
  await fixture.settle();
  client.cut();
  expect(client.cursor).toBe("b-epoch.2,a-epoch.1");
  for (const channel of ["b:1", "a:1"]) model.publish(channel);
  client.connect(0);
  await fixture.settle();
  client.cut();
  expect(client.recovered).toBe(2);
  expect([client.missing("a:1"), client.missing("b:1")]).toEqual([[], []]);
});

test("pages that were read at different times say of each stream what was sent, and no more", async () => {
  const fixture = new Fixture(100, 1);
  const { model } = fixture;
  const { broker } = fixture.worker(0);
  const client = new Client(fixture, ["a:1", "a:2", "b:1"]);
  client.connect(0);
  await fixture.settle();
  for (const channel of client.channels) model.publish(channel);
  await fixture.settle();
  client.cut();
  client.connect(0);
  const others = new Client(fixture, ["a:1"]);
  others.connect(0);
  await turns();
  for (let answers = 0; answers < 4; answers++) broker.answer(0);
  await turns();
  // The page of a:1 is of the time before, and the others are of the time after.
  broker.answer(0);
  const late = model.publish("a:1");
  for (const channel of ["a:2", "b:1", "a:2"]) model.publish(channel);
  while (broker.asked > 0) {
    broker.answer(0);
    await turns();
  }
  client.cut();
  expect(client.missing("a:1")).toEqual([late]);
  expect(client.cursor).toBe("a-epoch.5~C,b-epoch.2");
});

const CHANNELS = ["a:1", "a:2", "b:1", "b:2"];
const nat = fc.nat(50);
const step = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fc.constant("publish" as const), nat, nat) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("burst" as const), nat, nat) },
  { weight: 14, arbitrary: fc.tuple(fc.constant("arrive" as const), nat, nat) },
  { weight: 8, arbitrary: fc.tuple(fc.constant("answer" as const), nat, nat) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("return" as const), nat, nat) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("settle" as const), nat, nat) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("expire" as const), nat, nat) },
);

for (const [size, isExpiring] of [
  [1_000, false],
  [3, true],
] as const) {
  test(`a client with one cursor gets what it has not been sent, once, of histories of ${size}`, async () => {
    let recovered = 0;
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 40, maxLength: 150 }),
      async (steps) => {
        const fixture = new Fixture(size, 2);
        const { model } = fixture;
        const clients = [
          new Client(fixture, CHANNELS),
          new Client(fixture, ["a:1", "b:1"]),
          new Client(fixture, ["a:2"]),
        ];
        for (const [kind, one, two] of steps) {
          const channel = CHANNELS[one % CHANNELS.length] ?? "";
          const { broker } = fixture.worker(one);
          if (kind === "publish") model.publish(channel);
          else if (kind === "burst") for (let n = 0; n < 24 * two; n++) model.publish(channel);
          else if (kind === "arrive") {
            broker.arrive(broker.arriving[two % Math.max(1, broker.arriving.length)] ?? "");
          } else if (kind === "answer") broker.answer(two);
          else if (kind === "settle") await fixture.settle();
          else if (kind === "expire" && isExpiring) {
            const stream = model.streamOf(channel);
            stream.first = Math.max(stream.first, stream.last - (two % 4));
          } else if (kind === "return") {
            const client = clients[one % clients.length];
            client?.cut(two);
            client?.connect(two);
          }
          await turns();
        }
        await fixture.settle();
        for (const client of clients) {
          client.cut();
          recovered += client.recovered;
          if (!isExpiring) expect(client.needless).toBe(0);
          for (const channel of CHANNELS) expect(client.missing(channel)).toEqual([]);
        }
        expect(model.counters.late).toBe(0);
      },
    );
    await fc.assert(property, { numRuns: 150 });
    expect(recovered).toBeGreaterThan(100);
  }, 60_000);
}
