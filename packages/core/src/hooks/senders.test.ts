import { describe, expect, test } from "bun:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeHttpClient } from "../testing/fake-http-client.ts";
import { bodyOf, heldAnswer, hookConfig, hookSettings } from "../testing/hook-receiver.ts";
import { RecordingLog } from "../testing/recording-log.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { turn } from "../testing/turn.ts";
import type { HookSettings } from "./config.ts";
import { HookSenders } from "./senders.ts";

/** Senders whose receivers are the test; events are told by the channels that they are about. */
function sendersUnderTest(
  urls: readonly string[] = ["https://a.example/"],
  more: Partial<HookSettings> = {},
) {
  const [clock, http] = [new FakeClock(), new FakeHttpClient()];
  http.respond(200, "");
  const senders = new HookSenders(
    {
      ...{ clock, http, random: new SeededRandom(), log: new RecordingLog(), node: "" },
      settings: { ...hookSettings, ...more },
    },
    new Map([["default", urls.map((url) => hookConfig({ url, events: new Set(["occupied"]) }))]]),
  );
  const settled: string[] = [];
  const tell = (...channels: string[]) => {
    for (const channel of channels) {
      const event = { type: "occupied", app: "default", channel } as const;
      senders.tell(
        event,
        () => channel,
        0,
        () => settled.push(channel),
      );
    }
  };
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(50);
      await turn();
    }
  };
  const sent = () => http.requests.map((request) => bodyOf(request).events.map(({ id }) => id));
  return { senders, http, settled, tell, pass, sent };
}

describe("an event is settled", () => {
  test("when every hook that wants it has it", async () => {
    const { http, settled, tell, pass } = sendersUnderTest([
      "https://a.example/",
      "https://b.example/",
    ]);
    const held = heldAnswer();
    http.answer = ({ url }) =>
      url.includes("b.") ? held.promise : Promise.resolve({ status: 200, body: "" });
    tell("x");
    await pass(100);
    expect(settled).toEqual([]);
    held.resolve({ status: 200, body: "" });
    await pass(50);
    expect(settled).toEqual(["x"]);
  });

  test("when it is refused, when there is no room for it, when it is too old, and when its hook is no more", async () => {
    const { senders, http, settled, tell, pass } = sendersUnderTest(undefined, {
      queueEvents: 2,
      maxAgeMs: 10_000,
    });
    http.respond(400, "");
    tell("refused");
    await pass(100);
    expect(settled).toEqual(["refused"]);
    http.respond(503, "");
    tell("first", "second", "third");
    expect(settled).toEqual(["refused", "first"]);
    await pass(30_000);
    expect(settled).toEqual(["refused", "first", "second", "third"]);
    tell("last");
    senders.configure(new Map());
    expect(settled.at(-1)).toBe("last");
  });

  test("at once where no hook wants it", () => {
    const { settled, senders } = sendersUnderTest();
    const event = { type: "vacated", app: "default", channel: "x" } as const;
    senders.tell(
      event,
      () => "",
      0,
      () => settled.push("x"),
    );
    expect(settled).toEqual(["x"]);
  });
});

describe("senders that are paused", () => {
  test("begin no request, and go on with what waits", async () => {
    const { senders, tell, pass, sent } = sendersUnderTest();
    senders.pause(true);
    tell("x");
    await pass(1_000);
    expect(sent()).toEqual([]);
    senders.pause(false);
    await pass(100);
    expect(sent()).toEqual([["x"]]);
  });

  test("do not try again what has failed meanwhile", async () => {
    const { senders, http, tell, pass, sent } = sendersUnderTest();
    http.respond(503, "");
    tell("x");
    await pass(100);
    senders.pause(true);
    await pass(5_000);
    expect(sent()).toHaveLength(1);
  });

  test("are idle when the request that is under way has ended", async () => {
    const { senders, http, tell, pass } = sendersUnderTest();
    const held = heldAnswer();
    http.answer = () => held.promise;
    tell("x");
    await pass(100);
    senders.pause(true);
    let isIdle = false;
    const idle = senders.idle().then(() => {
      isIdle = true;
    });
    await pass(500);
    expect(isIdle).toBe(false);
    held.resolve({ status: 200, body: "" });
    await idle;
  });
});

test("what was cleared is not sent, nor settled by an answer that comes late", async () => {
  const { senders, http, settled, tell, pass, sent } = sendersUnderTest();
  const held = heldAnswer();
  http.answer = () => held.promise;
  tell("under way");
  await pass(100);
  tell("waits");
  senders.clear();
  http.respond(200, "");
  tell("new");
  held.resolve({ status: 503, body: "" });
  await pass(1_000);
  expect(sent()).toEqual([["under way"], ["new"]]);
  expect(settled).toEqual(["new"]);
});

test("senders know which events any hook of an app is for", () => {
  const { senders } = sendersUnderTest();
  expect([senders.wants("default", "occupied"), senders.wants("default", "join")]).toEqual([
    true,
    false,
  ]);
  expect(senders.wants("other", "occupied")).toBe(false);
});
