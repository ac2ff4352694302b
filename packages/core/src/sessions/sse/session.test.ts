import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { Counters } from "../../hub/counters.ts";
import { Hub } from "../../hub/hub.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeNetwork } from "../../testing/fake-network.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { sseFormat } from "./format.ts";
import { SseSession, type TextStream } from "./session.ts";

const LIMIT = 1_000;

/** A response whose client takes what was written when the test says so. */
class FakeStream implements TextStream {
  text = "";
  waiting = "";
  state: "open" | "closed" | "aborted" = "open";

  write(text: string): void {
    if (this.state !== "open") throw new TypeError("the stream is not open");
    this.waiting += text;
  }

  get bufferedAmount(): number {
    return this.waiting.length;
  }

  take(): void {
    this.text += this.waiting;
    this.waiting = "";
  }

  close(): void {
    this.state = "closed";
  }

  abort(): void {
    this.state = "aborted";
    this.waiting = "";
  }
}

function setUp(expiresAt?: number, maxChannels?: number, channels = ["a"]) {
  const clock = new FakeClock();
  const counters = new Counters();
  const apps = new Map([
    ["default", { namespaces: new Map(), ...(maxChannels === undefined ? {} : { maxChannels }) }],
  ]);
  const hub = new Hub({
    ...LocalNode.alone({ clock, apps }),
    fanout: new FakeNetwork(),
    clock,
    random: new SeededRandom(),
    counters,
    apps,
    slowConsumerBytes: LIMIT,
    maxChannelsPerConnection: 10,
  });
  let ended = 0;
  const session = new SseSession({
    id: "session",
    app: "default",
    user: undefined,
    expiresAt: expiresAt === undefined ? undefined : clock.now() + expiresAt,
    format: sseFormat,
    beginnings: channels.map((channel) => ({ channel })),
    hub,
    clock,
    counters,
    slowConsumerBytes: LIMIT,
    onEnd: () => ended++,
  });
  const stream = new FakeStream();
  const publish = (size: number) => {
    const data = JSON.stringify("x".repeat(size));
    hub.publishUnanswered({ app: "default", channel: "a", event: "e", data });
  };
  return { clock, counters, session, stream, publish, ended: () => ended };
}

describe("a client that lags", () => {
  test("is cut when what waits is still too much afterwards, and gets what is buffered", () => {
    const { clock, counters, session, stream, publish, ended } = setUp();
    void session.open(stream, 3_000);
    publish(LIMIT);
    clock.advance(0);
    expect(counters).toMatchObject({ slowConsumers: 1, connections: 0 });
    expect([stream.state, ended()]).toEqual(["closed", 1]);
    expect(stream.bufferedAmount).toBeGreaterThan(LIMIT);
    publish(1);
    clock.advance(4_999);
    expect(stream.state).toBe("closed");
    clock.advance(1);
    expect([stream.state, stream.bufferedAmount]).toEqual(["aborted", 0]);
  });

  test("is cut within one turn where that has no end", () => {
    const { counters, session, stream, publish } = setUp();
    void session.open(stream, 3_000);
    for (let index = 0; index < 40; index++) publish(1_000_000);
    expect(counters.slowConsumers).toBe(1);
    expect(stream.bufferedAmount).toBeLessThan(18_000_000);
  });

  test("that went away meanwhile is not counted", () => {
    const { clock, counters, session, stream, publish, ended } = setUp();
    void session.open(stream, 3_000);
    publish(LIMIT);
    session.closed();
    clock.advance(10_000);
    expect(counters.slowConsumers).toBe(0);
    expect([stream.state, ended()]).toEqual(["closed", 1]);
  });
});

describe("the end of a token", () => {
  test("ends the stream, which says why", () => {
    const { clock, counters, session, stream } = setUp(3_000_000_000);
    void session.open(stream, 3_000);
    clock.advance(2_999_999_999);
    expect([stream.state, counters.connections]).toEqual(["open", 1]);
    clock.advance(1);
    expect([stream.state, counters.connections]).toEqual(["closed", 0]);
    expect(stream.waiting).toContain('event: starling:close\ndata: {"code":4004,');
  });

  test("is nothing to a stream that has ended", () => {
    const { clock, session, stream } = setUp(1_000);
    void session.open(stream, 3_000);
    session.closed();
    clock.advance(1_000);
    expect(stream.waiting).toBe("retry: 3000\n\n");
  });
});

test("a stream that cannot have all of its channels has none, and is over", () => {
  const { counters, session, stream, ended } = setUp(undefined, 1, ["a", "b"]);
  expect(() => session.open(stream, 3_000)).toThrow(StarlingError);
  expect([counters.connections, ended(), stream.state]).toEqual([0, 1, "closed"]);
});
