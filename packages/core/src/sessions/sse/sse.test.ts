import { describe, expect, test } from "bun:test";
import type { Identity } from "../../auth/identity.ts";
import { Counters } from "../../hub/counters.ts";
import { Hub } from "../../hub/hub.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { atOnce } from "../../testing/at-once.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeNetwork } from "../../testing/fake-network.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { SseServer } from "./server.ts";
import type { TextStream } from "./session.ts";

class FakeStream implements TextStream {
  text = "";
  bufferedAmount = 0;
  isClosed = false;
  isAborted = false;

  write(text: string): void {
    if (this.isClosed) throw new Error("written after the end");
    this.text += text;
  }

  close(): void {
    this.isClosed = true;
  }

  abort(): void {
    this.isAborted = true;
  }

  /** What was written since the last call. */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

const anyone: Identity = { app: "default", source: "none" };

function setUp(maxConnections = 0) {
  const clock = new FakeClock();
  const counters = new Counters();
  const open = { subscribe: "anyone", publish: "nobody", volatile: false } as const;
  const apps = new Map<string, AppConfig>([
    ["default", { namespaces: new Map([["news", open]]), maxConnections }],
  ]);
  const hub = new Hub({
    ...LocalNode.alone({ clock, apps }),
    fanout: new FakeNetwork(),
    clock,
    random: new SeededRandom(),
    counters,
    apps,
    slowConsumerBytes: 100,
    maxChannelsPerConnection: 2,
  });
  const server = new SseServer({
    hub,
    apps,
    clock,
    random: new SeededRandom(),
    counters,
    slowConsumerBytes: 100,
    maxChannelsPerConnection: 2,
    heartbeatMs: 15_000,
  });
  const connect = (channels: string[], { envelope = false, identity = anyone } = {}) => {
    const session = atOnce(server.create(identity, { channels, envelope }));
    const stream = new FakeStream();
    void session.open(stream, 3_000);
    expect(stream.take()).toBe("retry: 3000\n\n");
    return { session, stream };
  };
  const publish = (channel: string, event: string, data: string, publisher = "shop") =>
    hub.publishUnanswered({ app: "default", channel, event, data, publisher });
  const channels = () => atOnce(hub.channels("default", { prefix: "", limit: 100 })).channels;
  return { clock, counters, hub, server, connect, publish, channels };
}

describe("a stream", () => {
  test("gives each publication of its channels as an event, its data as it was written", () => {
    const { connect, publish } = setUp();
    const { stream } = connect(["news:1", "news:2"]);
    publish("news:1", "paid", '{"total": 12.50}');
    publish("news:2", "moved", "[1]");
    publish("news:3", "unheard", "1");
    expect(stream.take()).toBe(
      'event: paid\ndata: {"total": 12.50}\n\nevent: moved\ndata: [1]\n\n',
    );
  });

  test("puts data of several lines into as many data lines, and drops an event that has some", () => {
    const { connect, publish } = setUp();
    const { stream } = connect(["news:1"]);
    publish("news:1", "e", '{\r\n"a":\n1}');
    publish("news:1", "a\nid: 1", "1");
    expect(stream.take()).toBe('event: e\ndata: {\ndata: "a":\ndata: 1}\n\n');
  });

  test("names channel, event and publisher where it was asked to", () => {
    const { connect, publish } = setUp();
    const { stream } = connect(["news:1"], { envelope: true });
    publish("news:1", "paid", '{"id":12345678901234567890}');
    expect(stream.take()).toBe(
      'event: message\ndata: {"channel":"news:1","event":"paid","publisher":"shop","data":{"id":12345678901234567890}}\n\n',
    );
  });

  test("carries binary parts as base64 text", () => {
    const { connect, hub } = setUp();
    const { stream } = connect(["news:1"]);
    hub.publishUnanswered({
      app: "default",
      channel: "news:1",
      event: "e",
      data: '{"a":{"_placeholder":true,"num":0},"b":"{\\"_placeholder\\":true,\\"num\\":0}"}',
      attachments: [new Uint8Array([1, 2, 3])],
    });
    expect(stream.take()).toBe(
      'event: e\ndata: {"a":"AQID","b":"{\\"_placeholder\\":true,\\"num\\":0}"}\n\n',
    );
  });

  test("is kept alive by comments, with one timer for all and none for nobody", () => {
    const { clock, connect } = setUp();
    const streams = [connect(["news:1"]), connect(["news:2"])];
    expect(clock.pendingTimers).toBe(1);
    clock.advance(15_000);
    expect(streams.map(({ stream }) => stream.take())).toEqual([":\n\n", ":\n\n"]);
    for (const { session } of streams) session.closed();
    clock.advance(15_000);
    expect(clock.pendingTimers).toBe(0);
  });

  test("says that nothing was recovered to a client that comes back", () => {
    const { server } = setUp();
    const request = { channels: ["news:1"], envelope: false, lastEventId: "17" };
    const session = atOnce(server.create(anyone, request));
    const stream = new FakeStream();
    void session.open(stream, 3_000);
    expect(stream.take()).toEndWith('event: starling:recovery\ndata: {"recovered":false}\n\n');
  });
});

describe("a stream ends", () => {
  test("when its client reads too slowly: it gets what is buffered, and is counted", () => {
    const { clock, connect, publish, counters, channels } = setUp();
    const { stream } = connect(["news:1"]);
    stream.bufferedAmount = 101;
    publish("news:1", "e", "1");
    clock.advance(0);
    expect(stream.isClosed).toBe(true);
    expect(stream.isAborted).toBe(false);
    expect(counters.slowConsumers).toBe(1);
    expect(channels()).toEqual([]);
    clock.advance(5_000);
    expect(stream.isAborted).toBe(true);
  });

  test("only when it still lags after the turn in which much was published at once", () => {
    const { clock, connect, publish, counters } = setUp();
    const { stream } = connect(["news:1"]);
    stream.bufferedAmount = 101;
    publish("news:1", "e", "1");
    stream.bufferedAmount = 0;
    clock.advance(0);
    expect(stream.isClosed).toBe(false);
    expect(counters.slowConsumers).toBe(0);
  });

  test("when its client is gone, and leaves nothing behind", () => {
    const { connect, counters, publish, channels } = setUp();
    const { session, stream } = connect(["news:1"]);
    session.closed();
    session.closed();
    expect(counters.connections).toBe(0);
    expect(channels()).toEqual([]);
    publish("news:1", "e", "1");
    expect(stream.take()).toBe("");
  });

  test("with its token, and says so", () => {
    const { clock, connect } = setUp();
    const identity: Identity = { ...anyone, source: "jwt", expiresAt: clock.now() + 20_000 };
    const { stream } = connect(["news:1"], { identity });
    clock.advance(19_999);
    expect(stream.isClosed).toBe(false);
    clock.advance(1);
    expect(stream.take()).toEndWith(
      '"code":4004,"reason":"token expired; reconnect with a new one"}\n\n',
    );
    expect(stream.isClosed).toBe(true);
  });

  test("when the gateway shuts down, with all the others", () => {
    const { clock, connect, server } = setUp();
    const { stream } = connect(["news:1"]);
    server.shutDown();
    expect(stream.take()).toContain('"code":4000');
    expect(stream.isClosed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });
});

test.each([
  [[], "channel: is missing"],
  [[""], "channel: must not be empty"],
  [["closed:1"], "not allowed to read closed:1"],
  [["news:1", "news:2", "news:3"], "as many channels as one may be"],
])("channels %j are refused", (channels, message) => {
  const { server } = setUp();
  expect(() => server.create(anyone, { channels, envelope: false })).toThrow(message);
});

test("a server that ends takes no more streams, and lets those that it has go on", () => {
  const { server, connect } = setUp();
  const { stream } = connect(["news:1"]);
  server.refuseNew();
  expect(() => server.create(anyone, { channels: ["news:1"], envelope: false })).toThrow(
    "shutting down",
  );
  expect(stream.isClosed).toBe(false);
});

test("an app that is full takes no more streams", () => {
  const { connect } = setUp(1);
  connect(["news:1"]);
  expect(() => connect(["news:1"])).toThrow("as many connections");
});
