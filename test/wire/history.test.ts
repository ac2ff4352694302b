/** What channels keep, as backends see it over real TLS connections. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { httpsCall } from "../support/https.ts";
import { pack, SignallingClient } from "../support/signalling-client.ts";

setDefaultTimeout(60_000);

const file = new ConfigFile({
  namespaces: {
    log: {
      subscribe: "anyone",
      publish: "anyone",
      presence: "anyone",
      historySize: 5,
      historyTtl: 60,
    },
    brief: { historySize: 5, historyTtl: 1 },
    plain: { subscribe: "anyone" },
  },
});
afterAll(() => file[Symbol.dispose]());

const POSITION = /^[\w-]+\.[1-9]\d*$/;

describe.each([
  ["one process", {}],
  ["two workers", { CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" }],
])("with %s", (_name, environment) => {
  const fixture = new GatewayFixture(() => ({
    CONFIG_FILE: file.path,
    CONNECT_RATE_PER_ADDRESS: "0",
    ...environment,
  }));

  /** On a connection of its own, so that any worker answers. */
  const get = (query: string) => {
    const { publisherUrl, ca } = fixture.process;
    const headers = { connection: "close" };
    return httpsCall(`${publisherUrl}/api/history?${query}`, ca, { headers });
  };
  const page = async (query: string) => {
    const answer = await get(query);
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    return JSON.parse(answer.text);
  };
  const publish = async (channel: string, data: unknown, more: object = {}) =>
    JSON.parse(await fixture.post("/api/publish", { channel, data, ...more }));

  test("a publication has the position at which every worker shows it", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    const answers = [];
    for (const data of [1, { two: 2 }, null]) answers.push(await publish(channel, data));
    const positions = answers.map(({ position }) => position);
    for (const position of positions) expect(position).toMatch(POSITION);
    for (let attempt = 0; attempt < 6; attempt++) {
      const { publications, ...rest } = await page(`channel=${channel}`);
      const last = positions.at(-1);
      expect(rest).toEqual({ ok: true, channel, position: last, complete: true, more: false });
      expect(publications.map(Object.keys)).toEqual(
        Array(3).fill(["position", "time", "event", "data", "publisher"]),
      );
      expect(publications).toMatchObject([
        { position: positions[0], event: "message", data: 1, publisher: null },
        { position: positions[1], event: "message", data: { two: 2 } },
        { position: positions[2], event: "message", data: null },
      ]);
    }
  });

  test("pages go forward and backward from a position", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    for (const data of [1, 2, 3, 4]) await publish(channel, data);
    const dataOf = ({ publications }: { publications: { data: unknown }[] }) =>
      publications.map(({ data }) => data);
    const first = await page(`channel=${channel}&limit=3`);
    expect([dataOf(first), first.more]).toEqual([[1, 2, 3], true]);
    const { position: since } = first.publications[2];
    const rest = await page(`channel=${channel}&since=${since}`);
    expect([dataOf(rest), rest.more, rest.complete]).toEqual([[4], false, true]);
    expect(dataOf(await page(`channel=${channel}&reverse=true&limit=2`))).toEqual([4, 3]);
    const before = await page(`channel=${channel}&reverse=true&since=${since}`);
    expect(dataOf(before)).toEqual([2, 1]);
  });

  test("what is gone is not concealed, be it too many or too old", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    const { position } = await publish(channel, 0);
    for (const data of [1, 2, 3, 4, 5, 6]) await publish(channel, data);
    expect((await page(`channel=${channel}&since=${position}`)).complete).toBe(false);
    const foreign = await page(`channel=${channel}&since=elsewhere.1`);
    expect([foreign.complete, foreign.publications.length]).toEqual([false, 5]);

    const brief = `brief:${crypto.randomUUID()}`;
    await publish(brief, 1);
    const started = performance.now();
    const gone = async () => (await page(`channel=${brief}`)).publications.length === 0;
    while (!(await gone()) && performance.now() - started < 20_000) await Bun.sleep(50);
    expect(await page(`channel=${brief}`)).toMatchObject({ publications: [], complete: false });
  });

  test("a key gets the first position again, whichever worker is asked", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    const request = { idempotencyKey: crypto.randomUUID() };
    const first = await publish(channel, 1, request);
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(await publish(channel, 1, request)).toEqual(first);
    }
    expect((await page(`channel=${channel}`)).publications).toHaveLength(1);
  });

  test("broadcasts and batches say where each channel stands", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    const broadcast = { channels: ["plain:a", channel], data: 1 };
    const { positions } = JSON.parse(await fixture.post("/api/broadcast", broadcast));
    expect(positions).toEqual({ [channel]: expect.stringMatching(POSITION) });
    const publications = [
      { channel, data: 2 },
      { channel: "plain:a", data: 3 },
    ];
    const { results } = JSON.parse(await fixture.post("/api/batch", { publications }));
    expect(results).toEqual([
      { subscribers: 0, position: expect.stringMatching(POSITION) },
      { subscribers: 0 },
    ]);
    expect((await page(`channel=${channel}`)).publications).toMatchObject([
      { position: positions[channel], data: 1 },
      { position: results[0].position, data: 2 },
    ]);
  });

  test("what clients publish is kept with its publisher, and bytes are base64", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    const { clients, process } = fixture;
    const socket = await clients.connected({ query: { uniqueUserId: crypto.randomUUID() } });
    const data = { bytes: Buffer.from([1, 2, 3]), n: 1 };
    expect(await socket.emitWithAck("publish", { channel, event: "e", data })).toMatchObject({
      ok: true,
    });
    using peer = await SignallingClient.open(process, { id: "ada", v: "2" });
    await peer.join(channel, undefined, 2);
    peer.send({ t: "data", c: channel, pl: pack({ event: "s", data: '{"m":2}' }), id: 1 });
    expect((await peer.nextOf("ack")).id).toBe(1);
    expect((await page(`channel=${channel}`)).publications).toMatchObject([
      { event: "e", data: { bytes: "AQID", n: 1 } },
      { event: "s", data: { m: 2 }, publisher: "ada" },
    ]);
  });

  test("a channel that keeps nothing has no position", async () => {
    const answer = await publish("plain:a", 1);
    expect(answer).not.toHaveProperty("position");
    expect(await page("channel=plain:a")).toEqual({
      ok: true,
      channel: "plain:a",
      position: null,
      publications: [],
      complete: false,
      more: false,
    });
  });

  test("a question that makes no sense is refused with its number", async () => {
    for (const query of [
      "",
      "channel=log:a&since=5",
      "channel=log:a&limit=0",
      "channel=log:a&x=1",
    ]) {
      expect(refusal(await get(query))).toEqual([400, 101, "invalid_request"]);
    }
    expect(refusal(await get("channel=log:a&app=nowhere"))).toEqual([404, 106, "unknown_app"]);
  });

  test("what is kept is counted", async () => {
    const channel = `log:${crypto.randomUUID()}`;
    await publish(channel, "x".repeat(1_000));
    const { publisherUrl, ca } = fixture.process;
    const { history } = JSON.parse((await httpsCall(`${publisherUrl}/api/stats`, ca)).text);
    expect(history.bytes).toBeGreaterThan(1_000);
    expect(history.channels).toBeGreaterThan(0);
    const { text } = await httpsCall(`${publisherUrl}/metrics`, ca);
    expect(text).toMatch(/^starling_history_publications_total [1-9]\d*$/m);
    expect(text).toMatch(/^starling_history_evictions_total 0$/m);
  });
});

describe("a node with little room", () => {
  const fixture = new GatewayFixture(() => ({
    CONFIG_FILE: file.path,
    HISTORY_MAX_BYTES: "65536",
  }));

  test("forgets whole channels, and says so", async () => {
    const publish = async (channel: string) =>
      JSON.parse(await fixture.post("/api/publish", { channel, data: "x".repeat(20_000) }));
    const { position } = await publish("log:first");
    for (const n of [1, 2, 3, 4]) await publish(`log:${n}`);
    const { publisherUrl, ca } = fixture.process;
    for (const query of ["channel=log:first", `channel=log:first&since=${position}`]) {
      const { text } = await httpsCall(`${publisherUrl}/api/history?${query}`, ca);
      expect(JSON.parse(text)).toMatchObject({ publications: [], complete: false });
    }
    const stats = JSON.parse((await httpsCall(`${publisherUrl}/api/stats`, ca)).text);
    expect(stats.history.evictions).toBeGreaterThan(0);
    expect(stats.history.bytes).toBeLessThanOrEqual(65_536);
  });
});
