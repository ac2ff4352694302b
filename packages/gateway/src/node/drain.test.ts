import { beforeEach, expect, test } from "bun:test";
import type { Subscriber } from "@starling/core/hub/subscriber.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { SeededRandom } from "@starling/core/testing/seeded-random.ts";
import type { CloseName } from "@starling/protocol/close-codes.ts";
import { Health } from "../ops/health.ts";
import { type DrainCause, type DrainOptions, drain } from "./drain.ts";

const DRAIN_MS = 25_000;

let clock: FakeClock;
let events: string[];
let connections: Set<Connection>;
let unfetched: number;
let health: Health;
beforeEach(() => {
  clock = new FakeClock();
  events = [];
  connections = new Set();
  unfetched = 0;
  health = new Health();
});

/** A connection that is there until it is closed. */
class Connection implements Subscriber {
  readonly id = "";
  readonly app = "";
  readonly user = undefined;
  readonly format = { id: "", encode: () => [] };
  readonly socket = undefined;
  channels: Subscriber["channels"];
  bagIndex = 0;
  closedAt: number | undefined;

  deliver(): void {}
  cutSlow(): void {}
  disconnect(): void {}
  isReady(): boolean {
    return true;
  }
  close(reason: CloseName): void {
    expect(reason).toBe("shutting_down");
    this.bagIndex = -1;
    this.closedAt = clock.now();
    connections.delete(this);
  }
}

function connect(count: number): readonly Connection[] {
  const made = Array.from({ length: count }, () => new Connection());
  for (const each of made) connections.add(each);
  return made;
}

function begin(cause: DrainCause, options: Partial<DrainOptions> = {}): Promise<void> {
  return drain({
    cause,
    health,
    services: [
      {
        refuseNew: () => events.push("refuse"),
        notify: (at) => events.push(`notice of ${at - clock.now()}`),
        shutDown: () => events.push(`shut down with ${connections.size}`),
        get unfetched() {
          return unfetched;
        },
      },
    ],
    subscribers: () => [...connections],
    drainMs: DRAIN_MS,
    clock,
    random: new SeededRandom(3),
    leavePorts: async () => void events.push("leave ports"),
    ...options,
  });
}

/** Lets time pass in small steps, and what waits for promises run; answers how long it took. */
async function finish(ended: Promise<void>): Promise<number> {
  const began = clock.now();
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  for (;;) {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    if (isOver) return clock.now() - began;
    clock.advance(10);
  }
}

test("a stop refuses new sessions first, gives notice, closes, and shuts down what is left", async () => {
  connect(10);
  const ended = begin("stop");
  expect(health.reasons).toEqual(["shutting down"]);
  await finish(ended);
  expect(events).toEqual(["refuse", "leave ports", "notice of 50", "refuse", "shut down with 0"]);
});

test("a worker that was replaced refuses nobody until all are closed", async () => {
  connect(1);
  const left = Promise.withResolvers<void>();
  const ended = begin("leave", { leavePorts: () => left.promise });
  await Promise.resolve();
  expect(events).toEqual([]);
  const [late] = connect(1);
  left.resolve();
  await finish(ended);
  expect(late?.closedAt).toBeDefined();
  expect(events).toEqual(["notice of 10", "refuse", "shut down with 0"]);
});

test("few connections take no time, many the part of it that is for closing", async () => {
  connect(20);
  expect(await finish(begin("stop"))).toBeLessThan(400);
  const many = connect(20_000);
  expect(await finish(begin("stop"))).toBeLessThanOrEqual(DRAIN_MS * 0.7 + 100);
  const moments = new Set(many.map(({ closedAt }) => closedAt));
  expect(moments.size).toBeGreaterThan(100);
});

test("clients that have yet to fetch get the rest of the time, and no more", async () => {
  unfetched = 1;
  const ended = begin("stop");
  clock.setTimeout(() => {
    unfetched = 0;
  }, 3_000);
  expect(await finish(ended)).toBeLessThanOrEqual(3_060);
  unfetched = 1;
  const took = await finish(begin("stop"));
  expect(took).toBeGreaterThanOrEqual(DRAIN_MS);
  expect(took).toBeLessThanOrEqual(DRAIN_MS + 60);
});

test("what leaving the ports takes is not taken from the clients' time", async () => {
  unfetched = 1;
  const leavePorts = () =>
    new Promise<void>((left) => void clock.setTimeout(left, DRAIN_MS + 1_000));
  const took = await finish(begin("leave", { leavePorts }));
  expect(took).toBeGreaterThanOrEqual(2 * DRAIN_MS + 1_000);
  expect(took).toBeLessThanOrEqual(2 * DRAIN_MS + 1_060);
});

test("no time at all closes everybody at once", async () => {
  connect(5_000);
  unfetched = 1;
  expect(await finish(begin("stop", { drainMs: 0 }))).toBeLessThanOrEqual(10);
  expect(connections.size).toBe(0);
});
