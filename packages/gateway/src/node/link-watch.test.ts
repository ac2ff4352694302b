import { expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { LinkWatch, type WatchedLink } from "./link-watch.ts";

test("a link that is down for too long makes the node unready, once, until it is back", () => {
  const clock = new FakeClock();
  const said: (string | undefined)[] = [];
  const [members, quic] = [
    { reason: "members", downMs: null as number | null },
    { reason: "quic", downMs: null as number | null },
  ];
  const links: readonly WatchedLink[] = [members, quic];
  const watch = new LinkWatch({
    ...{ clock, patienceMs: 5_000, links: () => links },
    changed: (reason) => said.push(reason),
  });
  watch.start();
  clock.advance(3_000);
  members.downMs = 4_999;
  clock.advance(1_000);
  expect(said).toEqual([]);
  members.downMs = 5_000;
  clock.advance(3_000);
  quic.downMs = 6_000;
  clock.advance(1_000);
  members.downMs = quic.downMs = null;
  clock.advance(2_000);
  expect(said).toEqual(["members", "members; quic", undefined]);
  watch.stop();
  expect(clock.pendingTimers).toBe(0);
});
