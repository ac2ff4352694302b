import { describe, expect, test } from "bun:test";
import { positionText } from "../../hub/position.ts";
import { atOnce } from "../../testing/at-once.ts";
import {
  ALICE,
  BOB,
  publication,
  recoverable,
  type Settings,
  setUp as setUpWorker,
  taken,
} from "../../testing/channel-fixture.ts";
import type { FakeSocket } from "../../testing/fake-network.ts";

/** Own channels and those of `kept` can be recovered, those of `open` cannot. */
const namespaces = { "": recoverable, kept: recoverable };

function setUp(settings: Settings = {}) {
  const worker = setUpWorker({ namespaces, ...settings });
  const { hub } = worker;
  const position = (channel = "kept:1") =>
    positionText(atOnce(hub.history("default", channel, { limit: 0 })).position);
  const say = (channel: string, ...data: readonly unknown[]) => {
    for (const each of data) {
      hub.publishUnanswered(publication(channel, JSON.stringify(each)));
    }
  };
  return { ...worker, position, say };
}

/** What the CONNECT answer says, which must come first. */
function connected(socket: FakeSocket): { sid: string; pid?: string } {
  const [packet = ""] = socket.received.splice(0, 1).map(String);
  expect(packet).toStartWith("40{");
  return JSON.parse(packet.slice(2)) as { sid: string; pid?: string };
}

/** The arguments of the events and acknowledgements that came, in their order. */
const told = (socket: FakeSocket) =>
  taken(socket).map((packet) => JSON.parse(packet.replace(/^4[23]\d*/, "")) as unknown[]);

const subscribe = (argument: object, id = "1") =>
  `42${id}["subscribe",${JSON.stringify(argument)}]`;
const auth = (content: object) => JSON.stringify(content);

describe("an event of a channel that can be recovered", () => {
  test("has the cursor as one more argument; of another it has not", () => {
    const { connect, say, position } = setUp();
    const { socket, say: emit } = connect();
    connected(socket);
    emit(subscribe({ channel: "kept:1" }), subscribe({ channel: "open:1" }, "2"));
    say("kept:1", { a: 1 });
    say("open:1", { a: 2 });
    expect(told(socket).slice(2)).toEqual([
      ["kept:1", { a: 1 }, position()],
      ["open:1", { a: 2 }],
    ]);
  });

  test("never ends in text that a client would take for a cursor", () => {
    const { connect, say } = setUp();
    const { socket, say: emit } = connect();
    connected(socket);
    emit(subscribe({ channel: "open:1" }));
    say("open:1", "text", ["text"], 7);
    expect(told(socket).slice(1)).toEqual([
      ["open:1", "text", null],
      ["open:1", ["text"]],
      ["open:1", 7],
    ]);
  });

  test("is as it was in an app where nothing can be recovered", () => {
    const { connect, say } = setUp({ namespaces: {} });
    const { socket, say: emit } = connect();
    expect(connected(socket)).not.toHaveProperty("pid");
    emit(subscribe({ channel: "open:1" }));
    say("open:1", "text");
    expect(told(socket).slice(1)).toEqual([["open:1", "text"]]);
  });
});

describe("subscribe", () => {
  test("with a position answers first, then sends what was missed, then what is live", () => {
    const { connect, say, position } = setUp();
    say("kept:1", 1);
    const since = position();
    say("kept:1", 2, 3);
    const { socket, say: emit } = connect();
    connected(socket);
    emit(subscribe({ channel: "kept:1", since }));
    say("kept:1", 4);
    const [answer, ...events] = told(socket);
    expect(answer).toEqual([{ ok: true, channel: "kept:1", position: since, recovered: true }]);
    expect(events.map(([, data]) => data)).toEqual([2, 3, 4]);
  });

  test("with the last few sends these", () => {
    const { connect, say } = setUp();
    say("kept:1", 1, 2, 3);
    const { socket, say: emit } = connect();
    connected(socket);
    emit(subscribe({ channel: "kept:1", last: 2 }));
    const [answer, ...events] = told(socket);
    expect(answer).toMatchObject([{ ok: true, position: expect.stringMatching(/\.1$/) }]);
    expect(answer?.[0]).not.toHaveProperty("recovered");
    expect(events.map(([, data]) => data)).toEqual([2, 3]);
  });

  test.each([["gone.1"], ["no position"], [""]])(
    "from %p is told that something is missing",
    (since) => {
      const { connect, say, position } = setUp();
      say("kept:1", 1);
      const { socket, say: emit } = connect();
      connected(socket);
      emit(subscribe({ channel: "kept:1", since }));
      expect(told(socket)).toEqual([
        [{ ok: true, channel: "kept:1", position: position(), recovered: false }],
      ]);
    },
  );

  test.each([{ since: 7 }, { last: 0 }, { last: 1.5 }, { last: "1" }])("refuses %p", (wanted) => {
    const { connect, channels } = setUp();
    const { socket, say: emit } = connect();
    connected(socket);
    emit(subscribe({ channel: "kept:1", ...wanted }));
    expect(told(socket)).toMatchObject([[{ error: { name: "invalid_request" } }]]);
    expect(channels()).toEqual([]);
  });

  test("of a channel that it has answers without a position, and claims nothing", () => {
    const { connect, say, position } = setUp();
    const { socket, say: emit } = connect();
    connected(socket);
    emit(subscribe({ channel: "kept:1" }));
    say("kept:1", 1);
    told(socket);
    emit(
      subscribe({ channel: "kept:1" }),
      subscribe({ channel: "kept:1", since: position() }, "2"),
    );
    expect(told(socket)).toEqual([
      [{ ok: true, channel: "kept:1" }],
      [{ ok: true, channel: "kept:1", recovered: false }],
    ]);
  });
});

describe("positions of the handshake", () => {
  test("bring the channels back with what was missed, and tell of each", () => {
    const { connect, say, position } = setUp();
    say("kept:1", 1);
    const since = position();
    say("kept:1", 2);
    say(ALICE, 3);
    const positions = { "kept:1": since, "open:1": since, [ALICE]: since, "news:x": "junk" };
    const { socket } = connect(ALICE, auth({ positions: { ...positions, "news:x": undefined } }));
    connected(socket);
    const [first, second, third, ...events] = told(socket);
    expect([first, second, third]).toEqual([
      ["starling:recovery", { channel: "kept:1", position: since, recovered: true }],
      ["starling:recovery", { channel: ALICE, position: since, recovered: true }],
      ["starling:recovery", { channel: "open:1", recovered: false }],
    ]);
    expect(events.map(([name, data]) => [name, data])).toEqual([
      ["kept:1", 2],
      [ALICE, 3],
    ]);
  });

  test("of a channel that is not open to the client are refused, and the others stand", () => {
    const { connect, channels } = setUp({ namespaces: { kept: recoverable } });
    const { socket } = connect(undefined, auth({ positions: { "kept:1": "e.0", other: "e.0" } }));
    connected(socket);
    expect(told(socket)).toMatchObject([
      ["starling:recovery", { channel: "other", error: { name: "permission_denied" } }],
      ["starling:recovery", { channel: "kept:1", recovered: false }],
    ]);
    expect(channels()).toEqual(["kept:1"]);
  });

  test.each([
    [{ "kept:1": 5 }, "positions.kept:1: must be a string"],
    ["kept:1", "positions: must be an object"],
    [["kept:1"], "positions: must be an object"],
  ])(
    "that make no sense refuse the connection, which would lack its own channel: %j",
    (positions, message) => {
      const { connect, channels } = setUp();
      const { socket } = connect(ALICE, auth({ positions }));
      expect(taken(socket)).toEqual([
        `44${JSON.stringify({ message, data: { code: 101, name: "invalid_request" } })}`,
      ]);
      expect(channels()).toEqual([]);
    },
  );

  test("may be null, which is none", () => {
    const { connect, channels } = setUp();
    connected(connect(ALICE, auth({ positions: null })).socket);
    expect(channels()).toEqual([ALICE]);
  });

  test("that are too many end the connection", () => {
    const { connect } = setUp();
    const names = Array.from({ length: 4 }, (_, index) => [`kept:${index}`, "e.0"]);
    const { socket } = connect(undefined, auth({ positions: Object.fromEntries(names) }));
    expect(socket.closedWith?.code).toBe(4005);
  });
});

describe("a client that comes back", () => {
  /** A connection in `kept:1` and its own channel that has heard `1`, and then broke. */
  function broken(settings: Settings = {}) {
    const worker = setUp(settings);
    const client = worker.connect(ALICE);
    const was = connected(client.socket);
    client.say(subscribe({ channel: "kept:1" }));
    worker.say("kept:1", "1");
    const heard = told(client.socket);
    const offset = String(heard.at(-1)?.at(-1));
    expect(worker.channels()).toEqual([ALICE, "kept:1"]);
    const back = (content: object = {}, user = ALICE) => {
      const again = worker.connect(user, auth({ pid: was.pid, offset, ...content }));
      return { ...again, ...connected(again.socket) };
    };
    return { ...worker, client, was, offset, back };
  }

  test("gets its connection, its channels and what it missed, and goes on live", () => {
    const { client, was, back, say, channels, counters } = broken();
    client.close();
    say("kept:1", 2);
    say(ALICE, 3);
    const { sid, pid, socket } = back();
    expect({ sid, pid }).toEqual(was as { sid: string; pid: string });
    expect(channels()).toEqual([ALICE, "kept:1"]);
    say("kept:1", 4);
    expect(told(socket).map(([, data]) => data)).toEqual([2, 3, 4]);
    expect(counters).toMatchObject({ recoveredConnections: 1, unrecoveredConnections: 0 });
  });

  test("may come back again and again, having heard something or not", () => {
    const { client, was, back, say } = broken();
    client.close();
    say("kept:1", 2);
    const first = back();
    const [event] = told(first.socket);
    first.close();
    say("kept:1", 3);
    const second = back({ offset: event?.at(-1) });
    expect(told(second.socket).map(([, data]) => data)).toEqual([3]);
    second.close();
    const third = back({ offset: event?.at(-1) });
    expect(third.sid).toBe(was.sid);
    expect(told(third.socket).map(([, data]) => data)).toEqual([3]);
  });

  test("and is cut before it knows, since it does not read, may come back again", () => {
    const { client, was, offset, open, back, say, counters } = broken();
    client.close();
    say("kept:1", 2);
    const cut = open(ALICE);
    cut.socket.pause();
    cut.socket.buffered.push("x".repeat(2_000));
    cut.say(`40${auth({ pid: was.pid, offset })}`);
    expect(counters.slowConsumers).toBe(1);
    const again = back();
    expect(again.sid).toBe(was.sid);
    expect(told(again.socket).map(([, data]) => data)).toEqual([2]);
  });

  test("that heard nothing gets everything since it was subscribed", () => {
    const worker = setUp();
    worker.say("kept:1", 0);
    const client = worker.connect(ALICE);
    const { sid, pid } = connected(client.socket);
    client.say(subscribe({ channel: "kept:1" }));
    client.close();
    worker.say("kept:1", 1);
    const again = worker.connect(ALICE, auth({ pid }));
    expect(connected(again.socket).sid).toBe(sid);
    expect(told(again.socket).map(([, data]) => data)).toEqual([1]);
  });

  test("with a cursor from before this connection gets everything since it was subscribed", () => {
    const worker = setUp();
    worker.say("kept:2", 0);
    const early = worker.position();
    worker.say("kept:1", 0);
    for (const offset of [early, "other-epoch.99"]) {
      const client = worker.connect(ALICE);
      const { sid, pid } = connected(client.socket);
      client.say(subscribe({ channel: "kept:1" }));
      client.close();
      worker.say("kept:1", 1);
      const again = worker.connect(ALICE, auth({ pid, offset }));
      expect(connected(again.socket).sid).toBe(sid);
      expect(told(again.socket).map(([, data]) => data)).toEqual([1]);
    }
  });

  test("before its old connection was noticed to be dead gets it all the same, and the old one ends", () => {
    const { client, was, back, say, counters } = broken();
    say("kept:1", 2);
    const { sid, socket } = back();
    expect(sid).toBe(was.sid);
    expect(client.socket.closedWith?.code).toBe(4002);
    expect(told(socket).map(([, data]) => data)).toEqual([2]);
    expect(counters.connections).toBe(1);
  });

  test.each(["slow_consumer", "messages_missed", "shutting_down", "ping_timeout"] as const)(
    "after the server closed it for %s gets its connection",
    (reason) => {
      const { was, back, hub } = broken();
      for (const subscriber of hub.subscribers()) subscriber.close(reason);
      expect(back().sid).toBe(was.sid);
    },
  );

  test.each(["token_expired", "internal_error", "limit_exceeded"] as const)(
    "after the server closed it for %s begins anew",
    (reason) => {
      const { was, back, hub } = broken();
      for (const subscriber of hub.subscribers()) subscriber.close(reason);
      expect(back().sid).not.toBe(was.sid);
    },
  );

  test("after it left, or was sent away, begins anew", () => {
    const left = broken();
    left.client.say("41");
    left.client.close();
    expect(left.back().pid).not.toBe(left.was.pid);
    const sent = broken();
    void sent.hub.disconnect("default", { user: ALICE });
    expect(sent.back().pid).not.toBe(sent.was.pid);
  });

  test("as another user begins anew, and leaves what is not its own", () => {
    const { client, was, back } = broken();
    client.close();
    expect(back({}, BOB).sid).not.toBe(was.sid);
    expect(back().sid).toBe(was.sid);
  });

  test.each([
    ["an offset that is none", { offset: "hello" }],
    ["an offset of another type", { offset: 7 }],
    ["an unknown pid", { pid: "1.aaaaaaaaaaaaaaaaaaaa" }],
    ["a pid of another type", { pid: 7 }],
  ])("with %s begins anew", (_, content) => {
    const { client, was, back, counters, channels } = broken();
    client.close();
    const { sid, pid } = back(content);
    expect(sid).not.toBe(was.sid);
    expect(pid).not.toBe(was.pid);
    expect(channels()).toEqual([ALICE]);
    expect(counters).toMatchObject({ recoveredConnections: 0, unrecoveredConnections: 1 });
  });

  test("begins anew when it may not have one of its channels any more", () => {
    const kept = { ...recoverable };
    const { client, was, back, channels } = broken({ namespaces: { "": recoverable, kept } });
    client.close();
    Object.assign(kept, { subscribe: "nobody" });
    expect(back().sid).not.toBe(was.sid);
    expect(channels()).toEqual([ALICE]);
  });

  test("begins anew with an offset that is yet to come", () => {
    const { client, was, back, offset } = broken();
    client.close();
    expect(back({ offset: `${offset.split(".")[0]}.999` }).sid).not.toBe(was.sid);
  });

  test("begins anew when not everything is kept any more", () => {
    const { client, was, back, say } = broken();
    client.close();
    say("kept:1", ...Array.from({ length: 11 }, (_, index) => index));
    expect(back().sid).not.toBe(was.sid);
  });

  test("begins anew after the time for which connections are kept, and not before", () => {
    const late = broken({ recoveryMs: 30_000 });
    late.client.close();
    late.clock.advance(30_000);
    expect(late.back().sid).not.toBe(late.was.sid);
    const intime = broken({ recoveryMs: 30_000 });
    intime.client.close();
    intime.clock.advance(29_999);
    expect(intime.back().sid).toBe(intime.was.sid);
  });

  test("begins anew where it was in a channel of which something may be missing", () => {
    const { client, was, back } = broken();
    client.say(subscribe({ channel: "open:1" }));
    client.close();
    expect(back().sid).not.toBe(was.sid);
  });

  test("begins anew where it had no channel: what it asked for may have been lost on the way", () => {
    const worker = setUp();
    const client = worker.connect();
    const { sid, pid } = connected(client.socket);
    client.close();
    const again = worker.connect(undefined, auth({ pid }));
    expect(connected(again.socket).sid).not.toBe(sid);
    expect(worker.counters).toMatchObject({ recoveredConnections: 0, unrecoveredConnections: 1 });
  });

  test("comes back to a channel that promises nothing, and to none that it left", () => {
    const volatile = { subscribe: "anyone", publish: "anyone", volatile: true } as const;
    const { client, was, back, channels } = broken({ namespaces: { ...namespaces, volatile } });
    client.say(subscribe({ channel: "volatile:1" }), '42["unsubscribe",{"channel":"kept:1"}]');
    client.close();
    expect(back().sid).toBe(was.sid);
    expect(channels()).toEqual([ALICE, "volatile:1"]);
  });

  test("is not believed a cursor that may be of before or after what it recovered", () => {
    const worker = setUp();
    worker.say("kept:1", 1, 2);
    const client = worker.connect(ALICE);
    const { sid, pid } = connected(client.socket);
    const epoch = worker.position().split(".")[0];
    worker.say(ALICE, 3);
    client.say(subscribe({ channel: "kept:1", since: `${epoch}.0` }));
    worker.say("kept:1", 4);
    client.close();
    const doubtful = worker.connect(ALICE, auth({ pid, offset: `${epoch}.1` }));
    expect(connected(doubtful.socket).sid).not.toBe(sid);
  });

  test("is believed a cursor behind what it recovered", () => {
    const worker = setUp();
    worker.say("kept:1", 1, 2);
    const client = worker.connect(ALICE);
    const { sid, pid } = connected(client.socket);
    const epoch = worker.position().split(".")[0];
    client.say(subscribe({ channel: "kept:1", since: `${epoch}.0` }));
    worker.say("kept:1", 3);
    client.close();
    worker.say("kept:1", 4);
    const again = worker.connect(ALICE, auth({ pid, offset: `${epoch}.3` }));
    expect(connected(again.socket).sid).toBe(sid);
    expect(told(again.socket).map(([, data]) => data)).toEqual([4]);
  });

  test("has no proof to come back with where nothing is kept", () => {
    const { connect } = setUp({ recoveryMs: 0 });
    expect(connected(connect(ALICE).socket)).not.toHaveProperty("pid");
  });
});
