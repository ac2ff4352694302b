import { expect, test } from "bun:test";
import type { AppConfig } from "@starling/core/hub/namespace.ts";
import { defaultNamespace } from "@starling/core/hub/namespace.ts";
import { historySchema } from "./schemas.ts";
import { publisherFixture, refusalBody, twoPublishers } from "./testing/publisher-fixture.ts";

const chat = { ...defaultNamespace, history: { size: 5, ttlMs: 60_000 } };
const apps = new Map<string, AppConfig>([["default", { namespaces: new Map([["chat", chat]]) }]]);
const POSITION = expect.stringMatching(/^[\w-]{8}\.\d+$/);

function fixture() {
  const publisher = publisherFixture({ apps });
  const page = async (query: string) => {
    const { status, text } = await publisher.call(`/api/history?${query}`);
    expect([status, text]).toEqual([200, expect.any(String)]);
    return historySchema.parse(JSON.parse(text));
  };
  const publish = async (channel: string, data: unknown) => {
    const [, answer] = await publisher.post("/api/publish", { channel, data });
    return (answer as { position: string }).position;
  };
  return { ...publisher, page, publish };
}

test("a publication is answered with its position where the channel keeps history", async () => {
  const { post, publish } = fixture();
  const first = await publish("chat:a", 1);
  expect(first).toEqual(POSITION);
  expect(Number((await publish("chat:b", 1)).split(".")[1])).toBe(2);
  expect(await post("/api/publish", { channel: "plain", data: 1 })).toEqual([
    200,
    { ok: true, subscribers: 3 },
  ]);
});

test("a repeated request gets the position of the first", async () => {
  const { post, page } = fixture();
  const request = { channel: "chat:a", data: 1, idempotencyKey: "k" };
  const first = await post("/api/publish", request);
  expect(first).toEqual([200, { ok: true, subscribers: 1, position: POSITION }]);
  expect(await post("/api/publish", request)).toEqual(first);
  expect((await page("channel=chat:a")).publications).toHaveLength(1);
});

test("a broadcast is answered with the positions by channel, of those that keep history", async () => {
  const { post } = fixture();
  const channels = ["plain", "chat:b", "chat:a", "chat:b"];
  const [, answer] = await post("/api/broadcast", { channels, data: 1 });
  const { positions } = answer as { positions: Record<string, string> };
  expect(positions).toEqual({ "chat:b": POSITION, "chat:a": POSITION });
  expect(Object.values(positions).map((text) => text.split(".")[1])).toEqual(["1", "2"]);
  const [, plain] = await post("/api/broadcast", { channels: ["plain"], data: 1 });
  expect(plain).not.toHaveProperty("positions");
});

test("a batch is answered with the position of each", async () => {
  const { post } = fixture();
  const publications = ["chat:a", "plain", "chat:a"].map((channel) => ({ channel, data: 1 }));
  expect(await post("/api/batch", { publications })).toEqual([
    200,
    {
      ok: true,
      results: [
        { subscribers: 1, position: POSITION },
        { subscribers: 2 },
        { subscribers: 3, position: POSITION },
      ],
    },
  ]);
});

test("a page says what was published, when and by whom, with the data as it came", async () => {
  const { post, call, publish } = fixture();
  const position = await publish("chat:a", { n: 1 });
  await post("/api/publish", { channel: "chat:a", event: "e", data: null, publisher: "shop" });
  await call("/api/publish", {
    body: '{"channel":"chat:a","data":{ "big": 12345678901234567890 }}',
  });
  const { text } = await call("/api/history?channel=chat:a");
  expect(text).toContain('"data":{ "big": 12345678901234567890 },');
  const { publications, ...page } = JSON.parse(text);
  expect(page).toEqual({
    ok: true,
    channel: "chat:a",
    position: publications[2].position,
    complete: true,
    more: false,
  });
  const time = expect.any(Number);
  expect(publications.slice(0, 2)).toEqual([
    { position, time, event: "message", data: { n: 1 }, publisher: null },
    { position: POSITION, time, event: "e", data: null, publisher: "shop" },
  ]);
});

test("pages follow one another with the last position, in both directions", async () => {
  const { page, publish } = fixture();
  for (const n of [1, 2, 3, 4]) await publish("chat:a", n);
  for (const [reverse, order] of [
    ["false", [1, 2, 3, 4]],
    ["true", [4, 3, 2, 1]],
  ] as const) {
    const first = await page(`channel=chat:a&limit=3&reverse=${reverse}`);
    expect(first.publications.map(({ data }) => data)).toEqual(order.slice(0, 3));
    expect([first.complete, first.more]).toEqual([true, true]);
    const since = first.publications.at(-1)?.position;
    const second = await page(`channel=chat:a&limit=3&reverse=${reverse}&since=${since}`);
    expect(second.publications.map(({ data }) => data)).toEqual(order.slice(3));
    expect([second.complete, second.more]).toEqual([true, false]);
  }
});

test("what is not kept any more makes a page incomplete", async () => {
  const { page, publish } = fixture();
  const first = await publish("chat:a", 1);
  for (const n of [2, 3, 4, 5, 6]) await publish("chat:a", n);
  expect((await page(`channel=chat:a&since=${first}`)).complete).toBe(true);
  await publish("chat:a", 7);
  expect(await page(`channel=chat:a&since=${first}`)).toMatchObject({
    complete: false,
    publications: [3, 4, 5, 6, 7].map((data) => ({ data })),
  });
  expect((await page("channel=chat:a&since=another.1")).complete).toBe(false);
});

test("a channel that keeps no history has no position", async () => {
  const { page, publish } = fixture();
  await publish("plain", 1);
  expect(await page("channel=plain")).toEqual({
    ok: true,
    channel: "plain",
    position: null,
    publications: [],
    complete: false,
    more: false,
  });
  expect((await page("channel=chat:new")).position).toEqual(POSITION);
});

test("every worker of a node answers with the same history", async () => {
  const [a, b] = twoPublishers({ apps });
  await a.post("/api/publish", { channel: "chat:a", data: 1 });
  await b.post("/api/publish", { channel: "chat:a", data: 2 });
  const [one, other] = await Promise.all(
    [a, b].map(async ({ call }) => (await call("/api/history?channel=chat:a")).text),
  );
  expect(JSON.parse(one ?? "").publications).toHaveLength(2);
  expect(other).toBe(one);
});

for (const [fault, query] of [
  ["since: is no position, such as 8fJ2kQ.17", "channel=chat:a&since=12"],
  ["limit: Too big: expected number to be <=1000", "channel=chat:a&limit=1001"],
  ["reverse: ", "channel=chat:a&reverse=1"],
  ["channel: ", ""],
  ["a query parameter is given twice", "channel=chat:a&channel=chat:b"],
  ["back: unknown field", "channel=chat:a&back=1"],
] as const) {
  test(`?${query} is refused: ${fault}`, async () => {
    const { call } = fixture();
    const { status, text } = await call(`/api/history?${query}`);
    const message = expect.stringContaining(fault);
    expect([status, JSON.parse(text)]).toEqual([400, refusalBody(101, "invalid_request", message)]);
  });
}

test("an app that is not configured has no history", async () => {
  const { status } = await fixture().call("/api/history?channel=chat:a&app=nowhere");
  expect(status).toBe(404);
});
