import { expect, test } from "bun:test";
import type { Msg, NatsConnection, Subscription, SubscriptionOptions } from "@nats-io/nats-core";
import { FakeClock } from "../../testing/fake-clock.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import type { LinkHandler } from "./link.ts";
import { Pulse } from "./pulse.ts";
import { Subjects } from "./subjects.ts";

/** Longer than from one beat to the next. */
const BEAT_MS = 800;

/** A worker whose link is a list of what it has sent, and what it hears by hand. */
class Worker {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly sent: string[] = [];
  /** The moments since when something was lost. */
  readonly lost: number[] = [];
  hasArrived = true;
  readonly pulse: Pulse;
  #handler: LinkHandler | undefined;
  #heard: SubscriptionOptions["callback"];
  #connection: NatsConnection | undefined;

  constructor() {
    const { clock, log } = this;
    this.pulse = new Pulse({
      ...{ clock, log, origin: "own.1", node: "own", subjects: new Subjects("test") },
      link: this,
      lost: (since) => void this.lost.push(since),
    });
    this.up();
  }

  get connection(): NatsConnection | undefined {
    return this.#connection;
  }

  use(handler: LinkHandler): void {
    this.#handler = handler;
  }

  flushed(): Promise<boolean> {
    return Promise.resolve(this.hasArrived);
  }

  up(): void {
    const connection: Partial<NatsConnection> = {
      publish: (_subject, payload) => void this.sent.push(String(payload)),
      subscribe: (_subject, options) => {
        this.#heard = options?.callback;
        return {} as Subscription;
      },
    };
    this.#connection = connection as NatsConnection;
    this.#handler?.up(this.#connection);
  }

  down(): void {
    this.#connection = undefined;
    this.#handler?.down();
  }

  hears(...beats: readonly string[]): void {
    for (const beat of beats) {
      this.#heard?.(null, { data: new TextEncoder().encode(beat) } as Msg);
    }
  }

  /** What was asked for is answered. */
  async #turn(): Promise<void> {
    for (let n = 0; n < 3; n++) await Promise.resolve();
  }

  async beats(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      await this.#turn();
      this.clock.advance(BEAT_MS);
      await this.#turn();
    }
  }
}

test("a beat of another worker that is missing is told, once for all of them, since the first was heard last", async () => {
  const worker = new Worker();
  worker.hears("a 1", "b 1");
  await worker.beats(1);
  const since = worker.clock.now();
  worker.hears("a 2");
  await worker.beats(1);
  worker.hears("b 2");
  await worker.beats(5);
  expect(worker.lost).toEqual([]);
  worker.hears("b 8");
  await worker.beats(1);
  worker.hears("a 9");
  expect(worker.lost).toEqual([]);
  await worker.beats(8);
  expect(worker.lost).toEqual([since]);
  expect(worker.log.lines).toHaveLength(1);
});

test("beats that come once more, or of which none is missing, are told to nobody", async () => {
  const worker = new Worker();
  for (const beat of [
    "a 1",
    "a 2",
    "a 2",
    "a 1",
    "a 3",
    "own.1 9",
    "own.1 30",
    "nonsense",
    "a -1",
  ]) {
    worker.hears(beat);
    await worker.beats(1);
  }
  await worker.beats(5);
  expect(worker.lost).toEqual([]);
});

test("a worker that was there before, and is heard for the first time, was out of reach for nobody knows how long", async () => {
  const worker = new Worker();
  worker.hears("a 40");
  await worker.beats(10);
  worker.hears("b 3");
  await worker.beats(20);
  worker.hears("new 1");
  await worker.beats(5);
  expect(worker.lost).toEqual([]);
  worker.hears("c 7");
  await worker.beats(5);
  expect(worker.lost).toEqual([0]);
});

test("who was away itself is told by its link, and begins anew", async () => {
  const worker = new Worker();
  worker.hears("a 1");
  await worker.beats(10);
  worker.hears("a 9");
  worker.down();
  await worker.beats(10);
  worker.up();
  worker.hears("a 30");
  await worker.beats(10);
  expect(worker.lost).toEqual([]);
});

test("a number is used until it has arrived", async () => {
  const worker = new Worker();
  await worker.beats(1);
  worker.hasArrived = false;
  await worker.beats(2);
  worker.down();
  worker.hasArrived = true;
  await worker.beats(2);
  worker.up();
  await worker.beats(1);
  expect(worker.sent).toEqual(["own.1 1", "own.1 2", "own.1 3", "own.1 3", "own.1 3", "own.1 4"]);
  worker.pulse.close();
  expect(worker.clock.pendingTimers).toBe(0);
});

test("says how many workers of other nodes it has heard of late", async () => {
  const worker = new Worker();
  worker.hears("a 1", "b 1", "own.2 1");
  expect(worker.pulse.heard).toBe(2);
  await worker.beats(3);
  worker.hears("b 2");
  await worker.beats(2);
  expect(worker.pulse.heard).toBe(1);
});

test("in a large mesh each speaks more seldom", async () => {
  const worker = new Worker();
  await worker.beats(1);
  const before = worker.sent.length;
  worker.hears(...Array.from({ length: 200 }, (_, at) => `w${at} 1`));
  await worker.beats(50);
  const large = worker.sent.length - before;
  expect(large).toBeGreaterThan(8);
  expect(large).toBeLessThan(13);
});
