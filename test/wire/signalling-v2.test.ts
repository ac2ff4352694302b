/** Version 2 of the signalling protocol (docs/protocol/signalling.md, section 6). */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { within } from "../support/deadline.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { eventPayload, pack, type Signal } from "../support/signalling-client.ts";
import { channelName, member, open, presence, unlimited } from "../support/signalling-room.ts";

setDefaultTimeout(60_000);

describe("version 2", () => {
  const file = new ConfigFile({
    namespaces: {
      open: { subscribe: "anyone", publish: "anyone", presence: "anyone" },
      silent: { subscribe: "anyone", publish: "nobody", presence: "nobody" },
      shut: { subscribe: "nobody", publish: "nobody", presence: "nobody" },
    },
  });
  afterAll(() => file[Symbol.dispose]());
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    CONFIG_FILE: file.path,
    MAX_CHANNELS_PER_CONNECTION: "3",
  }));
  const v = "2";
  const control = { t: "control" } as const;

  test("each request is answered once, with its number", async () => {
    const c = channelName();
    using ada = await open(gateway, "ada", { v });
    const pl = pack({ id: "ada" });
    ada.send({ ...control, op: "channel_join", c, pl, id: 0 });
    expect(await ada.next()).toEqual({ ...control, op: "channel_join", c, p: "" });
    expect(await ada.next()).toEqual({ ...control, op: "ack", c, p: "", id: 0 });
    expect(await ada.next()).toEqual({ ...control, op: "snapshot", c, p: "", ms: [] });
    const requests: Signal[] = [
      { ...control, op: "peer_online", c },
      { ...control, op: "peer_state", c, pl },
      { t: "data", c, pl },
      { ...control, op: "channel_join", c, pl },
      { ...control, op: "subscribe", c },
      { ...control, op: "peer_offline", c },
      { ...control, op: "subscribe", c },
      { t: "data", c, pl },
      { ...control, op: "unsubscribe", c },
    ];
    for (const [index, request] of requests.entries()) {
      ada.send({ ...request, id: 4_294_967_295 - index });
      if (request.op === "channel_join") {
        expect(await ada.next()).toEqual({ ...control, op: "channel_join", c, p: "" });
      }
      expect(await ada.next()).toEqual({
        ...{ ...control, op: "ack", c, p: "", id: 4_294_967_295 - index },
      });
    }
    ada.send({ ...control, op: "subscribe", c });
    ada.send({ ...control, op: "ping", id: 5 });
    expect(await ada.next()).toMatchObject({ op: "pong", id: 5 });
  });

  test("a ping is answered with the server's clock", async () => {
    using ada = await open(gateway, "ada", { v });
    const before = Date.now();
    ada.send({ ...control, op: "ping", id: 9, ts: 1 });
    ada.send({ ...control, op: "ping" });
    const first = await ada.next();
    expect(first).toEqual({ ...control, op: "pong", p: "", id: 9, ts: expect.any(Number) });
    expect(await ada.next()).toEqual({ ...control, op: "pong", p: "", ts: expect.any(Number) });
    expect(first.ts).toBeGreaterThanOrEqual(before);
    expect(first.ts).toBeLessThanOrEqual(Date.now());
  });

  test("each refusal has its number, and the request's number and channel", async () => {
    const c = channelName();
    using ada = await open(gateway, "ada", { v });
    await ada.join(c, undefined, 2);
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    const id = 3;
    const cases: [number, Uint8Array, { id?: number; c?: string }][] = [
      [120, Uint8Array.of(0x93, 1, 2, 3), {}],
      [120, new Uint8Array(), {}],
      [120, Buffer.concat([pack({ t: "data", c, id }), Uint8Array.of(0)]), { id, c }],
      [120, pack(Object.fromEntries([["__proto__", 1]])), {}],
      [122, pack({ t: "data", c, id, x: deep(40) }), { id, c }],
      [123, pack({ ...control, op: "channel_join", id }), { id }],
      [123, pack({ t: "data", c, pl: 7, id }), { id, c }],
      [123, pack({ t: "data", c, id: -1 }), { c }],
      [124, pack({ t: "datum", c, id }), { id, c }],
      [124, pack({ ...control, op: "publish", c, id }), { id, c }],
      [125, pack({ t: "data", c: "c".repeat(256), id }), { id }],
      [125, pack({ ...control, op: "auth", tk: "t".repeat(8_193), id }), { id }],
      [128, pack({ ...control, op: "peer_state", c, pl: Buffer.from([1]), id }), { id, c }],
      [128, pack({ ...control, op: "peer_state", c, pl: pack({ x: deep(33) }), id }), { id, c }],
      [129, pack({ t: "data", c: "elsewhere", id }), { id, c: "elsewhere" }],
      [129, pack({ ...control, op: "peer_online", c: "elsewhere", id }), { id, c: "elsewhere" }],
      [129, pack({ ...control, op: "unsubscribe", c: "elsewhere", id }), { id, c: "elsewhere" }],
      [203, pack({ ...control, op: "subscribe", c: "shut:x", id }), { id, c: "shut:x" }],
      [203, pack({ ...control, op: "channel_join", c: "silent:x", id }), { id, c: "silent:x" }],
    ];
    for (const [code, bytes, read] of cases) {
      ada.sendBytes(bytes);
      const answer = await ada.next();
      expect(answer).toEqual({
        ...control,
        op: "error",
        p: "",
        code,
        msg: expect.any(String),
        ...read,
      });
    }
    ada.send({ ...control, op: "subscribe", c: "silent:x", id: 1 });
    expect(await ada.next()).toMatchObject({ op: "ack", id: 1 });
    ada.send({ t: "data", c: "silent:x", id: 2, pl: pack({}) });
    expect(await ada.next()).toMatchObject({ op: "error", id: 2, code: 203, c: "silent:x" });
  });

  const tooMuch: [string, number, (c: string) => Signal][] = [
    ["a message", 121, (c) => ({ t: "data", c, pl: Buffer.alloc(70_000) })],
    ["a payload", 126, (c) => ({ t: "data", c, pl: Buffer.alloc(65_537) })],
    [
      ...(["a state", 127] as const),
      (c) => ({ ...control, op: "peer_state", c, pl: pack({ id: "x".repeat(4_096) }) }),
    ],
  ];
  test.each(tooMuch)(
    "%s that is too large is refused with %i, and closes",
    async (_what, code, signal) => {
      const c = channelName();
      using witness = await member(gateway, "witness", c);
      for (const [version, closing] of [
        [1, 1013],
        [2, 4005],
      ] as const) {
        using ada = await member(gateway, "ada", c, version);
        ada.send({ ...signal(c), id: 1 });
        if (version === 2) expect(await ada.next()).toMatchObject({ op: "error", code });
        expect((await within(ada.ended, "close frame")).code).toBe(closing);
        expect(ada.unread()).toEqual([]);
        expect(await witness.next()).toMatchObject({ op: "peer_offline", p: "ada" });
      }
    },
  );

  test("a channel too many is refused with 204, and closes", async () => {
    using ada = await open(gateway, "ada", { v });
    for (const number of [1, 2, 3]) {
      ada.send({ ...control, op: "subscribe", c: `open:${number}`, id: number });
      expect(await ada.next()).toMatchObject({ op: "ack", id: number });
    }
    ada.send({ ...control, op: "subscribe", c: "open:4", id: 4 });
    expect(await ada.next()).toMatchObject({ op: "error", id: 4, code: 204, c: "open:4" });
    expect((await within(ada.ended, "close frame")).code).toBe(4005);
  });

  test("who subscribes hears data and may publish, but is no member", async () => {
    const c = channelName();
    using bob = await member(gateway, "bob", c, 2);
    using ada = await open(gateway, "ada", { v });
    ada.send({ ...control, op: "subscribe", c, id: 1 });
    expect(await ada.next()).toEqual({ ...control, op: "ack", c, p: "", id: 1 });
    bob.send({ ...control, op: "peer_online", c });
    bob.send({ ...control, op: "peer_state", c, pl: pack({ id: "bob" }) });
    bob.send({ t: "data", c, pl: eventPayload("e", "1") });
    expect(await ada.next()).toEqual({ t: "data", c, p: "bob", pl: eventPayload("e", "1") });
    ada.send({ ...control, op: "peer_online", c, id: 2 });
    expect(await ada.next()).toMatchObject({ op: "error", code: 129, id: 2 });
    expect((await presence(gateway, c)).stats.members).toBe(1);
    ada.send({ t: "data", c, pl: eventPayload("e", "2"), id: 3 });
    expect(await ada.next()).toEqual({ ...control, op: "ack", c, p: "", id: 3 });
    expect(await bob.next()).toEqual({ t: "data", c, p: "ada", pl: eventPayload("e", "2") });

    ada.send({ ...control, op: "channel_join", c });
    expect(await ada.next()).toMatchObject({ op: "channel_join" });
    const { ms } = await ada.next();
    expect(ms).toEqual([{ p: "bob", pl: pack({ id: "bob" }), since: expect.any(Number) }]);
    bob.send({ ...control, op: "peer_state", c, pl: pack({ id: "bob", x: 2 }) });
    expect(await ada.next()).toMatchObject({ op: "peer_state", p: "bob" });
    bob.send({ t: "data", c, pl: eventPayload("e", "3") });
    expect(await ada.next()).toMatchObject({ t: "data", p: "bob" });
    ada.send({ ...control, op: "unsubscribe", c, id: 4 });
    expect(await ada.next()).toMatchObject({ op: "ack", id: 4 });
    expect(await bob.next()).toEqual({ ...control, op: "peer_offline", c, p: "ada" });
  });

  test("a snapshot lists every other member once, page after page", async () => {
    const c = channelName();
    const filler = "x".repeat(3_900);
    const peers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        member(
          gateway,
          `peer-${index}`,
          c,
          1,
          index % 2 === 0 ? { id: `${index}`, filler } : undefined,
        ),
      ),
    );
    const before = Date.now();
    using ada = await open(gateway, "ada", { v });
    ada.send({ ...control, op: "channel_join", c, id: 1 });
    expect((await ada.next()).op).toBe("channel_join");
    expect((await ada.next()).op).toBe("ack");
    const pages = [await ada.next()];
    while (pages.at(-1)?.more === true) pages.push(await ada.next());
    expect(pages.length).toBeGreaterThan(1);
    for (const page of pages) {
      expect(page).toMatchObject({ ...control, op: "snapshot", c, p: "" });
      expect(pack(page).length).toBeLessThanOrEqual(69_632);
    }
    const listed = pages.flatMap(({ ms = [] }) => ms);
    const expected = new Set(Array.from({ length: 40 }, (_, index) => `peer-${index}`));
    expect(new Set(listed.map(({ p }) => p))).toEqual(expected);
    expect(listed.length).toBe(40);
    for (const { p, pl, since } of listed) {
      const number = Number(p.slice(5));
      expect(pl).toEqual(number % 2 === 0 ? pack({ id: `${number}`, filler }) : undefined);
      expect(since).toBeLessThanOrEqual(before);
    }
    for (const peer of peers) peer[Symbol.dispose]();
  });

  test("a snapshot and the signals after it together are the truth while all come and go", async () => {
    const c = channelName();
    let isOver = false;
    const churn = Array.from({ length: 6 }, async (_, index) => {
      while (!isOver) {
        using peer = await member(gateway, `churn-${index}`, c, 1, { id: `${index}` });
        peer.send({ ...control, op: "peer_online", c });
        peer.close();
        await peer.ended;
      }
    });
    const watchers = [];
    for (let round = 0; round < 10; round++) {
      const watcher = await open(gateway, `watcher-${round}`, { v });
      watcher.send({ ...control, op: "channel_join", c });
      watchers.push(watcher);
      await Bun.sleep(5);
    }
    isOver = true;
    await Promise.all(churn);
    await gateway.post("/api/publish", { channel: c, event: "mark", data: 1 });
    for (const watcher of watchers) {
      const known = new Set<string>();
      for (;;) {
        const signal = await watcher.next();
        if (signal.t === "data") break;
        if (signal.op === "snapshot") for (const { p } of signal.ms ?? []) known.add(p);
        if (signal.op === "peer_online") known.add(signal.p ?? "");
        if (signal.op === "peer_offline") known.delete(signal.p ?? "");
      }
      expect([...known].filter((name) => name.startsWith("churn"))).toEqual([]);
      watcher[Symbol.dispose]();
    }
  });
});
