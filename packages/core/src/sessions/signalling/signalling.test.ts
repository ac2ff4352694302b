import { describe, expect, test } from "bun:test";
import type { ServerSignal } from "@starling/protocol/signalling/messages.ts";
import { decodeEventPayload, encodeEventPayload } from "@starling/protocol/signalling/payload.ts";
import type { Identity } from "../../auth/identity.ts";
import type { NamespaceConfig } from "../../hub/namespace.ts";
import { atOnce } from "../../testing/at-once.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { control, openApps, signallingWorker } from "../../testing/signalling-worker.ts";

interface Settings {
  readonly namespaces?: Readonly<Record<string, Partial<NamespaceConfig>>>;
  readonly identity?: Partial<Identity>;
  readonly refreshed?: Partial<Identity>;
  readonly maxChannels?: number;
}

function setUp({ namespaces = {}, maxChannels = 0, ...identities }: Settings = {}) {
  const clock = new FakeClock();
  const apps = openApps(namespaces, { maxChannels });
  const { broker, handlers } = LocalNode.alone({ clock, apps });
  const worker = signallingWorker({ clock, apps, broker, handlers, ...identities });
  const { hub } = worker;
  const channels = () => atOnce(hub.channels("default", { prefix: "", limit: 100 })).channels;
  const members = () => atOnce(broker.members("default", "room")).map(({ clientId }) => clientId);
  return { clock, channels, members, handlers, ...worker };
}

const bytes = (...values: number[]) => new Uint8Array(values);
const state = bytes(0x81, 0xa2, 0x69, 0x64, 0xa1, 0x61);

describe("a handshake", () => {
  test.each([
    ["publickey=k&id=", 401, "id must not be empty"],
    ["publickey=k", 401, "id must not be empty"],
    ["publickey=&id=a", 401, "publickey must not be empty"],
    ["id=a", 401, "publickey must not be empty"],
  ])("with %s is refused with %i and says: %s", async (query, status, message) => {
    const { server } = setUp();
    const handshake = { address: "192.0.2.1", origin: null, bearer: undefined };
    const admission = await server.admit({ ...handshake, query: new URLSearchParams(query) });
    expect(admission).toMatchObject({ status, message });
  });

  test("may spell its query as the older document does", async () => {
    const { connect } = setUp();
    const { link } = await connect("public_key=k&app_id=a");
    expect(link.socket).toBeDefined();
  });
});

describe("version 1", () => {
  test("acknowledges a join to the one who joins, and to nobody else", async () => {
    const { joined, connect } = setUp();
    const alice = await joined("alice");
    const bob = await connect("publickey=k&id=bob");
    bob.say({ t: "control", op: "channel_join", c: "room", p: "" });
    expect(bob.read()).toEqual([
      { t: "control", op: "channel_join", c: "room", p: "", mesh: "east" },
    ]);
    expect(alice.read()).toEqual([]);
  });

  test("hands presence and data to every other connection, under the sender's id", async () => {
    const { joined } = setUp();
    const [alice, bob, carol] = [await joined("alice"), await joined("bob"), await joined("carol")];
    const pl = encodeEventPayload("move", '{"x":1}');
    alice.say(control("peer_online"), control("peer_state", "", state), {
      t: "data",
      c: "room",
      p: "somebody else",
      pl,
    });
    const about = { c: "room", p: "alice", mesh: "east" };
    const expected: ServerSignal[] = [
      { t: "control", op: "peer_online", ...about },
      { t: "control", op: "peer_state", ...about, pl: state },
      { t: "data", ...about, pl },
    ];
    expect(bob.read()).toEqual(expected);
    expect(carol.read()).toEqual(expected);
    expect(alice.read()).toEqual([]);
  });

  test("names the node that somebody is on, or that something was published at, where it is another", async () => {
    const { joined, handlers } = setUp();
    const bob = await joined("bob");
    const member = {
      ...{ connection: "elsewhere", clientId: "carol", user: undefined, state, since: 1 },
      mesh: "west",
    };
    handlers.presence("default", "room", { type: "join", member });
    handlers.presence("default", "room", { type: "online", connection: "elsewhere" });
    handlers.presence("default", "room", {
      type: "state",
      connection: "elsewhere",
      clientId: "carol",
      state,
    });
    handlers.presence("default", "room", { type: "leave", connection: "elsewhere" });
    expect(bob.read()).toEqual(
      ["peer_online", "peer_state", "peer_offline"].map((op) =>
        expect.objectContaining({ op, p: "carol", mesh: "west" }),
      ),
    );
    const place = { app: "default", channel: "room", event: "e", data: "1", publisher: "carol" };
    handlers.delivered({ ...place, mesh: "west" });
    handlers.delivered(place);
    expect(bob.read()).toMatchObject([
      { t: "data", mesh: "west" },
      { t: "data", mesh: "east" },
    ]);
  });

  test("renames the sender by a state that names it, also for what it says later", async () => {
    const { joined, members } = setUp();
    const [alice, bob] = [await joined("alice"), await joined("bob")];
    alice.say(control("peer_state", "alicia", state), { t: "data", c: "room", p: "" });
    expect(bob.read().map((signal) => "p" in signal && signal.p)).toEqual(["alicia", "alicia"]);
    alice.leave();
    expect(bob.read()).toMatchObject([{ op: "peer_offline", p: "alicia" }]);
    expect(members()).toEqual(["bob"]);
  });

  test.each(["by a signal", "by a lost connection", "by a missed heartbeat"])(
    "tells the others when a peer goes %s",
    async (way) => {
      const { joined, clock, members, channels } = setUp();
      const [alice, bob] = [await joined("alice"), await joined("bob")];
      if (way === "by a signal") alice.say(control("peer_offline"));
      else if (way === "by a lost connection") alice.leave();
      else {
        for (let ping = 0; ping < 3; ping++) {
          clock.advance(10_000);
          bob.link.ponged(bob.socket, bob.socket.pings.at(-1) ?? bytes());
        }
        clock.advance(1_000);
        expect(alice.socket.closedWith?.code).toBe(1013);
      }
      expect(bob.read()).toEqual([
        { t: "control", op: "peer_offline", c: "room", p: "alice", mesh: "east" },
      ]);
      expect(members()).toEqual(["bob"]);
      expect(channels()).toEqual([{ channel: "room", subscribers: 1 }]);
    },
  );

  test("drops, counts and logs what is not for a joined channel or makes no sense", async () => {
    const { joined, connect, counters, log } = setUp();
    const [alice, bob] = [await connect("publickey=k&id=alice"), await joined("bob")];
    alice.say(control("peer_state", "", state), { t: "data", c: "room", p: "" });
    alice.link.message(alice.socket, bytes(0xc1, 0xff));
    alice.link.message(alice.socket, bytes());
    expect(counters.droppedSignals).toBe(4);
    expect(log.lines.filter(({ message }) => message === "dropped a signal").length).toBe(4);
    expect(bob.read()).toEqual([]);
    expect(alice.read()).toEqual([]);
    expect(alice.socket.isEnded).toBe(false);
  });

  test("closes the connection upon a text frame with 1003", async () => {
    const { joined } = setUp();
    const [alice, bob] = [await joined("alice"), await joined("bob")];
    alice.link.message(alice.socket, "hello");
    expect(alice.socket.closedWith?.code).toBe(1003);
    expect(bob.read()).toMatchObject([{ op: "peer_offline", p: "alice" }]);
  });

  test("pings every ten seconds with the clock, and measures the way there and back", async () => {
    const { joined, clock, roundTrips } = setUp();
    const alice = await joined("alice");
    clock.advance(10_000);
    const [payload = bytes()] = alice.socket.pings;
    expect(payload.length).toBe(8);
    const sent = Number(new DataView(payload.buffer).getBigUint64(0));
    expect(sent).toBeGreaterThan(clock.now() - 400);
    clock.advance(42);
    alice.link.ponged(alice.socket, payload);
    expect(roundTrips).toEqual([clock.now() - sent]);
    alice.link.ponged(alice.socket, payload);
    expect(roundTrips.length).toBe(1);
  });

  test("cuts who sends more messages than allowed, and tells the others", async () => {
    const { joined, counters } = setUp();
    const [alice, bob] = [await joined("alice"), await joined("bob")];
    for (let count = 0; count < 60; count++) alice.say(control("peer_state", "", state));
    expect(alice.socket.closedWith?.code).toBe(1013);
    expect(counters.floods).toBe(1);
    expect(bob.read().length).toBe(50);
  });
});

describe("version 2", () => {
  test("gives a newcomer a snapshot of the others", async () => {
    const { joined, connect, clock } = setUp();
    const alice = await joined("alice");
    alice.say(control("peer_state", "", state));
    clock.advance(5);
    await joined("bob");
    const carol = await connect("publickey=k&id=carol&v=2");
    carol.say({ t: "control", op: "channel_join", c: "room", p: "", id: 1 });
    const since = clock.now();
    expect(carol.read().slice(1)).toEqual([
      { t: "control", op: "ack", id: 1, c: "room" },
      {
        t: "control",
        op: "snapshot",
        c: "room",
        ms: [
          { p: "alice", pl: state, since: since - 5 },
          { p: "bob", since },
        ],
      },
    ]);
  });

  test("acknowledges requests and refuses with the numbers of the catalogue", async () => {
    const { connect } = setUp({ namespaces: { closed: { subscribe: "nobody" } } });
    const client = await connect("publickey=k&id=a&v=2");
    client.say({ t: "control", op: "subscribe", c: "news", id: 1 });
    client.say({ t: "data", c: "news", p: "", pl: bytes(0xc0), id: 2 });
    client.say({ t: "data", c: "other", p: "", pl: bytes(0xc0), id: 3 });
    client.say({ t: "control", op: "subscribe", c: "closed:1", id: 4 });
    client.say({ t: "control", op: "unsubscribe", c: "news", id: 5 });
    client.say({ t: "control", op: "unsubscribe", c: "news", id: 6 });
    const answers = client
      .read()
      .map((answer) => ("code" in answer ? [answer.op, answer.code] : "op" in answer && answer.op));
    expect(answers).toEqual(["ack", "ack", ["error", 129], ["error", 203], "ack", ["error", 129]]);
  });

  test("subscribes without presence: data comes, but nobody hears of the subscriber", async () => {
    const { connect, joined, members } = setUp();
    const alice = await joined("alice");
    const watcher = await connect("publickey=k&id=w&v=2");
    watcher.say({ t: "control", op: "subscribe", c: "room", id: 1 });
    alice.say({ t: "data", c: "room", p: "", pl: bytes(0xc0) });
    alice.say(control("peer_state", "", state));
    expect(watcher.read().slice(1)).toMatchObject([{ t: "data", p: "alice" }]);
    watcher.say({ t: "control", op: "channel_join", c: "room", p: "", id: 2 });
    watcher.read();
    alice.say(control("peer_state", "", state));
    expect(watcher.read()).toMatchObject([{ op: "peer_state", p: "alice" }]);
    watcher.say(control("peer_offline"));
    expect(alice.read()).toMatchObject([{ op: "peer_offline", p: "w" }]);
    watcher.leave();
    expect(alice.read()).toEqual([]);
    expect(members()).toEqual(["alice"]);
  });

  test.each([
    ["a payload", { t: "data", c: "room", p: "", pl: new Uint8Array(65_537), id: 9 }, 126],
    [
      "a state",
      { t: "control", op: "peer_state", c: "room", p: "", pl: new Uint8Array(4_097) },
      127,
    ],
    ["a message", { t: "data", c: "room", p: "", pl: new Uint8Array(80_000) }, 121],
  ] as const)("is told of %s that is too large, and then closed", async (_what, signal, code) => {
    const { joined, counters } = setUp();
    const [client, witness] = [await joined("a", "room", 2), await joined("w")];
    client.say(signal);
    expect(client.read()).toMatchObject([{ op: "error", code }]);
    expect(client.socket.closedWith?.code).toBe(4005);
    expect(counters.limitsExceeded).toBe(1);
    expect(witness.read()).toMatchObject([{ op: "peer_offline", p: "a" }]);
  });

  test("is told of a channel too many, and then closed", async () => {
    const { connect } = setUp();
    const client = await connect("publickey=k&id=a&v=2");
    for (const c of ["1", "2", "3", "4"]) client.say({ t: "control", op: "subscribe", c, id: 1 });
    expect(client.read().at(-1)).toMatchObject({ op: "error", code: 204 });
    expect(client.socket.closedWith?.code).toBe(4005);
  });

  test("is told that the app has no room for another channel, and then closed", async () => {
    const { joined, counters } = setUp({ maxChannels: 1 });
    const [client, witness] = [await joined("a", "room", 2), await joined("w")];
    client.say({ t: "control", op: "subscribe", c: "another", id: 1 });
    expect(client.read()).toMatchObject([{ op: "error", id: 1, code: 206 }]);
    expect(client.socket.closedWith?.code).toBe(4005);
    expect(counters.limitsExceeded).toBe(1);
    expect(witness.read()).toMatchObject([{ op: "peer_offline", p: "a" }]);
  });

  test("answers a ping with the server's clock", async () => {
    const { connect, clock } = setUp();
    const client = await connect("publickey=k&id=a&v=2");
    client.say({ t: "control", op: "ping", id: 7 });
    expect(client.read()).toEqual([{ t: "control", op: "pong", id: 7, ts: clock.now() }]);
  });

  test("is told before a drain; version 1 is not", async () => {
    const { joined, server, clock } = setUp();
    const [one, two] = [await joined("one"), await joined("two", "room", 2)];
    server.notify("shutting_down", clock.now() + 5_000);
    expect(one.read()).toEqual([]);
    expect(two.read()).toMatchObject([{ op: "notice", code: 4000, ts: clock.now() + 5_000 }]);
    server.shutDown();
    expect([one.socket.closedWith?.code, two.socket.closedWith?.code]).toEqual([1013, 4000]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("loses its connection when its token ends, unless it brings a fresh one in time", async () => {
    const start = new FakeClock().now();
    const { connect, clock } = setUp({
      identity: { source: "jwt", expiresAt: start + 60_000 },
      refreshed: { expiresAt: start + 120_000 },
    });
    const [idle, fresh] = [
      await connect("publickey=k&id=a&v=2"),
      await connect("publickey=k&id=b&v=2"),
    ];
    fresh.say({ t: "control", op: "auth", tk: "new", id: 1 });
    await Promise.resolve();
    expect(fresh.read()).toEqual([{ t: "control", op: "ack", id: 1 }]);
    const advance = () => {
      for (let second = 0; second < 60; second++) {
        clock.advance(1_000);
        for (const { link, socket } of [idle, fresh]) link.ponged(socket, bytes());
      }
    };
    advance();
    expect(idle.socket.closedWith?.code).toBe(4004);
    expect(fresh.socket.isEnded).toBe(false);
    advance();
    expect(fresh.socket.closedWith?.code).toBe(4004);
  });
});

describe("a namespace with a debounce window", () => {
  const namespaces = { "": { presenceDebounceMs: 1_000 } };

  test("does not announce who leaves and comes back within it", async () => {
    const { joined, clock } = setUp({ namespaces });
    const bob = await joined("bob");
    const alice = await joined("alice");
    alice.say(control("peer_online"));
    clock.advance(1_000);
    expect(bob.read()).toMatchObject([{ op: "peer_online", p: "alice" }]);
    alice.leave();
    clock.advance(900);
    const again = await joined("alice");
    again.say(control("peer_online"));
    clock.advance(5_000);
    expect(bob.read()).toEqual([]);
    again.leave();
    clock.advance(1_000);
    expect(bob.read()).toMatchObject([{ op: "peer_offline", p: "alice" }]);
  });

  test("announces a newcomer with its latest state, once the window has passed", async () => {
    const { joined, clock } = setUp({ namespaces });
    const [bob, alice] = [await joined("bob"), await joined("alice")];
    alice.say(control("peer_online"), control("peer_state", "", state));
    expect(bob.read()).toEqual([]);
    clock.advance(1_000);
    expect(bob.read()).toMatchObject([{ op: "peer_online" }, { op: "peer_state", pl: state }]);
  });

  test("announces neither for who comes and leaves within it", async () => {
    const { joined, clock } = setUp({ namespaces });
    const [bob, alice] = [await joined("bob"), await joined("alice")];
    alice.say(control("peer_online"));
    alice.leave();
    clock.advance(5_000);
    expect(bob.read()).toEqual([]);
  });
});

describe("a namespace that conflates states", () => {
  test("sends each member's latest state once in a window, to the others only", async () => {
    const { joined, clock } = setUp({ namespaces: { "": { conflateMs: 50 } } });
    const [alice, bob] = [await joined("alice"), await joined("bob")];
    const numbered = (n: number) => bytes(0x81, 0xa2, 0x69, 0x64, n);
    for (let n = 0; n < 10; n++) alice.say(control("peer_state", "", numbered(n)));
    bob.say(control("peer_state", "", numbered(77)));
    expect(alice.read()).toEqual([]);
    clock.advance(50);
    expect(bob.read()).toMatchObject([{ op: "peer_state", p: "alice", pl: numbered(9) }]);
    expect(alice.read()).toMatchObject([{ op: "peer_state", p: "bob", pl: numbered(77) }]);
    clock.advance(500);
    expect(bob.read()).toEqual([]);
  });
});

test("what HTTPS publishes reaches signalling clients as an event payload", async () => {
  const { hub, joined } = setUp();
  const alice = await joined("alice");
  const data = '{"id":12345678901234567890}';
  hub.publishUnanswered({
    app: "default",
    channel: "room",
    event: "paid",
    data,
    publisher: "shop",
  });
  const [signal] = alice.read();
  expect(signal).toMatchObject({ t: "data", c: "room", p: "shop" });
  const pl = signal !== undefined && "pl" in signal ? signal.pl : undefined;
  expect(decodeEventPayload(pl ?? bytes())).toEqual({ event: "paid", data });
});
