import { expect, test } from "bun:test";
import { makeCertificate } from "../certificate.ts";
import { nats } from "../peers/nats.ts";
import { nchan } from "../peers/nchan.ts";
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

type Connect = (pool: SubscriberPool, url: string, channel: string) => Promise<void>;

const common = { kind: "connect", window: 2, timeoutMs: 10_000 } as const;

/** Three subscribers over WebSockets; `strangers` more listen to another channel. */
function overWebSockets(peer: Peer, strangers = 0): Connect {
  return async (pool, url, channel) => {
    const command = { ...common, peer: peer.name, url };
    await pool.connect({ ...command, count: 3, user: channel }, peer);
    await pool.connect({ ...command, count: strangers }, peer);
  };
}

const overPolling: Connect = (pool, url, channel) =>
  pool.poll({ kind: "poll", url, count: 3, user: channel, workers: 0, place: "own", window: 2 });

/** Two ticks of four messages. */
async function deliver(peer: Peer, connect: Connect, timeoutMs = 10_000) {
  const directory = temporaryDirectory();
  try {
    const certificate = makeCertificate(directory.path);
    const server = await peer.start({ directory: directory.path, certificate });
    try {
      const pool = new SubscriberPool();
      const channel = crypto.randomUUID();
      await connect(pool, server.urls.subscriber.href, channel);
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
        await peer.publisher(server.urls.publisher),
        pool,
      );
      const { open } = pool.counters();
      pool.leave();
      return { ...published, open };
    } finally {
      await end(server.pid);
    }
  } finally {
    directory.dispose();
  }
}

// 3 subscribers, 2 ticks, 4 messages; `42["`, 36 characters of the channel, `",`, 120, `]`.
const everything = { sent: 8, deliveries: 24, bytes: 24 * 163, open: 3 };

test("raw Bun and socket.io deliver the same bytes to every subscriber", async () => {
  const results = await Promise.all([
    deliver(rawBun, overWebSockets(rawBun)),
    deliver(socketIo, overWebSockets(socketIo)),
  ]);
  for (const result of results) expect(result).toMatchObject(everything);
});

test("subscribers over long-polling get the same as those over WebSockets", async () => {
  expect(await deliver(socketIo, overPolling)).toMatchObject(everything);
});

test("publishing stops at the first tick that does not reach every subscriber", async () => {
  const result = await deliver(rawBun, overWebSockets(rawBun, 1), 50);
  expect(result).toMatchObject({ sent: 4, deliveries: 12, open: 4 });
});

test.skipIf(!isInstalled(nchan))("nchan delivers the same bytes to every subscriber", async () => {
  expect(await deliver(nchan, overWebSockets(nchan))).toMatchObject(everything);
});

test.skipIf(!isInstalled(nats))("NATS delivers the message to every subscriber", async () => {
  // `MSG `, 36 characters of the channel, ` 1 120`, a line's end, 120, a line's end.
  const bytes = 24 * 170;
  expect(await deliver(nats, overWebSockets(nats))).toMatchObject({ ...everything, bytes });
});

function isInstalled(peer: Peer): boolean {
  try {
    peer.versions();
    return true;
  } catch {
    return false;
  }
}
