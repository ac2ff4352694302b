import { expect, test } from "bun:test";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { LocalNode } from "@starling/core/testing/local-node.ts";
import { sharedCountsOf } from "./shared-counts.ts";

const hooks = { counts: [] };

/** Callers, and answers of idempotency keys, that a node remembers at most. */
const MAX_REMEMBERED = 100_000;

test("a node counts callers that it could not remember, and answers that it had to forget", () => {
  const clock = new FakeClock();
  const apps = new Map([["default", { namespaces: new Map() }]]);
  const rates = { api: 1, user: 1 };
  const { node, broker } = LocalNode.alone({ clock, apps, rates, idempotencyWindowMs: 60_000 });
  const publication = { app: "default", channel: "c", event: "e", data: "1" };
  const publish = (n: number) => {
    const key = { key: String(n), fingerprint: "" };
    void broker.reserve([key]);
    void broker.publish({
      app: "default",
      channels: ["c"],
      streams: [],
      publication,
      reached: 0,
      key,
    });
  };
  for (let n = 0; n < MAX_REMEMBERED; n++) {
    void broker.take("api", String(n));
    publish(n);
  }
  expect(sharedCountsOf(node, hooks)).toMatchObject({
    idempotencyForgottenEarly: 0,
    rateLimitUntracked: 0,
  });
  for (const more of [1, 2, 3]) void broker.take("api", String(-more));
  void broker.take("user", "of another rate");
  for (const more of [1, 2]) publish(-more);
  expect(sharedCountsOf(node, hooks)).toMatchObject({
    idempotencyForgottenEarly: 2,
    rateLimitUntracked: 3,
  });
});

test("a node counts what its channels keep, and what had to go", () => {
  const clock = new FakeClock();
  const apps = new Map([["default", { namespaces: new Map() }]]);
  const { node, broker } = LocalNode.alone({ clock, apps, historyBytes: 2_000 });
  const publish = (channel: string, data: string) =>
    broker.publishUnanswered({
      app: "default",
      channels: [],
      streams: [{ channel, size: 10, ttlMs: 1000 }],
      publication: { app: "default", channel, event: "e", data },
      reached: 0,
    });
  const none = { bytes: 0, channels: 0, publications: 0, evictions: 0 };
  expect(sharedCountsOf(node, hooks).history).toEqual(none);
  publish("a", "1".repeat(1000));
  publish("a", "1");
  const { bytes, ...counts } = sharedCountsOf(node, hooks).history;
  expect(counts).toEqual({ channels: 1, publications: 2, evictions: 0 });
  expect(bytes).toBeGreaterThan(1000);
  publish("b", "1".repeat(1000));
  expect(sharedCountsOf(node, hooks).history).toMatchObject({
    channels: 1,
    publications: 3,
    evictions: 1,
  });
});
