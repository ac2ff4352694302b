import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ByteStream } from "../../ports.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeStreams, type FakeStreamsOptions } from "../../testing/fake-stream.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { FrameReader } from "./frames.ts";
import { Link, type LinkOptions } from "./link.ts";
import { LinkCounters } from "./link-counters.ts";
import { WireError } from "./wire-error.ts";

/** A link whose messages are one text each. */
class End {
  readonly received: string[] = [];
  readonly counters = new LinkCounters();
  readonly log = new RecordingLog();
  readonly link: Link;
  stream: ByteStream | undefined;
  fault: unknown;
  silences = 0;
  drops = 0;

  constructor(streams: FakeStreams, clock: FakeClock, more: Partial<LinkOptions> = {}) {
    this.link = new Link({
      clock,
      afterTurn: streams.afterTurn,
      counters: this.counters,
      log: this.log,
      leaseMs: 10_000,
      maxQueuedBytes: 100_000,
      whenFull: "refuse",
      receive: (message) => this.received.push(message.string()),
      silent: () => this.silences++,
      dropped: () => this.drops++,
      ...more,
    });
  }

  send(text: string): boolean {
    this.link.begin().string(text);
    return this.link.commit();
  }
}

function setUp(options: FakeStreamsOptions = {}, more: Partial<LinkOptions> = {}) {
  const streams = new FakeStreams(options);
  const clock = new FakeClock();
  const [near, far] = [new End(streams, clock, more), new End(streams, clock, more)];
  /** Both ends go on over a new stream, having told each other what they have. */
  const connect = () => {
    const ends = streams.pair();
    const told = [near, far].map(({ link }) => ({ received: link.received, base: link.base }));
    for (const [index, end] of [near, far].entries()) {
      const stream = ends[index];
      const peer = told[1 - index];
      if (stream === undefined || peer === undefined) continue;
      const frames = new FrameReader((bytes, start, until) => {
        end.link.frame(bytes, start, until);
        return true;
      });
      stream.handler = {
        data(bytes) {
          try {
            frames.push(bytes);
          } catch (error) {
            end.fault = error;
            stream.end();
          }
        },
        drained: () => end.link.drained(stream),
        closed: () => end.link.detach(stream),
      };
      end.stream = stream;
      end.link.attach(stream, peer.received, peer.base);
    }
  };
  const cut = () => {
    if (near.stream !== undefined) streams.cut(near.stream);
  };
  return { streams, clock, near, far, connect, cut };
}

describe("a link", () => {
  test("loses and doubles nothing, however its streams are cut and in which pieces they come", async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ what: fc.constant("send"), n: fc.nat(60) }) },
      { weight: 3, arbitrary: fc.record({ what: fc.constant("step"), n: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant("cut"), n: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant("time"), n: fc.nat(150) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 30, max: 400 }),
        async (steps, chunk, capacity) => {
          const { streams, clock, near, far, connect, cut } = setUp({
            capacity,
            chunk: () => chunk,
          });
          const sent: [string[], string[]] = [[], []];
          let confirmed = 0;
          let wanted = 0;
          connect();
          for (const [index, { what, n }] of steps.entries()) {
            if (what === "time") clock.advance(n);
            if (what === "step") for (let left = n; left > 0; left--) streams.step();
            if (what === "cut") {
              cut();
              if (n > 0) connect();
            }
            if (what !== "send") continue;
            const text = `${index} ${"é".repeat(n)}`;
            const end = n % 2;
            sent[end]?.push(text);
            const from = end === 0 ? near : far;
            const to = end === 0 ? far : near;
            from.send(text);
            if (n % 3 > 0) continue;
            wanted++;
            from.link.whenConfirmed(() => {
              confirmed++;
              expect(to.received).toContain(text);
            });
          }
          cut();
          connect();
          await streams.settle();
          clock.advance(100);
          await streams.settle();
          expect(far.received).toEqual(sent[0]);
          expect(near.received).toEqual(sent[1]);
          expect(confirmed).toBe(wanted);
          expect([near.link.bytesWaiting, far.link.bytesWaiting]).toEqual([0, 0]);
          expect([near.fault, far.fault]).toEqual([undefined, undefined]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("sends the messages of one turn in one frame, and large ones in frames of 256 KiB", async () => {
    const { streams, near, far, connect } = setUp(
      { capacity: 2 ** 24 },
      { maxQueuedBytes: 2 ** 24 },
    );
    connect();
    await streams.settle();
    const before = near.counters.framesSent;
    for (let n = 0; n < 100; n++) near.send(`${n}`);
    await streams.settle();
    expect(near.counters.framesSent - before).toBe(1);
    for (let n = 0; n < 10; n++) near.send("x".repeat(100_000));
    await streams.settle();
    expect(near.counters.framesSent - before).toBe(1 + 4);
    expect(far.received).toHaveLength(110);
  });

  test("confirms after 100 ms, or 64 KiB, or at once where somebody waits for it", async () => {
    const { streams, clock, near, far, connect } = setUp();
    connect();
    await streams.settle();
    near.send("a");
    await streams.settle();
    expect(far.received).toEqual(["a"]);
    clock.advance(99);
    await streams.settle();
    expect(near.link.bytesWaiting).toBeGreaterThan(0);
    clock.advance(1);
    await streams.settle();
    expect(near.link.bytesWaiting).toBe(0);

    near.send("x".repeat(65_536));
    await streams.settle();
    expect(near.link.bytesWaiting).toBe(0);
    const frames = far.counters.framesSent;
    clock.advance(100);
    await streams.settle();
    expect(far.counters.framesSent).toBe(frames);

    let isConfirmed = false;
    near.send("b");
    near.link.whenConfirmed(() => {
      isConfirmed = true;
    });
    expect(isConfirmed).toBe(false);
    await streams.settle();
    expect(isConfirmed).toBe(true);
  });

  test("refuses what would pass its limit, counts it, and takes messages again later", async () => {
    const { streams, clock, near, far, connect } = setUp();
    const text = "x".repeat(10_000);
    let taken = 0;
    while (near.send(text)) taken++;
    expect(taken).toBe(9);
    expect(near.counters.refused).toBe(1);
    near.link.begin().string(text);
    expect(near.link.commit(2)).toBe(true);
    connect();
    await streams.settle();
    clock.advance(100);
    await streams.settle();
    expect(far.received).toHaveLength(10);
    expect(near.send("small")).toBe(true);
    await streams.settle();
    expect(far.received.at(-1)).toBe("small");
  });

  test("that drops gives up all that waits, ends its stream, and goes on behind the gap", async () => {
    const { streams, near, far, connect } = setUp({ capacity: 1_000 }, { whenFull: "drop" });
    connect();
    near.send("first");
    await streams.settle();
    let settled = 0;
    const text = "x".repeat(10_000);
    for (let n = 0; n < 9; n++) {
      near.send(text);
      near.link.whenConfirmed(() => settled++);
    }
    streams.step();
    near.send(text);
    expect(near.drops).toBe(1);
    expect(settled).toBe(9);
    expect(near.link.isAttached).toBe(false);
    expect(near.link.bytesWaiting).toBe(0);
    near.send("after");
    const received = far.link.received;
    expect(near.link.base).toBeGreaterThan(received);
    await streams.settle();
    connect();
    await streams.settle();
    expect(far.received).toEqual(["first", "after"]);
    expect(near.counters.dropped).toBeGreaterThanOrEqual(10);
  });

  test("that drops shows the gap even where nothing of it was ever sent", () => {
    const { near, far } = setUp({}, { whenFull: "drop", maxQueuedBytes: 10 });
    near.send("x".repeat(100));
    expect(near.link.base).toBeGreaterThan(far.link.received);
  });

  test("says something every quarter of the lease, and notices when nothing is heard", async () => {
    const { streams, clock, near, far, connect, cut } = setUp();
    connect();
    for (let elapsed = 0; elapsed < 60_000; elapsed += 500) {
      clock.advance(500);
      await streams.settle();
    }
    expect([near.silences, far.silences]).toEqual([0, 0]);
    cut();
    await streams.settle();
    const cutAt = clock.now();
    while (near.silences === 0) clock.advance(1);
    const silentMs = clock.now() - cutAt;
    expect(silentMs).toBeLessThanOrEqual(10_000);
    expect(silentMs).toBeGreaterThanOrEqual(7_500);
  });

  test("takes its own standing still for no silence of the peer", async () => {
    const { streams, clock, near, connect } = setUp();
    connect();
    await streams.settle();
    clock.jumpTo(clock.now() + 60_000);
    clock.advance(0);
    expect(near.silences).toBe(0);
    clock.advance(10_000);
    expect(near.silences).toBe(1);
  });

  test("goes on after a message that its user fails on", async () => {
    const received: string[] = [];
    const { streams, near, far, connect } = setUp(
      {},
      {
        receive: (message) => {
          const text = message.string();
          if (text === "bad") throw new Error("a bug");
          received.push(text);
        },
      },
    );
    connect();
    for (const text of ["a", "bad", "b"]) near.send(text);
    await streams.settle();
    expect(received).toEqual(["a", "b"]);
    expect(far.fault).toBeUndefined();
    expect(far.log.lines).toHaveLength(1);
  });

  test("takes a frame out of order, one that is no frame, and a wrong confirmation for a fault", () => {
    const { near } = setUp();
    const frame = (...values: number[]) => {
      const bytes = Uint8Array.from(values);
      return () => near.link.frame(bytes, 0, bytes.length);
    };
    expect(frame(2, 0, 0)).toThrow(WireError);
    expect(frame(0, 1, 0)).toThrow(WireError);
    expect(frame(1, 0)).toThrow(WireError);
    expect(frame(0xa1, 0x61, 0)).toThrow(WireError);
    expect(frame(1, 0, 0, 0xc0)).toThrow(WireError);
    expect(frame(1, 0, 0, 0xa1, 0x61)).not.toThrow();
    expect(near.received).toEqual([]);
  });

  test("that is disposed of sends nothing, has no timer, and keeps nobody waiting", async () => {
    const { streams, clock, near, far, connect } = setUp();
    connect();
    let settled = 0;
    near.send("a");
    near.link.whenConfirmed(() => settled++);
    near.link.dispose();
    expect(settled).toBe(1);
    expect(near.send("b")).toBe(false);
    near.link.whenConfirmed(() => settled++);
    expect(settled).toBe(2);
    await streams.settle();
    far.link.dispose();
    expect(far.received).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});
