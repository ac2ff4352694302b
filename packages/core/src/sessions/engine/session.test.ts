import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Counters } from "../../hub/counters.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeNetwork } from "../../testing/fake-network.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import type { EngineHandler } from "./context.ts";
import type { HttpAnswer } from "./http.ts";
import { EngineServer } from "./server.ts";
import type { EngineCloseReason, EngineSession } from "./session.ts";

type Session = EngineSession<undefined>;

const LIMIT = 1_000;

class Recorder implements EngineHandler<undefined> {
  readonly messages: (string | Uint8Array)[] = [];
  readonly sessions: Session[] = [];
  readonly closed: EngineCloseReason[] = [];
  upgrades = 0;

  admit(): undefined {
    return undefined;
  }

  createData(): undefined {
    return undefined;
  }

  open(session: Session): void {
    this.sessions.push(session);
  }

  message(_session: Session, message: string | Uint8Array): void {
    if (message === "throw") throw new Error("as asked");
    this.messages.push(message);
  }

  upgraded(): void {
    this.upgrades++;
  }

  close(_session: Session, reason: EngineCloseReason): void {
    this.closed.push(reason);
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }
}

function setUp() {
  const clock = new FakeClock();
  const network = new FakeNetwork(LIMIT);
  const handler = new Recorder();
  const counters = new Counters();
  const server = new EngineServer({
    handler,
    clock,
    random: new SeededRandom(),
    log: new RecordingLog(),
    counters,
    fanout: network,
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    maxPayloadBytes: 1_000_000,
    slowConsumerBytes: LIMIT,
  });
  const query = (text: string) => ({
    query: new URLSearchParams(`EIO=4&${text}`),
    address: "127.0.0.1",
    origin: null,
  });
  const request = (method: string, text: string, body = "", aborts: (() => void)[] = []) =>
    server.handleRequest({
      method,
      ...query(`transport=polling${text}`),
      readBody: () => Promise.resolve(body),
      onAbort: (callback) => aborts.push(callback),
    });
  const admit = (text: string) => {
    const admission = server.admitSocket(query(text));
    if (admission instanceof Promise) throw new Error("a single worker has nobody to ask");
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    const socket = network.socket();
    admission.handler.opened(socket);
    return { socket, handler: admission.handler };
  };
  const openPolling = async () => {
    const answer = await request("GET", "");
    const sid = String(JSON.parse(answer.body.slice(1)).sid);
    return {
      poll: (aborts?: (() => void)[]) => request("GET", `&sid=${sid}`, "", aborts),
      post: (body: string) => request("POST", `&sid=${sid}`, body),
      probe() {
        const { socket, handler } = admit(`transport=websocket&sid=${sid}`);
        return { socket, say: (text: string) => handler.message(socket, text) };
      },
      session: handler.sessions.at(-1) as Session,
    };
  };
  const openSocket = () => {
    const { socket } = admit("transport=websocket");
    return { socket, session: handler.sessions.at(-1) as Session };
  };
  return { clock, network, handler, counters, server, request, admit, openPolling, openSocket };
}

const bodyOf = async (answer: HttpAnswer | Promise<HttpAnswer>) => (await answer).body;

describe("a slow consumer", () => {
  test("over a socket reads what was queued, is told why, and costs nothing more meanwhile", () => {
    const { handler, counters, openSocket, network } = setUp();
    const { socket, session } = openSocket();
    const frame = `4${"x".repeat(99)}`;
    socket.pause();
    for (let count = 0; count < 20; count++) session.sendFrame(frame);
    expect(counters.slowConsumers).toBe(1);
    expect(handler.closed).toEqual(["slow_consumer"]);
    expect(socket.getBufferedAmount()).toBeLessThanOrEqual(LIMIT + frame.length);
    for (let slot = 0; slot < 30; slot++) expect(network.topic(`ping:${slot}`).size).toBe(0);
    socket.resume();
    session.drained(socket);
    expect(socket.received.slice(1)).toEqual(Array.from({ length: 11 }, () => frame));
    expect(socket.closedWith).toEqual({ code: 4001, reason: "slow consumer" });
  });

  test("over a socket that never reads again is cut off after five seconds", () => {
    const { clock, openSocket } = setUp();
    const { socket, session } = openSocket();
    socket.pause();
    for (let count = 0; count < 20; count++) session.send("x".repeat(99));
    clock.advance(4_999);
    expect(socket.isTerminated).toBe(false);
    clock.advance(1);
    expect(socket.isTerminated).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  test("over polling gets what was queued, then the close packet, then is unknown", async () => {
    const { handler, counters, openPolling } = setUp();
    const { poll, session } = await openPolling();
    for (let count = 0; count < 20; count++) session.send("x".repeat(99));
    expect(counters.slowConsumers).toBe(1);
    expect(handler.closed).toEqual(["slow_consumer"]);
    expect((await bodyOf(poll())).split("\x1e").length).toBe(11);
    expect(await bodyOf(poll())).toBe("1");
    expect((await poll()).status).toBe(400);
  });

  test("over polling that never comes back is forgotten after five seconds", async () => {
    const { clock, openPolling } = setUp();
    const { poll, session } = await openPolling();
    for (let count = 0; count < 20; count++) session.send("x".repeat(99));
    clock.advance(5_000);
    expect(await bodyOf(poll())).toContain("Session ID unknown");
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("an upgrade", () => {
  test("loses and doubles nothing that is sent before, during and after it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4 }), async (pace) => {
        const { openPolling, handler, clock } = setUp();
        const client = await openPolling();
        const expected: string[] = [];
        const polled: Promise<string>[] = [];
        let sent = 0;
        const emit = (count: number) => {
          for (let index = 0; index < count; index++) {
            const text = `m${sent++}`;
            expected.push(`4${text}`);
            client.session.send(text);
          }
        };
        emit(pace[0] ?? 0);
        polled.push(bodyOf(client.poll()));
        emit(pace[1] ?? 0);
        const { socket, say } = client.probe();
        say("2probe");
        emit(pace[2] ?? 0);
        clock.advance(100);
        emit(pace[3] ?? 0);
        say("5");
        emit(1);
        const bodies = await Promise.all(polled);
        const received = [...bodies.flatMap((body) => body.split("\x1e")), ...socket.received];
        expect(received.filter((packet) => String(packet).startsWith("4"))).toEqual(expected);
        expect(handler.upgrades).toBe(1);
        expect(socket.received[0]).toBe("3probe");
      }),
      { seed: 3 },
    );
  });

  test("lets the poll that waits go at once when the upgrade packet comes", async () => {
    const { openPolling } = setUp();
    const client = await openPolling();
    const { say } = client.probe();
    const poll = client.poll();
    say("2probe");
    say("5");
    expect(await bodyOf(poll)).toBe("6");
  });

  test("that is not completed in ten seconds is given up, and polling lives on", async () => {
    const { clock, openPolling, handler } = setUp();
    const client = await openPolling();
    const { socket, say } = client.probe();
    say("2probe");
    clock.advance(10_000);
    expect(socket.isTerminated).toBe(true);
    client.session.closed(socket);
    client.session.send("still here");
    expect(await bodyOf(client.poll())).toBe("4still here");
    expect(handler.closed).toEqual([]);
  });
});

describe("a session", () => {
  test("that polls and goes away in the middle of a poll is closed", async () => {
    const { handler, openPolling } = setUp();
    const client = await openPolling();
    const aborts: (() => void)[] = [];
    const poll = client.poll(aborts);
    for (const abort of aborts) abort();
    expect(handler.closed).toEqual(["transport_close"]);
    expect(poll).toBeInstanceOf(Promise);
  });

  test("is closed, and nothing else happens, when the layer above throws", () => {
    const { handler, openSocket } = setUp();
    const { socket, session } = openSocket();
    session.message(socket, "4throw");
    expect(socket.closedWith?.code).toBe(4501);
    expect(handler.closed).toEqual(["malformed_packet"]);
  });

  test("is told of a missed heartbeat by its close code", () => {
    const { clock, counters, handler, openSocket } = setUp();
    const { socket, session } = openSocket();
    clock.advance(25_000);
    expect(socket.received.at(-1)).toBe("2");
    session.message(socket, "3");
    clock.advance(25_000 + 19_000);
    expect(socket.closedWith).toBeUndefined();
    clock.advance(2_000);
    expect(socket.closedWith?.code).toBe(4002);
    expect(counters.pingTimeouts).toBe(1);
    expect(handler.closed).toEqual(["ping_timeout"]);
  });

  test("survives any bytes and text, and closes at most once", () => {
    const message = fc.oneof(fc.string(), fc.uint8Array(), fc.constantFrom("3", "4a", "6", "1"));
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        const { handler, openSocket, clock } = setUp();
        const { socket, session } = openSocket();
        for (const each of messages) session.message(socket, each);
        session.closed(socket);
        expect(handler.closed.length).toBe(1);
        expect(clock.pendingTimers).toBe(0);
      }),
      { seed: 4 },
    );
  });
});

test("shutting down closes every session with a code that brings its client back", async () => {
  const { server, openSocket, openPolling, clock } = setUp();
  const { socket } = openSocket();
  const client = await openPolling();
  const poll = client.poll();
  server.shutDown();
  expect(socket.closedWith?.code).toBe(4000);
  expect(await bodyOf(poll)).toBe("1");
  expect(clock.pendingTimers).toBe(0);
});

test("a server that takes no new sessions goes on with those it has, and counts them", async () => {
  const { server, admit, openSocket, openPolling, request } = setUp();
  const { socket, session } = openSocket();
  const client = await openPolling();
  server.refuseNew();
  expect(await request("GET", "")).toMatchObject({ status: 503 });
  expect(() => admit("transport=websocket")).toThrow("shutting_down");
  expect(server.sessions).toBe(2);
  const upgrade = client.probe();
  upgrade.say("2probe");
  upgrade.say("5");
  client.session.send("a");
  expect(upgrade.socket.received).toEqual(["3probe", "4a"]);
  session.closed(socket);
  expect(server.sessions).toBe(1);
  server.shutDown();
  expect(server.sessions).toBe(0);
});

test("a session that has yet to fetch its end is counted until then", async () => {
  const { server, openPolling } = setUp();
  const client = await openPolling();
  server.shutDown();
  expect(server.sessions).toBe(1);
  await client.poll();
  expect(server.sessions).toBe(0);
});

test("a ping that ends one polling session does not pass over another", async () => {
  const { clock, openPolling, counters } = setUp();
  const clients = [await openPolling(), await openPolling(), await openPolling()];
  // As much as may wait: the ping is the frame too many.
  clients[0]?.session.send("x".repeat(LIMIT));
  clock.advance(25_000);
  expect(counters.slowConsumers).toBe(1);
  for (const { poll, post } of clients.slice(1)) {
    expect(await bodyOf(poll())).toBe("2");
    expect(await bodyOf(post("3"))).toBe("ok");
  }
  clock.advance(20_000);
  expect(counters.pingTimeouts).toBe(0);
});

test("a client that goes away before it had all of its answer ends its session at once", async () => {
  const { handler, openPolling } = setUp();
  const client = await openPolling();
  const aborts: (() => void)[] = [];
  client.session.send("lost on the way");
  expect(await bodyOf(client.poll(aborts))).toBe("4lost on the way");
  for (const abort of aborts) abort();
  expect(handler.closed).toEqual(["transport_close"]);
});

describe("a session that has ended", () => {
  test("sends, hears and closes nothing more", () => {
    const { handler, counters, openSocket } = setUp();
    const { socket, session } = openSocket();
    const before = socket.received.length;
    session.close("shutting_down");
    session.send("late");
    session.close("ping_timeout");
    session.cutSlow();
    session.message(socket, "4late");
    expect(socket.received.length).toBe(before);
    expect(socket.closedWith?.code).toBe(4000);
    expect(handler.messages).toEqual([]);
    expect(handler.closed).toEqual(["shutting_down"]);
    expect(counters.slowConsumers).toBe(0);
  });

  test("is unknown to later requests, and takes no post while it waits to be fetched", async () => {
    const { openPolling } = setUp();
    const client = await openPolling();
    client.session.close("shutting_down");
    expect((await client.post("4late")).status).toBe(400);
    expect(await bodyOf(client.poll())).toBe("1");
    expect(await bodyOf(client.poll())).toContain("Session ID unknown");
  });

  test("takes a probe that was under way with it", async () => {
    const { openPolling, clock } = setUp();
    const client = await openPolling();
    const { socket } = client.probe();
    client.session.close("shutting_down");
    expect(socket.isTerminated).toBe(true);
    await client.poll();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("the buffer of a polling session", () => {
  test("is empty again after each poll, so that no sum of polls ends the session", async () => {
    const { counters, openPolling } = setUp();
    const client = await openPolling();
    for (let round = 0; round < 5; round++) {
      client.session.send("x".repeat(LIMIT - 10));
      expect((await bodyOf(client.poll())).length).toBe(LIMIT - 9);
    }
    expect(counters.slowConsumers).toBe(0);
  });

  test("counts bytes, not characters", async () => {
    const { counters, openPolling } = setUp();
    const client = await openPolling();
    for (let count = 0; count < 4; count++) client.session.send("\u4e2d".repeat(LIMIT / 6));
    expect(counters.slowConsumers).toBe(1);
  });
});

test("a second socket beside one that probes, or has taken over, is closed", async () => {
  const { openPolling } = setUp();
  const client = await openPolling();
  const first = client.probe();
  expect(client.probe().socket.closedWith?.code).toBe(4501);
  first.say("2probe");
  first.say("5");
  expect(client.probe().socket.closedWith?.code).toBe(4501);
  client.session.send("on");
  expect(first.socket.received).toEqual(["3probe", "4on"]);
});

test("a drained socket ends only a session that is ending, and only when all has left", () => {
  const { openSocket } = setUp();
  const { socket, session } = openSocket();
  session.drained(socket);
  expect(socket.isEnded).toBe(false);
  socket.pause();
  for (let count = 0; count < 20; count++) session.send("x".repeat(99));
  session.drained(socket);
  expect(socket.isEnded).toBe(false);
  socket.resume();
  session.drained(socket);
  expect(socket.closedWith?.code).toBe(4001);
});

test("whether a session is ready says whether a frame would leave at once", async () => {
  const { openSocket, openPolling } = setUp();
  const { socket, session } = openSocket();
  expect(session.isReady).toBe(true);
  socket.pause();
  session.send("a");
  expect(session.isReady).toBe(false);
  const client = await openPolling();
  expect(client.session.isReady).toBe(false);
  const poll = client.poll();
  expect(client.session.isReady).toBe(true);
  client.session.send("a");
  await poll;
  expect(client.session.isReady).toBe(false);
});
