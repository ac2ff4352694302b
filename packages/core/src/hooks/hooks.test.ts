import { describe, expect, test } from "bun:test";
import { ChannelPattern } from "../auth/channel-pattern.ts";
import { bodyOf, heldAnswer, hookConfig, hooksUnderTest } from "../testing/hook-receiver.ts";

const member = (connection: string, user?: string) => ({
  connection,
  clientId: `client of ${connection}`,
  user,
  state: undefined,
  since: 0,
});

describe("an event", () => {
  test("says what happened, where and when, with an id of its own", async () => {
    const { hooks, http, clock, pass } = hooksUnderTest({ node: "eu-1" });
    const time = clock.now();
    hooks.opened("default", "room");
    hooks.joined("default", "room", member("c1", "ada"));
    hooks.left("default", "room", member("c1"));
    hooks.connected("default", "c2", "ben");
    hooks.disconnected("default", "c2", undefined);
    await pass(100);
    const [request] = http.requests;
    if (request === undefined) throw new Error("nothing was sent");
    const id = expect.any(String);
    const body = bodyOf(request);
    expect(body).toEqual({
      app: "default",
      node: "eu-1",
      time: time + 100,
      dropped: 0,
      events: [
        { id, type: "occupied", time, channel: "room" },
        {
          ...{ id, type: "join", time, channel: "room" },
          ...{ connection: "c1", clientId: "client of c1", user: "ada" },
        },
        {
          ...{ id, type: "leave", time, channel: "room" },
          ...{ connection: "c1", clientId: "client of c1", user: null },
        },
        { id, type: "connect", time, connection: "c2", user: "ben" },
        { id, type: "disconnect", time, connection: "c2", user: null },
      ],
    });
    const ids = body.events.map((event) => event.id);
    expect(ids.map((text) => text.split(".")[1])).toEqual(["1", "2", "3", "4", "5"]);
    expect(new Set(ids.map((text) => text.split(".")[0])).size).toBe(1);
  });

  test("has another id in every run of the node", async () => {
    const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
    const ids = await Promise.all(
      [1, 2].map(async () => {
        const { hooks, http, pass } = hooksUnderTest({ random });
        hooks.opened("default", "room");
        await pass(100);
        return http.requests.map((request) => bodyOf(request).events[0]?.id);
      }),
    );
    expect(ids[0]).not.toEqual(ids[1]);
  });

  test("goes to every hook of its app that wants it, with the same id", async () => {
    const { hooks, http, pass } = hooksUnderTest({
      hooks: new Map([
        [
          "default",
          [
            hookConfig({ url: "https://a.example/", events: new Set(["occupied", "connect"]) }),
            hookConfig({
              url: "https://b.example/",
              channels: [new ChannelPattern("chat:*"), new ChannelPattern("news")],
            }),
          ],
        ],
        ["shop", [hookConfig({ url: "https://c.example/" })]],
      ]),
    });
    hooks.opened("default", "chat:1");
    hooks.opened("default", "other");
    hooks.joined("default", "chat:1", member("c1"));
    hooks.connected("default", "c1", undefined);
    hooks.opened("shop", "chat:1");
    hooks.opened("nobody's", "chat:1");
    hooks.joined("nobody's", "chat:1", member("c1"));
    await pass(100);
    const sent = http.requests.map((request) => {
      const { app, events } = bodyOf(request);
      const what = events.map(({ id, type, channel = "" }) => {
        return `${id.split(".")[1]} ${type} ${channel}`.trim();
      });
      return [request.url, app, ...what];
    });
    expect(sent).toEqual([
      ["https://a.example/", "default", "1 occupied chat:1", "2 occupied other", "4 connect"],
      ["https://b.example/", "default", "1 occupied chat:1", "3 join chat:1", "4 connect"],
      ["https://c.example/", "shop", "5 occupied chat:1"],
    ]);
  });

  test("of a channel that nobody came back to is sent after a while, and of others never", async () => {
    const { hooks, pass, batches } = hooksUnderTest();
    for (const channel of ["left", "back"]) hooks.opened("default", channel);
    for (const channel of ["left", "back"]) hooks.closed("default", channel);
    await pass(2_000);
    hooks.opened("default", "back");
    await pass(2_000);
    expect(batches()).toEqual([["occupied left", "occupied back"], ["vacated left"]]);
  });
});

describe("another configuration", () => {
  test("signs with the new secrets from the next request on, and keeps what waits", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest();
    hooks.opened("default", "x");
    const secrets = ["a new secret of it", "a secret of the hook"];
    hooks.configure(new Map([["default", [hookConfig({ secrets })]]]));
    await pass(100);
    const { "starling-signature": signature = "" } = http.requests[0]?.options.headers ?? {};
    expect(signature.split(",v1=")).toHaveLength(3);
    expect(batches()).toEqual([["occupied x"]]);
    expect(hooks.counts).toMatchObject([{ app: "default", hook: 0, delivered: 1 }]);
  });

  test("goes by the new events and channels", async () => {
    const { hooks, pass, batches } = hooksUnderTest();
    hooks.configure(new Map([["default", [hookConfig({ events: new Set(["join"]) })]]]));
    hooks.opened("default", "x");
    hooks.joined("default", "x", member("c1"));
    await pass(100);
    expect(batches()).toEqual([["join x"]]);
  });

  test("without a hook ends it, and says what that lost", async () => {
    const { hooks, http, log, pass } = hooksUnderTest();
    hooks.opened("default", "x");
    hooks.configure(new Map());
    hooks.opened("default", "y");
    await pass(10_000);
    expect(http.requests).toEqual([]);
    expect(hooks.counts).toEqual([]);
    expect(log.lines.map(({ level, fields }) => [level, fields])).toEqual([
      ["warn", { app: "default", hook: 0, events: 1 }],
    ]);
  });
});

describe("a stop", () => {
  test("sends at once what waits, and what is about to be vacated", async () => {
    const { hooks, pass, batches } = hooksUnderTest();
    hooks.opened("default", "x");
    hooks.closed("default", "x");
    const drained = hooks.drain();
    await pass(1, 1);
    await drained;
    expect(batches()).toEqual([["occupied x", "vacated x"]]);
  });

  test("with nothing to send is over at once", async () => {
    const { hooks, http } = hooksUnderTest();
    await hooks.drain();
    expect(http.requests).toEqual([]);
  });

  test("sends all of it, however many requests that takes", async () => {
    const { hooks, pass, batches, log } = hooksUnderTest();
    for (let n = 0; n < 35; n++) hooks.opened("default", String(n));
    const drained = hooks.drain();
    await pass(1, 1);
    for (let n = 0; n < 10; n++) await pass(1, 1);
    await drained;
    expect(batches().map(({ length }) => length)).toEqual([10, 10, 10, 5]);
    expect(log.lines).toEqual([]);
  });

  test("tries a receiver that fails until its time is over, then counts and says what is left", async () => {
    const { hooks, http, log, pass } = hooksUnderTest({ settings: { drainMs: 5_000 } });
    http.respond(503, "");
    for (let n = 0; n < 3; n++) hooks.opened("default", String(n));
    await pass(100);
    let isDrained = false;
    const drained = hooks.drain().then(() => {
      isDrained = true;
    });
    await pass(4_900);
    expect(isDrained).toBe(false);
    // A pause that grows as usual would leave three.
    expect(http.requests.length).toBeGreaterThan(5);
    await pass(150);
    await drained;
    expect(hooks.counts).toMatchObject([{ dropped: 3, delivered: 0 }]);
    expect(log.lines.at(-1)).toMatchObject({
      level: "warn",
      fields: { app: "default", hook: 0, events: 3 },
    });
    const { length } = http.requests;
    await pass(10_000);
    expect(http.requests.length).toBe(length);
  });

  test("is not held up by a request that gets no answer, and nothing follows from it later", async () => {
    const { hooks, http, pass } = hooksUnderTest({ settings: { drainMs: 1_000 } });
    const held = heldAnswer();
    http.answer = () => held.promise;
    hooks.opened("default", "x");
    await pass(100);
    const drained = hooks.drain();
    await pass(1_000);
    await drained;
    held.resolve({ status: 500, body: "" });
    hooks.opened("default", "y");
    await pass(10_000);
    expect(http.requests).toHaveLength(1);
    expect(hooks.counts).toMatchObject([{ dropped: 2, retries: 0, delivered: 0 }]);
  });

  test("does not wait for the pause of a receiver that has failed", async () => {
    const { hooks, http, pass, batches } = hooksUnderTest();
    http.answer = async () => ({ status: 429, body: "", retryAfter: "300" });
    hooks.opened("default", "x");
    await pass(100);
    http.respond(200, "");
    const drained = hooks.drain();
    await pass(1, 1);
    await drained;
    expect(batches()).toEqual([["occupied x"], ["occupied x"]]);
  });
});
