import { describe, expect, test } from "bun:test";
import { Counters } from "../../hub/counters.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import {
  FakePacer,
  FakeStreamSession,
  FakeTwoWayStream,
} from "../../testing/fake-stream-session.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import type { EngineHandler } from "./context.ts";
import type { HttpAnswer } from "./http.ts";
import { EngineServer } from "./server.ts";
import type { EngineCloseReason, EngineSession } from "./session.ts";
import { FrameEncoder, FrameReader } from "./stream-frames.ts";
import { EngineStreams } from "./stream-transport.ts";

type Session = EngineSession<undefined>;

const MAX_PAYLOAD = 100_000;
const SLOW_BYTES = 50_000;

class Recorder implements EngineHandler<undefined> {
  readonly messages: (string | Uint8Array)[] = [];
  readonly sessions: Session[] = [];
  readonly closed: EngineCloseReason[] = [];

  admit(): undefined {}

  createData(): undefined {}

  open(session: Session): void {
    this.sessions.push(session);
  }

  message(_session: Session, message: string | Uint8Array): void {
    this.messages.push(message);
  }

  upgraded(): void {}

  close(_session: Session, reason: EngineCloseReason): void {
    this.closed.push(reason);
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }
}

function setUp() {
  const clock = new FakeClock();
  const pacer = new FakePacer();
  const log = new RecordingLog();
  const counters = new Counters();
  const handler = new Recorder();
  const limits = { maxPayloadBytes: MAX_PAYLOAD, slowConsumerBytes: SLOW_BYTES };
  const streams = new EngineStreams({ clock, pacer, log, counters, ...limits });
  const server = new EngineServer({
    handler,
    clock,
    random: new SeededRandom(),
    log,
    counters,
    fanout: streams.fanout,
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    ...limits,
  });
  const admit = (text: string) => {
    const query = new URLSearchParams(text);
    const admission = server.admitStream({ query, address: "127.0.0.1", origin: null });
    if (admission instanceof Promise) throw new Error("a single worker has nobody to ask");
    return admission;
  };
  /** A client whose session was accepted. */
  const accept = () => {
    const admission = admit("");
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    const session = new FakeStreamSession();
    return { session, events: streams.serve(session, admission.handler) };
  };
  /** A client that has opened its stream. */
  const connect = async (...first: (string | Uint8Array)[]) => {
    const client = accept();
    const stream = new FakeTwoWayStream();
    const encoder = new FrameEncoder();
    const received: (string | Uint8Array)[] = [];
    const reader = new FrameReader(1e9, (message) => {
      received.push(message);
      return true;
    });
    const say = async (...messages: (string | Uint8Array)[]) => {
      for (const message of messages) stream.receive.push(encoder.encode(message));
      await pacer.settle();
    };
    const hear = async () => {
      await pacer.settle();
      for (const chunk of stream.written.splice(0)) reader.push(chunk);
      return received.splice(0);
    };
    client.events.bidirectionalStream(stream);
    await say(...first);
    return { ...client, stream, say, hear };
  };
  /** A client with an open Engine.IO session. */
  const open = async () => {
    const client = await connect("0");
    const [packet] = await client.hear();
    const engine = handler.sessions.at(-1);
    if (engine === undefined) throw new Error("no session");
    return { ...client, packet, engine };
  };
  return { clock, pacer, log, counters, handler, streams, server, admit, accept, connect, open };
}

describe("a request", () => {
  test.each(["", "EIO=4&transport=webtransport", "t=abc"])("of ?%s is admitted", (query) => {
    const { admit, server } = setUp();
    expect(admit(query)).toHaveProperty("handler");
    expect(server.sessions).toBe(0);
  });

  test.each([
    ["EIO=4&transport=websocket", "Transport unknown"],
    ["transport=polling", "Transport unknown"],
    ["EIO=3&transport=webtransport", "Unsupported protocol version"],
    ["EIO=4&transport=webtransport&sid=unknown", "Bad request"],
  ])("of ?%s is refused", (query, message) => {
    const { admit, server } = setUp();
    const { refusal } = admit(query) as { refusal: HttpAnswer };
    expect([refusal.status, JSON.parse(refusal.body).message]).toEqual([400, message]);
    expect(server.sessions).toBe(0);
  });

  test("is refused when there shall be no new sessions", () => {
    const { admit, server } = setUp();
    server.refuseNew();
    expect(admit("")).toMatchObject({ refusal: { status: 503 } });
  });

  test("with the id of a session that polls does not take that over", async () => {
    const { admit, server } = setUp();
    const answer = await server.handleRequest({
      method: "GET",
      query: new URLSearchParams("EIO=4&transport=polling"),
      address: "127.0.0.1",
      origin: null,
      readBody: () => Promise.resolve(""),
      onAbort: () => {},
    });
    const { sid, upgrades } = JSON.parse(answer.body.slice(1));
    expect(upgrades).toEqual(["websocket"]);
    expect(admit(`EIO=4&transport=webtransport&sid=${sid}`)).toMatchObject({
      refusal: { status: 400 },
    });
  });
});

describe("the first packet", () => {
  test("opens the session, whose upgrades are none", async () => {
    const { open, server, streams } = setUp();
    const { packet, engine } = await open();
    expect(JSON.parse(String(packet).slice(1))).toEqual({
      sid: engine.id,
      upgrades: [],
      pingInterval: 25_000,
      pingTimeout: 20_000,
      maxPayload: MAX_PAYLOAD,
    });
    expect(server.sessions).toBe(1);
    expect(streams.silent).toBe(0);
  });

  test.each([
    ["an upgrade", '0{"sid":"abc"}'],
    ["a message", "4hello"],
    ["a ping", "2"],
    ["bytes", new Uint8Array([0x30])],
  ])("that is %s ends the session", async (_name, first) => {
    const { connect, clock, counters, handler, server, streams } = setUp();
    const { session, stream } = await connect(first, "0");
    clock.advance(500);
    expect(session.closedWith).toEqual({ closeCode: 4501, reason: "malformed packet" });
    expect(stream.written).toEqual([]);
    expect(counters.malformedPackets).toBe(1);
    expect(handler.sessions).toEqual([]);
    expect([server.sessions, streams.silent, clock.pendingTimers]).toEqual([0, 0, 0]);
  });

  test("that never comes ends the session after ten seconds", async () => {
    const { accept, connect, clock, counters, streams } = setUp();
    const { session: mute } = accept();
    const { session: silent } = await connect();
    clock.advance(9_999);
    expect([mute.closedWith, silent.closedWith]).toEqual([undefined, undefined]);
    clock.advance(501);
    const end = { closeCode: 4003, reason: "authentication timeout" };
    expect([mute.closedWith, silent.closedWith]).toEqual([end, end]);
    expect(counters.authenticationTimeouts).toBe(2);
    expect([streams.silent, clock.pendingTimers]).toEqual([0, 0]);
  });

  test("is awaited no more when the client has gone", () => {
    const { accept, clock, streams } = setUp();
    const { events } = accept();
    events.closed({ closeCode: 0, isClean: true });
    expect([streams.silent, clock.pendingTimers]).toEqual([0, 0]);
    const late = new FakeTwoWayStream();
    events.bidirectionalStream(late);
    expect([late.receive.isCanceled, late.isFinished]).toEqual([true, true]);
  });
});

describe("an open session", () => {
  test("carries text and bytes both ways", async () => {
    const { open, handler } = setUp();
    const { say, hear, engine } = await open();
    await say("4hello", new Uint8Array([1, 2]), `4${"é".repeat(40_000)}`);
    expect(handler.messages).toEqual(["hello", new Uint8Array([1, 2]), "é".repeat(40_000)]);
    engine.send("grüße");
    engine.send(new Uint8Array([3]));
    expect(await hear()).toEqual(["4grüße", new Uint8Array([3])]);
  });

  test("writes what is sent in one turn at once", async () => {
    const { open, pacer } = setUp();
    const { engine, stream } = await open();
    for (let count = 0; count < 10; count++) engine.send("x");
    await pacer.turn();
    expect(stream.written.length).toBe(1);
  });

  test("takes one stream, and neither others nor datagrams", async () => {
    const { open, handler } = setUp();
    const { events, say } = await open();
    const [second, oneWay] = [new FakeTwoWayStream(), new FakeTwoWayStream()];
    events.bidirectionalStream(second);
    events.unidirectionalStream(oneWay.receive);
    events.datagram();
    expect([second.receive.isCanceled, second.isFinished]).toEqual([true, true]);
    expect(oneWay.receive.isCanceled).toBe(true);
    await say("4still here");
    expect(handler.messages).toEqual(["still here"]);
  });

  test.each([
    ["is too large", new Uint8Array([127, 0, 0, 0, 0, 0, 2, 0, 0])],
    ["is no UTF-8", new Uint8Array([2, 0x34, 0xff])],
    ["is empty", new Uint8Array([0])],
    ["has an unknown type", new Uint8Array([1, 0x39])],
  ])("ends by a packet that %s", async (_name, frame) => {
    const { open, clock, counters, handler, server } = setUp();
    const { session, stream, say, events } = await open();
    stream.receive.push(frame);
    await say("4behind");
    expect(handler.closed.length).toBe(1);
    expect(counters.malformedPackets).toBe(1);
    clock.advance(500);
    expect(session.closedWith).toEqual({ closeCode: 4501, reason: "malformed packet" });
    events.closed({ closeCode: 4501, isClean: true });
    expect(handler.closed.length).toBe(1);
    expect(handler.messages).toEqual([]);
    expect([server.sessions, clock.pendingTimers]).toEqual([0, 0]);
  });

  test("ends with the client's", async () => {
    const { open, clock, handler, server, streams } = setUp();
    const { events, engine } = await open();
    expect(streams.fanout.size).toBe(1);
    events.closed({ closeCode: 0, isClean: false });
    expect(handler.closed).toEqual(["transport_close"]);
    engine.send("too late");
    expect([server.sessions, streams.fanout.size, clock.pendingTimers]).toEqual([0, 0, 0]);
  });

  test.each(["finished", "reset"] as const)("ends with a stream that is %s", async (end) => {
    const { open, pacer, handler, server } = setUp();
    const { stream, session } = await open();
    stream.receive.push(end);
    await pacer.settle();
    expect(session.isTerminated).toBe(true);
    expect(handler.closed).toEqual(["transport_close"]);
    expect(server.sessions).toBe(0);
  });

  test("ends when the client refuses what it is sent", async () => {
    const { open, pacer } = setUp();
    const { stream, session, engine } = await open();
    stream.refuse();
    engine.send("hello");
    await pacer.settle();
    expect(session.isTerminated).toBe(true);
  });

  test("that the client closes by a packet is closed", async () => {
    const { open, clock, handler } = setUp();
    const { say, session } = await open();
    await say("1");
    clock.advance(500);
    expect(handler.closed).toEqual(["client_close"]);
    expect(session.closedWith).toEqual({ closeCode: 1000, reason: "" });
  });
});

describe("heartbeats", () => {
  test("keep a client that answers, and end one that does not", async () => {
    const { open, clock, counters, handler } = setUp();
    const [live, dead] = [await open(), await open()];
    for (let passed = 0; passed < 50_000; passed += 1_000) {
      clock.advance(1_000);
      if ((await live.hear()).includes("2")) await live.say("3");
    }
    expect(await dead.hear()).toEqual(["2"]);
    expect(handler.closed).toEqual(["ping_timeout"]);
    expect(counters.pingTimeouts).toBe(1);
    clock.advance(500);
    expect(dead.session.closedWith?.closeCode).toBe(4002);
    expect(live.session.closedWith).toBeUndefined();
  });
});

describe("a session that the server ends", () => {
  test("is ended when the client had half a second to read the last of it", async () => {
    const { open, clock, hear } = await ended();
    expect(await hear()).toEqual(["4last"]);
    clock.advance(499);
    expect(open.session.closedWith).toBeUndefined();
    clock.advance(1);
    expect(open.session.closedWith).toEqual({ closeCode: 4000, reason: "server is shutting down" });
    expect(clock.pendingTimers).toBe(0);
  });

  test("is ended as soon as the client ends its stream", async () => {
    const { open, pacer, clock } = await ended();
    await pacer.settle();
    open.stream.receive.push("finished");
    await pacer.settle();
    expect(open.session.closedWith?.closeCode).toBe(4000);
    expect([open.session.isTerminated, clock.pendingTimers]).toEqual([false, 0]);
  });

  test("is ended after five seconds when the client takes nothing", async () => {
    const { open, pacer, clock } = await ended((stream) => stream.pause());
    await pacer.settle();
    clock.advance(4_999);
    expect(open.session.closedWith).toBeUndefined();
    clock.advance(1);
    expect(open.session.closedWith?.closeCode).toBe(4000);
  });

  async function ended(before: (stream: FakeTwoWayStream) => void = () => {}) {
    const { open: connectAndOpen, pacer, clock, server } = setUp();
    const open = await connectAndOpen();
    before(open.stream);
    open.engine.send("last");
    server.shutDown();
    open.engine.send("too late");
    return { open, pacer, clock, hear: open.hear };
  }
});

describe("a slow consumer", () => {
  test("reads what was queued, and is then told why it was cut", async () => {
    const { open, pacer, clock, counters, handler } = setUp();
    const { engine, stream, session, hear } = await open();
    stream.pause();
    const frame = `4${"x".repeat(999)}`;
    let sent = 0;
    for (; handler.closed.length === 0; sent++) engine.sendFrame(frame);
    expect(counters.slowConsumers).toBe(1);
    expect(sent * 1_000).toBeGreaterThan(SLOW_BYTES);
    expect(sent * 1_000).toBeLessThan(2 * SLOW_BYTES);
    await pacer.settle();
    stream.resume();
    expect(await hear()).toEqual(Array.from({ length: sent }, () => frame));
    clock.advance(500);
    expect(session.closedWith).toEqual({ closeCode: 4001, reason: "slow consumer" });
    expect(clock.pendingTimers).toBe(0);
  });

  test("that never reads again is broken off after five seconds", async () => {
    const { open, pacer, clock } = setUp();
    const { engine, stream, session } = await open();
    stream.pause();
    for (let count = 0; count < 200; count++) engine.send("x".repeat(999));
    await pacer.settle();
    clock.advance(5_000);
    expect(session.isTerminated).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  test("is none while only the transport has its bytes", async () => {
    const { open } = setUp();
    const { engine, stream } = await open();
    stream.pause();
    engine.send("x".repeat(10_000));
    expect(engine.isReady).toBe(true);
    engine.send("x".repeat(10_000));
    expect(engine.isReady).toBe(false);
  });
});
