import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { statsSchema } from "./schemas.ts";
import { publisherFixture, refusalBody, twoPublishers } from "./testing/publisher-fixture.ts";

const keyed = { channel: "c", data: { n: 1 }, idempotencyKey: "order 1" };

describe("an idempotency key", () => {
  test("is used once, whichever worker is asked", async () => {
    const [a, b] = twoPublishers();
    const first = await a.post("/api/publish", keyed);
    expect(await b.post("/api/publish", keyed)).toEqual(first);
    expect(b.hub.published).toEqual([]);
    expect((await b.post("/api/publish", { ...keyed, data: 2 }))[0]).toBe(409);
  });

  test("is waited for while another worker is about to use it", async () => {
    const [a, b] = twoPublishers();
    const own = { key: "127.0.0.1\ndefault\norder 1", fingerprint: "" };
    const requests = [a, b].map(({ post }) => post("/api/publish", keyed));
    expect(await Promise.all(requests)).toEqual([
      [200, { ok: true, subscribers: 1 }],
      [200, { ok: true, subscribers: 1 }],
    ]);
    expect(a.hub.published.length + b.hub.published.length).toBe(1);
    await expect(async () => b.broker.reserve([own])).toThrow("different request");
  });

  test("of a batch is refused as a whole, and the other keys are free", async () => {
    const [a, b] = twoPublishers();
    await a.post("/api/publish", keyed);
    const fresh = { ...keyed, idempotencyKey: "order 2" };
    const publications = [fresh, { ...keyed, data: "different" }];
    expect((await b.post("/api/batch", { publications }))[0]).toBe(409);
    expect(b.hub.published).toEqual([]);
    expect((await a.post("/api/publish", { ...fresh, data: "other" }))[0]).toBe(200);
  });

  test("of a delivery that failed is free for every worker, and one that was made is not", async () => {
    const [a, b] = twoPublishers();
    const fault = new StarlingError("broker_unavailable");
    const second = { ...keyed, channel: "d", idempotencyKey: "order 2" };
    const broadcast = a.hub.broadcast.bind(a.hub);
    a.hub.broadcast = (publication, channels, key) => {
      if (publication.channel === "d") throw fault;
      return broadcast(publication, channels, key);
    };
    expect((await a.post("/api/batch", { publications: [keyed, second] }))[0]).toBe(503);
    expect((await b.post("/api/batch", { publications: [keyed, second] }))[0]).toBe(200);
    expect(b.hub.published.map(({ channel }) => channel)).toEqual(["d"]);

    a.hub.broadcast = () => Promise.reject(fault);
    const third = { ...keyed, idempotencyKey: "order 3" };
    expect((await a.post("/api/publish", third))[0]).toBe(503);
    expect((await b.post("/api/publish", third))[0]).toBe(200);
  });
});

test("callers have one rate, however many workers they ask", async () => {
  const [a, b] = twoPublishers({ apiRatePerKey: 2 });
  const body = JSON.stringify({ channel: "c", data: 1 });
  const statuses: number[] = [];
  for (const { call } of [a, b, a, b]) {
    statuses.push((await call("/api/publish", { body })).status);
  }
  expect(statuses).toEqual([200, 200, 429, 429]);
});

test("members of all workers are listed and counted", async () => {
  const [a, b] = twoPublishers();
  const [first, second] = ["1", "2"].map((connection) => ({
    connection,
    clientId: connection,
    user: "alice",
    state: undefined,
    since: 5,
  }));
  if (first) a.broker.present("default", "room", { type: "join", member: first });
  if (second) b.broker.present("default", "room", { type: "join", member: second });
  expect(JSON.parse((await a.call("/api/presence?channel=room")).text).members).toHaveLength(2);
  expect((await b.call("/api/presence/stats?channel=room")).text).toBe(
    '{"ok":true,"members":2,"users":1}',
  );
});

describe("what was counted", () => {
  test("is that of all workers", async () => {
    const [a, b] = twoPublishers();
    a.counters.connections = 3;
    b.counters.connections = 4;
    await a.call("/nothing");
    await b.call("/nothing");
    await b.post("/api/publish", {});
    await a.post("/api/publish", keyed);
    await b.post("/api/publish", keyed);
    const { text } = await a.call("/api/stats");
    expect(statsSchema.parse(JSON.parse(text))).toEqual({
      ok: true,
      hub: expect.objectContaining({ connections: 7, slowConsumers: 0 }),
      publisher: {
        requests: 6,
        refusals: { not_found: 2, invalid_request: 1 },
        replays: 1,
        idempotencyForgottenEarly: 0,
        rateLimitUntracked: 0,
      },
      history: { bytes: 0, channels: 0, publications: 0, evictions: 0 },
      hooks: {
        ...{ queued: 0, queuedBytes: 0, circuitsOpen: 0, delivered: 0, requests: 0, retries: 0 },
        ...{ refused: 0, dropped: 0, expired: 0 },
      },
    });
  });

  test("is there for Prometheus, as of one process", async () => {
    const [a, b] = twoPublishers();
    a.counters.connections = 3;
    b.counters.connections = 4;
    a.counters.deliveries = 10;
    b.counters.deliveries = 5;
    a.metrics.roundTrip(40);
    b.metrics.roundTrip(300);
    const { text } = await b.call("/metrics");
    expect(text).toContain("# TYPE starling_deliveries_total counter");
    expect(text).toMatch(/^starling_connections 7$/m);
    expect(text).toMatch(/^starling_deliveries_total 15$/m);
    expect(text).toMatch(/^starling_ping_round_trip_seconds_bucket\{le="0.05"\} 1$/m);
    expect(text).toMatch(/^starling_ping_round_trip_seconds_count 2$/m);
  });

  test("includes what the node itself counts", async () => {
    const shared = { idempotencyForgottenEarly: 1, rateLimitUntracked: 2 };
    const history = { bytes: 3, channels: 4, publications: 5, evictions: 6 };
    const counted = {
      queuedBytes: 9,
      delivered: 1,
      retries: 2,
      refused: 3,
      dropped: 4,
      expired: 5,
    };
    const hooks = [
      { app: "default", hook: 0, queued: 7, requests: 10, ...counted, isCircuitOpen: true },
      { app: "shop", hook: 0, queued: 0, requests: 20, ...counted, isCircuitOpen: false },
    ];
    const { call } = publisherFixture({
      sharedCounts: () => ({ ...shared, history, hooks, bans: { known: 0, refused: 0 } }),
    });
    const stats = JSON.parse((await call("/api/stats")).text);
    expect(stats.publisher).toMatchObject(shared);
    expect(stats.history).toEqual(history);
    expect(stats.hooks).toEqual({
      ...{ circuitsOpen: 1, queued: 7, queuedBytes: 18, requests: 30 },
      ...{ delivered: 2, retries: 4, refused: 6, dropped: 8, expired: 10 },
    });
    const { text } = await call("/metrics");
    expect(text).toContain("\nstarling_history_bytes 3\n");
    expect(text).toContain("\nstarling_history_channels 4\n");
    expect(text).toContain("\nstarling_history_publications_total 5\n");
    expect(text).toContain("\nstarling_history_evictions_total 6\n");
    expect(text).toContain('\nstarling_hooks_circuit_open{app="default",hook="0"} 1\n');
    expect(text).toContain('\nstarling_hooks_queued_events{app="default",hook="0"} 7\n');
    expect(text).toContain('\nstarling_hooks_requests_total{app="shop",hook="0"} 20\n');
  });
});

test("a node that cannot be reached is answered 503, and when to try again", async () => {
  const { hub, call, log } = publisherFixture();
  hub.fault = new StarlingError("broker_unavailable");
  const answer = await call("/api/publish", { body: '{"channel":"c","data":1}' });
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(JSON.parse(answer.text)).toEqual(
    refusalBody(901, "broker_unavailable", expect.any(String)),
  );
  expect(log.lines.filter(([level]) => level === "error")).toEqual([]);
});
