import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Broker, BrokerHandler, WorkerId } from "../../broker/broker.ts";
import { LocalBroker } from "../../broker/local.ts";
import type { Node } from "../../broker/node.ts";
import type { NamespaceConfig } from "../../hub/namespace.ts";
import type { Publication } from "../../hub/publication.ts";
import { DelayedBroker } from "../../testing/delayed-broker.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { control, openApps, signallingWorker } from "../../testing/signalling-worker.ts";
import { turn } from "../../testing/turn.ts";

type CreateBroker<B> = (node: Node<Publication>, worker: WorkerId, handler: BrokerHandler) => B;

/** Workers of one node, each with clients of its own. */
function setUp(namespaces: Readonly<Record<string, Partial<NamespaceConfig>>> = {}) {
  const clock = new FakeClock();
  const apps = openApps(namespaces);
  const local = new LocalNode({ clock, apps });
  let seed = 0;
  const worker = <B extends Broker>(create: CreateBroker<B>) => {
    const place = local.place(create);
    seed++;
    return { ...place, ...signallingWorker({ clock, apps, ...place, seed }) };
  };
  const plain = () => worker((node, id, handler) => new LocalBroker(node, id, handler));
  return { clock, node: local.node, worker, a: plain(), b: plain() };
}

const bytes = (...values: number[]) => new Uint8Array(values);
const numbered = (n: number) => bytes(0x81, 0xa2, 0x69, 0x64, n);
const data = (pl: Uint8Array, id?: number) =>
  ({ t: "data", c: "room", p: "", pl, ...(id === undefined ? {} : { id }) }) as const;
const join = (c = "room", id?: number) =>
  ({ t: "control", op: "channel_join", c, p: "", ...(id === undefined ? {} : { id }) }) as const;

describe("clients of two workers", () => {
  test("dance as if they were on one: both learn who is there, and hear what is said", async () => {
    const { a, b } = setUp();
    const alice = await a.joined("alice");
    alice.say(control("peer_online"), control("peer_state", "", numbered(1)));
    const bob = await b.joined("bob");
    bob.say(control("peer_online", "", bytes(9)), control("peer_state", "", numbered(2)));
    expect(alice.read()).toMatchObject([
      { op: "peer_online", p: "bob", pl: bytes(9) },
      { op: "peer_state", p: "bob", pl: numbered(2) },
    ]);
    alice.say(control("peer_state", "", numbered(1)), data(bytes(5)));
    expect(bob.read()).toMatchObject([
      { op: "peer_state", p: "alice", pl: numbered(1) },
      { t: "data", p: "alice", pl: bytes(5) },
    ]);
    expect(alice.read()).toEqual([]);
  });

  test("hear of each other's names, also in channels where nothing was said under the new one", async () => {
    const { a, b } = setUp();
    const [alice, bob] = [await a.joined("alice"), await b.joined("bob")];
    alice.say(join("hall"));
    bob.say(join("hall"));
    bob.read();
    alice.say(control("peer_state", "alicia", numbered(1)));
    expect(bob.read()).toMatchObject([{ op: "peer_state", c: "room", p: "alicia" }]);
    alice.leave();
    expect(bob.read()).toMatchObject([
      { op: "peer_offline", c: "room", p: "alicia" },
      { op: "peer_offline", c: "hall", p: "alicia" },
    ]);
  });

  test("are told once of those whose worker died", async () => {
    const { clock, a, b } = setUp();
    const bob = await b.joined("bob");
    for (const id of ["alice", "anna"]) (await a.joined(id)).say(control("peer_online"));
    bob.read();
    a.broker.leave();
    expect(bob.read()).toMatchObject([
      { op: "peer_offline", p: "alice" },
      { op: "peer_offline", p: "anna" },
    ]);
    b.handlers.missed();
    await turn();
    clock.advance(100);
    expect(bob.read()).toEqual([]);
  });

  describe("one of which comes back before its former connection is known to be lost", () => {
    /** Alice over two connections, at the same worker or at another. */
    async function twice(isElsewhere: boolean) {
      const { clock, a, b } = setUp();
      const carol = await a.joined("carol");
      clock.advance(1);
      const dave = await b.joined("dave");
      clock.advance(1);
      const former = await a.joined("alice");
      former.say(control("peer_online"), control("peer_state", "", numbered(1)));
      clock.advance(1);
      const present = await (isElsewhere ? b : a).joined("alice");
      present.say(control("peer_online"));
      clock.advance(1);
      return { a, b, carol, dave, former, present };
    }

    test.each([false, true])(
      "stays there for all when that ends (elsewhere: %p)",
      async (where) => {
        const { carol, dave, former, present } = await twice(where);
        present.say(control("peer_state", "", numbered(2)));
        for (const { read } of [carol, dave]) read();
        former.leave();
        for (const { read } of [carol, dave]) {
          for (const signal of read()) {
            expect(signal).toMatchObject({ op: "peer_state", p: "alice", pl: numbered(2) });
          }
        }
        present.leave();
        for (const { read } of [carol, dave]) {
          expect(read()).toMatchObject([{ op: "peer_offline", p: "alice" }]);
        }
      },
    );

    test.each([false, true])("is shown as it is (elsewhere: %p)", async (where) => {
      const { carol, dave, former, present } = await twice(where);
      present.say(control("peer_state", "", numbered(2)));
      former.say(control("peer_state", "", numbered(3)));
      for (const { read } of [carol, dave]) read();
      former.leave();
      for (const { read } of [carol, dave]) {
        expect(read()).toMatchObject([{ op: "peer_state", p: "alice", pl: numbered(2) }]);
      }
    });

    test.each([false, true])("goes when its newer one ends last (elsewhere: %p)", async (where) => {
      const { carol, dave, former, present } = await twice(where);
      for (const { read } of [carol, dave]) read();
      present.leave();
      former.leave();
      const ops = [carol, dave].map(({ read }) =>
        read()
          .map((signal) => ("op" in signal ? signal.op : signal.t))
          .filter((op) => op !== "peer_state"),
      );
      expect(ops).toEqual([["peer_offline"], ["peer_offline"]]);
    });

    test.each([false, true])("is listed once, and not to itself (elsewhere: %p)", async (where) => {
      const { a, b, present } = await twice(where);
      present.say(control("peer_state", "", numbered(2)));
      const listed = async (id: string) => {
        const client = await b.connect(`publickey=k&id=${id}&v=2`);
        client.say(join());
        return client.read().flatMap((signal) => ("ms" in signal ? signal.ms : []));
      };
      expect(await listed("eve")).toMatchObject([
        { p: "carol" },
        { p: "dave" },
        { p: "alice", pl: numbered(2) },
      ]);
      expect((await listed("alice")).map(({ p }) => p)).toEqual(["carol", "dave", "eve"]);
      expect(a.presence.members("default", "room")).toHaveLength(6);
    });

    test("and takes another name, is gone under the first and there under the other", async () => {
      const { carol, dave, former, present } = await twice(true);
      present.say(control("peer_state", "alicia", numbered(2)));
      for (const { read } of [carol, dave]) read();
      former.leave();
      for (const { read } of [carol, dave]) {
        expect(read()).toMatchObject([{ op: "peer_offline", p: "alice" }]);
      }
      present.leave();
      for (const { read } of [carol, dave]) {
        expect(read()).toMatchObject([{ op: "peer_offline", p: "alicia" }]);
      }
    });
  });

  test("of version 2 get a snapshot of the members of all workers", async () => {
    const { clock, a, b } = setUp();
    const alice = await a.joined("alice");
    alice.say(control("peer_state", "", numbered(1)));
    clock.advance(5);
    await b.joined("bob");
    clock.advance(5);
    await a.joined("carol");
    const dora = await b.connect("publickey=k&id=dora&v=2");
    dora.say(join("room", 1));
    const since = clock.now();
    expect(dora.read()).toMatchObject([
      { op: "channel_join" },
      { op: "ack", id: 1 },
      {
        op: "snapshot",
        ms: [
          { p: "alice", pl: numbered(1), since: since - 10 },
          { p: "bob", since: since - 5 },
          { p: "carol", since },
        ],
      },
    ]);
  });

  test("who only subscribe hear what is said, and nothing of peers", async () => {
    const { a, b } = setUp();
    const watcher = await b.connect("publickey=k&id=w&v=2");
    watcher.say({ t: "control", op: "subscribe", c: "room" });
    const alice = await a.joined("alice");
    alice.say(control("peer_online"), data(bytes(5)));
    expect(watcher.read()).toMatchObject([{ t: "data", p: "alice" }]);
  });

  test("leave nothing behind in the node", async () => {
    const { node, a, b } = setUp();
    const clients = [await a.joined("alice"), await b.joined("bob")];
    expect(node.held).toBeGreaterThan(2);
    for (const client of clients) client.leave();
    expect(node.held).toBe(2);
  });
});

describe("a namespace with a debounce window", () => {
  const namespaces = { "": { presenceDebounceMs: 1_000 } };

  test("announces nobody who leaves one worker and comes to another within it, on any", async () => {
    const { clock, a, b } = setUp(namespaces);
    const witnesses = [await a.joined("carol"), await b.joined("dave")];
    const alice = await a.joined("alice");
    alice.say(control("peer_online"));
    clock.advance(1_000);
    for (const { read } of witnesses) expect(read()).toMatchObject([{ op: "peer_online" }]);
    alice.leave();
    clock.advance(900);
    const again = await b.joined("alice");
    again.say(control("peer_online"));
    clock.advance(5_000);
    for (const { read } of witnesses) expect(read()).toEqual([]);
    again.leave();
    clock.advance(1_000);
    for (const { read } of witnesses) {
      expect(read()).toMatchObject([{ op: "peer_offline", p: "alice" }]);
    }
  });

  test("announces a newcomer to all workers with its latest state, and a dead worker's members", async () => {
    const { clock, a, b } = setUp(namespaces);
    const bob = await b.joined("bob");
    const alice = await a.joined("alice");
    alice.say(control("peer_online"), control("peer_state", "", numbered(1)));
    alice.say(control("peer_state", "", numbered(2)));
    expect(bob.read()).toEqual([]);
    clock.advance(1_000);
    expect(bob.read()).toMatchObject([
      { op: "peer_online", p: "alice" },
      { op: "peer_state", p: "alice", pl: numbered(2) },
    ]);
    a.broker.leave();
    expect(bob.read()).toEqual([]);
    clock.advance(1_000);
    expect(bob.read()).toMatchObject([{ op: "peer_offline", p: "alice" }]);
  });
});

test("a namespace that conflates sends one state of a member in a window to all workers", async () => {
  const { clock, node, a, b } = setUp({ "": { conflateMs: 50 } });
  const [alice, near, far] = [
    await a.joined("alice"),
    await a.joined("near"),
    await b.joined("far"),
  ];
  const before = node.counters.presenceEvents;
  for (let n = 0; n < 10; n++) alice.say(control("peer_state", "", numbered(n)));
  expect([...near.read(), ...far.read()]).toEqual([]);
  clock.advance(50);
  for (const { read } of [near, far]) {
    expect(read()).toMatchObject([{ op: "peer_state", p: "alice", pl: numbered(9) }]);
  }
  expect(node.counters.presenceEvents - before).toBe(1);
  alice.say(control("peer_state", "", numbered(10)));
  alice.leave();
  clock.advance(50);
  for (const { read } of [near, far]) expect(read()).toMatchObject([{ op: "peer_offline" }]);
});

describe("a join that has to ask other workers", () => {
  test("is answered in order, and what the client says meanwhile comes after it", async () => {
    const { worker, a } = setUp();
    const alice = await a.joined("alice");
    const far = worker(DelayedBroker.join);
    const bob = await far.connect("publickey=k&id=bob&v=2");
    bob.say(join("room", 1), control("peer_online"), data(bytes(5)));
    bob.say({ t: "control", op: "ping", id: 2 });
    expect(bob.read()).toEqual([]);
    while (!far.broker.up.isEmpty) far.broker.up.step();
    await turn();
    alice.say(control("peer_state", "", numbered(7)));
    while (!far.broker.down.isEmpty) far.broker.down.step();
    expect(bob.read()).toEqual([]);
    await turn();
    expect(bob.read()).toMatchObject([
      { op: "channel_join", c: "room" },
      { op: "ack", id: 1 },
      { op: "snapshot", ms: [{ p: "alice", pl: numbered(7) }] },
      { op: "pong", id: 2 },
    ]);
    expect(alice.read()).toEqual([]);
    while (!far.broker.up.isEmpty) far.broker.up.step();
    expect(alice.read()).toMatchObject([
      { op: "peer_online", p: "bob" },
      { t: "data", p: "bob" },
    ]);
  });

  test("lets other channels go on, and several joins wait in their order", async () => {
    const { worker } = setUp();
    const far = worker(DelayedBroker.join);
    const bob = await far.connect("publickey=k&id=bob&v=2");
    bob.say({ t: "control", op: "subscribe", c: "news" });
    bob.say(join("room", 1), join("hall", 2), { t: "control", op: "ping", id: 3 });
    far.hub.publishUnanswered({ app: "default", channel: "news", event: "e", data: "1" });
    expect(bob.read()).toMatchObject([{ t: "data", c: "news" }]);
    // The interest and the members of each channel are two questions.
    for (let round = 0; round < 4; round++) {
      while (!far.broker.up.isEmpty) far.broker.up.step();
      while (!far.broker.down.isEmpty) far.broker.down.step();
      await turn();
    }
    expect(
      bob.read().map((signal) => ("id" in signal ? signal.id : "op" in signal && signal.op)),
    ).toEqual(["channel_join", 1, "snapshot", "channel_join", 2, "snapshot", 3]);
  });

  test("cuts a client that says too much meanwhile", async () => {
    const { worker } = setUp();
    const far = worker(DelayedBroker.join);
    const bob = await far.connect("publickey=k&id=bob&v=2");
    bob.say(join());
    bob.say(data(new Uint8Array(3_000)));
    expect(bob.socket.isEnded).toBe(false);
    bob.say(data(new Uint8Array(3_000)));
    expect(bob.read()).toMatchObject([{ op: "error", code: 108 }]);
    expect(bob.socket.closedWith?.code).toBe(4005);
    expect(far.counters.floods).toBe(1);
  });

  test("is nothing to a client that went meanwhile, and does not end the wait of another", async () => {
    const { clock, node, worker, a } = setUp();
    const alice = await a.joined("alice");
    const far = worker(DelayedBroker.join);
    const [gone, stays] = [
      await far.connect("publickey=k&id=gone&v=2"),
      await far.connect("publickey=k&id=stays&v=2"),
    ];
    for (const client of [gone, stays]) client.say(join("room", 1));
    gone.say(data(new Uint8Array(1)));
    gone.leave();
    const settle = async () => {
      for (let round = 0; round < 3; round++) {
        while (!far.broker.up.isEmpty) far.broker.up.step();
        while (!far.broker.down.isEmpty) far.broker.down.step();
        await turn();
      }
    };
    await settle();
    expect(stays.read()).toMatchObject([
      { op: "channel_join" },
      { op: "ack" },
      { op: "snapshot", ms: [{ p: "alice" }] },
    ]);
    expect(far.counters.droppedSignals).toBe(0);
    for (const client of [alice, stays]) client.leave();
    // Who did not come was expected for as long.
    clock.advance(10_000);
    await settle();
    expect(node.held).toBe(3);
  });

  test("is refused where they cannot be asked; version 1, which cannot be told, is closed", async () => {
    const { worker } = setUp();
    const alone = worker((node, id, handler) => new Unreachable(node, id, handler));
    const [one, two] = [
      await alone.connect("publickey=k&id=one"),
      await alone.connect("publickey=k&id=two&v=2"),
    ];
    for (const client of [one, two]) client.say(join("room", 1), data(bytes(5), 2));
    await turn();
    expect(one.socket.closedWith?.code).toBe(1013);
    expect(two.read()).toMatchObject([
      { op: "error", id: 1, c: "room", code: 901 },
      { op: "error", id: 2, code: 129 },
    ]);
    expect(two.socket.isEnded).toBe(false);
  });
});

describe("a publication with an acknowledgement", () => {
  test("is acknowledged when the other workers have it", async () => {
    const { worker, a } = setUp();
    await a.joined("alice");
    const far = worker(DelayedBroker.join);
    const bob = await far.connect("publickey=k&id=bob&v=2");
    bob.say({ t: "control", op: "subscribe", c: "room" }, data(bytes(5), 1));
    expect(bob.read()).toEqual([]);
    while (!far.broker.up.isEmpty) far.broker.up.step();
    await turn();
    while (!far.broker.down.isEmpty) far.broker.down.step();
    await turn();
    expect(bob.read()).toMatchObject([{ op: "ack", id: 1, c: "room" }]);
  });

  test("is refused when nobody knows whether they have", async () => {
    const { worker } = setUp();
    const alone = worker((node, id, handler) => new Unreachable(node, id, handler));
    const bob = await alone.connect("publickey=k&id=bob&v=2");
    bob.say({ t: "control", op: "subscribe", c: "room" }, data(bytes(5), 1), data(bytes(6)));
    await turn();
    expect(bob.read()).toMatchObject([{ op: "error", id: 1, c: "room", code: 901 }]);
  });
});

test("who may have missed something is closed, and comes back: 4007, or 1013 in version 1", async () => {
  const { clock, a } = setUp();
  const [one, two] = [await a.joined("one"), await a.joined("two", "room", 2)];
  const idle = await a.connect("publickey=k&id=idle&v=2");
  a.handlers.missed();
  clock.advance(5_000);
  expect([one, two, idle].map(({ socket }) => socket.closedWith?.code)).toEqual([
    1013,
    4007,
    undefined,
  ]);
});

test("a server that takes no more says so, and lets those that it has go on", async () => {
  const { a } = setUp();
  const alice = await a.joined("alice");
  a.server.refuseNew();
  await expect(a.connect("publickey=k&id=bob")).rejects.toThrow("503 the server is shutting down");
  expect(alice.socket.isEnded).toBe(false);
});

/** A worker that has lost its node. */
class Unreachable extends LocalBroker {
  // The base class promises answers at once, the port does not.
  override watch(): never {
    return Promise.reject(new StarlingError("broker_unavailable")) as never;
  }

  override publish(): Promise<never> {
    return Promise.reject(new StarlingError("broker_unavailable"));
  }
}
