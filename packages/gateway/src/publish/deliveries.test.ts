import { expect, test } from "bun:test";
import { publisherFixture, refusalBody } from "./testing/publisher-fixture.ts";

const CONFLICT = refusalBody(
  107,
  "idempotency_conflict",
  "this idempotency key was used for a different request",
);
const keyed = { channel: "c", data: { n: 1 }, idempotencyKey: "order 1" };

test("a repeated request gets the same answer and is not delivered again", async () => {
  const { hub, call, post } = publisherFixture();
  const first = await post("/api/publish", keyed);
  await post("/api/publish", { channel: "other", data: 1 });
  expect(await post("/api/publish", keyed)).toEqual(first);
  expect(hub.published.map(({ channel }) => channel)).toEqual(["c", "other"]);
  expect((await call("/api/stats")).text).toContain('"replays":1');
});

test("without a key a repeated request is delivered again", async () => {
  const { hub, post } = publisherFixture();
  await post("/api/publish", { channel: "c", data: 1 });
  await post("/api/publish", { channel: "c", data: 1 });
  expect(hub.published).toHaveLength(2);
});

test("after the window the key is free again", async () => {
  const { hub, clock, post } = publisherFixture({ idempotencyWindowMs: 1000 });
  await post("/api/publish", keyed);
  clock.advance(999);
  await post("/api/publish", keyed);
  expect(hub.published).toHaveLength(1);
  clock.advance(1);
  expect((await post("/api/publish", { ...keyed, data: "new" }))[0]).toBe(200);
  expect(hub.published).toHaveLength(2);
});

for (const change of [{ channel: "d" }, { event: "e" }, { data: { n: 2 } }]) {
  test(`the same key with another ${Object.keys(change)[0]} is a conflict`, async () => {
    const { hub, post } = publisherFixture();
    await post("/api/publish", keyed);
    expect(await post("/api/publish", { ...keyed, ...change })).toEqual([409, CONFLICT]);
    expect(hub.published).toHaveLength(1);
  });
}

test("event name and data cannot be shifted into one another", async () => {
  const { post } = publisherFixture();
  await post("/api/publish", { channel: "c", event: "e1", data: 23, idempotencyKey: "k" });
  const shifted = { channel: "c", event: "e", data: 123, idempotencyKey: "k" };
  expect((await post("/api/publish", shifted))[0]).toBe(409);
});

test("apps do not share keys", async () => {
  const { hub, post } = publisherFixture();
  await post("/api/publish", keyed);
  expect((await post("/api/publish", { ...keyed, app: "shop", data: 2 }))[0]).toBe(200);
  expect(hub.published).toHaveLength(2);
});

test("callers do not share keys", async () => {
  const { hub, post } = publisherFixture();
  await post("/api/publish", keyed, { from: "127.0.0.1" });
  expect((await post("/api/publish", { ...keyed, data: 2 }, { from: "127.0.0.2" }))[0]).toBe(200);
  expect(hub.published).toHaveLength(2);
});

test("API keys do not share idempotency keys, addresses of one API key do", async () => {
  const apiKeys = ["first-key-0123456789", "second-key-0123456789"];
  const { hub, post } = publisherFixture({ apiKeys });
  const as = (key: string | undefined, from: string) =>
    post("/api/publish", keyed, { from, headers: { authorization: `Bearer ${key}` } });
  await as(apiKeys[0], "127.0.0.1");
  await as(apiKeys[0], "127.0.0.2");
  expect(hub.published).toHaveLength(1);
  await as(apiKeys[1], "127.0.0.1");
  expect(hub.published).toHaveLength(2);
});

test("a broadcast is repeated as a whole", async () => {
  const { hub, post } = publisherFixture();
  const body = { channels: ["a", "b"], data: 1, idempotencyKey: "k" };
  const first = await post("/api/broadcast", body);
  expect(await post("/api/broadcast", body)).toEqual(first);
  expect(hub.published).toHaveLength(2);
  expect((await post("/api/broadcast", { ...body, channels: ["b", "a"] }))[0]).toBe(409);
});

test("in a batch only what is new is delivered, and every result is there", async () => {
  const { hub, post } = publisherFixture();
  await post("/api/publish", keyed);
  const publications = [{ channel: "x", data: 1 }, keyed, { ...keyed, idempotencyKey: "order 2" }];
  expect(await post("/api/batch", { publications })).toEqual([
    200,
    { ok: true, results: [{ subscribers: 2 }, { subscribers: 1 }, { subscribers: 3 }] },
  ]);
  expect(hub.published).toHaveLength(3);
});

test("a key that comes twice in one batch is delivered once", async () => {
  const { hub, post } = publisherFixture();
  const [status, body] = await post("/api/batch", { publications: [keyed, keyed] });
  expect([status, body]).toEqual([
    200,
    { ok: true, results: [{ subscribers: 1 }, { subscribers: 1 }] },
  ]);
  expect(hub.published).toHaveLength(1);
});

test("a conflict anywhere in a batch delivers nothing of it", async () => {
  const { hub, post } = publisherFixture();
  await post("/api/publish", keyed);
  const different = { ...keyed, data: "different" };
  const within = [{ channel: "a", data: 1, idempotencyKey: "k" }];
  within.push({ channel: "b", data: 1, idempotencyKey: "k" });
  for (const publications of [[{ channel: "x", data: 1 }, different], within]) {
    expect(await post("/api/batch", { publications })).toEqual([409, CONFLICT]);
  }
  expect(hub.published).toHaveLength(1);
});

test("a request that failed may be repeated with its key", async () => {
  const { hub, post } = publisherFixture();
  hub.fault = new Error("down");
  expect((await post("/api/publish", keyed))[0]).toBe(500);
  hub.fault = undefined;
  expect((await post("/api/publish", keyed))[0]).toBe(200);
  expect(hub.published).toHaveLength(1);
});
