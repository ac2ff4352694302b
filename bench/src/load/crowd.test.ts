import { expect, test } from "bun:test";
import { makeCertificate } from "../certificate.ts";
import type { PresencePeer } from "../peers/peer.ts";
import { rawBunPresence } from "../peers/raw-bun.ts";
import { starlingConflating, starlingPresence } from "../peers/starling-presence.ts";
import { end } from "../processes.ts";
import { temporaryDirectory } from "../rounds.ts";
import { Crowd } from "./crowd.ts";
import { move } from "./mover.ts";

/** Six members join in a dance; then two of them send ten states each. */
async function dance(peer: PresencePeer) {
  const directory = temporaryDirectory();
  try {
    const certificate = makeCertificate(directory.path);
    const server = await peer.start({ directory: directory.path, certificate });
    try {
      const channel = "cursors:test";
      const crowd = new Crowd(peer, {
        kind: "enter",
        peer: peer.name,
        url: server.urls.subscriber.href,
        channel,
        count: 6,
        window: 2,
        timeoutMs: 10_000,
        dance: "answered",
      });
      const entered = await crowd.enter();
      const pace = { active: 2, rate: 10, atOnce: true };
      const moved = await move({ kind: "move", channel, ...pace, seconds: 1 }, crowd);
      return { entered, moved };
    } finally {
      await end(server.pid);
    }
  } finally {
    directory.dispose();
  }
}

test("Starling and raw Bun deliver the same bytes of every state to every other member", async () => {
  const results = await Promise.all([dance(starlingPresence), dance(rawBunPresence)]);
  for (const { entered, moved } of results) {
    expect(entered).toMatchObject({ strangers: 0, wrong: 0, closed: 0 });
    expect(moved).toMatchObject({ sent: 20, unsent: 0, deliveries: 100, outdated: 0, wrong: 0 });
  }
  expect(results[0]?.moved.bytes).toBe(results[1]?.moved.bytes);
});

test("where states are conflated, members end with the latest of each", async () => {
  const { entered, moved } = await dance(starlingConflating);
  expect(entered).toMatchObject({ strangers: 0, wrong: 0, closed: 0 });
  expect(moved).toMatchObject({ sent: 20, outdated: 0, wrong: 0, closed: 0 });
});
