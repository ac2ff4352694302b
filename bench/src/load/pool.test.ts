import { expect, test } from "bun:test";
import { makeCertificate } from "../certificate.ts";
import type { Peer } from "../peers/peer.ts";
import { rawBun } from "../peers/raw-bun.ts";
import { socketIo } from "../peers/socketio.ts";
import { end } from "../processes.ts";
import { temporaryDirectory } from "../rounds.ts";
import { SubscriberPool } from "./pool.ts";
import { publishTicks } from "./publisher.ts";

const text = Buffer.from("one message");

test("a goal that was reached before it was set is seen at once", async () => {
  const pool = new SubscriberPool();
  pool.received(3, text, 0, text.length);
  expect(await pool.reach(3, 0)).toBe(true);
});

test("a goal that is not reached in time is reported", async () => {
  const pool = new SubscriberPool();
  pool.received(2, text, 0, text.length);
  expect(await pool.reach(3, 1)).toBe(false);
});

test("the delivery that reaches the goal is kept as a sample", async () => {
  const pool = new SubscriberPool();
  const reached = pool.reach(2, 10_000);
  pool.received(1, text, 0, 3);
  pool.received(1, text, 4, 11);
  expect(await reached).toBe(true);
  expect(pool.latest).toBe("message");
  expect(pool.counters()).toEqual({ deliveries: 2, bytes: 10, open: 0, closed: 0 });
});

/** Three subscribers, two ticks of four messages; `strangers` more listen to another channel. */
async function deliver(peer: Peer, strangers: number, timeoutMs: number) {
  const directory = temporaryDirectory();
  try {
    const certificate = makeCertificate(directory.path);
    const server = await peer.start({ directory: directory.path, certificate });
    try {
      const pool = new SubscriberPool();
      const channel = crypto.randomUUID();
      const url = server.urls.subscriber.href;
      const common = {
        kind: "connect",
        peer: peer.name,
        url,
        window: 2,
        timeoutMs: 10_000,
      } as const;
      await pool.connect({ ...common, count: 3, user: channel }, peer.subscriber);
      await pool.connect({ ...common, count: strangers }, peer.subscriber);
      const published = await publishTicks(
        {
          kind: "publish",
          peer: peer.name,
          url: server.urls.publisher.href,
          channel,
          ticks: 2,
          tickMs: 0,
          perTick: 4,
          payloadBytes: 120,
          timeoutMs,
        },
        peer,
        pool,
      );
      return { ...published, open: pool.counters().open };
    } finally {
      await end(server.pid);
    }
  } finally {
    directory.dispose();
  }
}

test("raw Bun and socket.io deliver the same bytes to every subscriber", async () => {
  const results = await Promise.all([deliver(rawBun, 0, 10_000), deliver(socketIo, 0, 10_000)]);
  for (const result of results) {
    // 3 subscribers, 2 ticks, 4 messages; `42["`, 36 characters of the channel, `",`, 120, `]`.
    expect(result).toMatchObject({ sent: 8, deliveries: 24, bytes: 24 * 163, open: 3 });
  }
});

test("publishing stops at the first tick that does not reach every subscriber", async () => {
  expect(await deliver(rawBun, 1, 50)).toMatchObject({ sent: 4, deliveries: 12, open: 4 });
});
