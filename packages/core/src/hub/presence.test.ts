import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import type { Broker, BrokerHandler, PresenceEvent } from "../broker/broker.ts";
import { LocalBroker } from "../broker/local.ts";
import type { Node } from "../broker/node.ts";
import { DelayedBroker } from "../testing/delayed-broker.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { LocalNode } from "../testing/local-node.ts";
import { turn } from "../testing/turn.ts";
import type { Member } from "./member.ts";
import { Presence } from "./presence.ts";
import type { Publication } from "./publication.ts";

const APP = "default";
const apps = new Map([[APP, { namespaces: new Map() }]]);

const member = (connection: string, since = 0): Member => ({
  connection,
  clientId: connection,
  user: undefined,
  state: undefined,
  since,
});

function setUp() {
  const clock = new FakeClock();
  const local = new LocalNode({ clock, apps });
  const worker = <B extends Broker>(
    create: (node: Node<Publication>, worker: number, handler: BrokerHandler) => B,
  ) => {
    const place = local.place(create);
    const presence = new Presence({ ...place, clock });
    const heard: string[] = [];
    presence.observe((_app, channel, { type, replica }) => {
      heard.push(`${channel} ${type} ${replica.clientId} ${replica.state?.[0] ?? "-"}`);
    });
    const connections = (channel = "room") =>
      presence.members(APP, channel).map(({ connection }) => connection);
    return { ...place, presence, heard, connections };
  };
  const local_ = () => worker((node, id, handler) => new LocalBroker(node, id, handler));
  const delayed = () => worker(DelayedBroker.join);
  return { clock, node: local.node, worker, join: local_, delayed };
}

describe("presence of one worker", () => {
  test("keeps members, once each, until they leave", async () => {
    const { node, join } = setUp();
    const { presence, connections } = join();
    await presence.watch(APP, "room");
    expect(presence.join(APP, "room", member("a"))).toBe(true);
    expect(presence.join(APP, "room", member("a"))).toBe(false);
    expect(presence.member(APP, "room", "a")?.clientId).toBe("a");
    expect(presence.member(APP, "hall", "a")).toBeUndefined();
    expect(connections()).toEqual(["a"]);
    expect(presence.leave(APP, "room", "b")).toBeUndefined();
    expect(presence.leave(APP, "room", "a")?.connection).toBe("a");
    expect(connections()).toEqual([]);
    expect(node.held).toBe(1);
  });

  test("wants a channel to be watched before somebody joins it", () => {
    const { presence } = setUp().join();
    expect(() => presence.join(APP, "room", member("a"))).toThrow("not watched");
  });
});

describe("presence of two workers", () => {
  test("knows the members of the other, those that were there before included", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    await a.presence.watch(APP, "room");
    a.presence.join(APP, "room", member("1", 1));
    await b.presence.watch(APP, "room");
    b.presence.join(APP, "room", member("2", 2));
    a.presence.join(APP, "room", member("3", 3));
    expect(a.connections()).toEqual(["1", "2", "3"]);
    expect(b.connections()).toEqual(["1", "2", "3"]);
    expect([a.heard, b.heard]).toEqual([[], []]);
  });

  test("hears what members of the other do, and only of channels with own members", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    for (const channel of ["room", "hall"]) {
      await a.presence.watch(APP, channel);
      a.presence.join(APP, channel, member("1"));
    }
    await b.presence.watch(APP, "room");
    b.presence.join(APP, "room", member("2"));
    const tell = (event: PresenceEvent) => {
      for (const channel of ["room", "hall"]) a.presence.tell(APP, channel, event);
    };
    tell({ type: "online", connection: "1" });
    tell({ type: "state", connection: "1", clientId: "one", state: new Uint8Array([7]) });
    tell({ type: "rename", connection: "1", clientId: "uno" });
    for (const channel of ["room", "hall"]) a.presence.leave(APP, channel, "1");
    expect(b.heard).toEqual(["room online 1 -", "room state one 7", "room leave uno 7"]);
    expect(a.heard).toEqual([]);
  });

  test("hears that the members of a dead worker leave, once", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    for (const { presence } of [a, b]) await presence.watch(APP, "room");
    a.presence.join(APP, "room", member("1"));
    b.presence.join(APP, "room", member("2"));
    a.broker.leave();
    b.handlers.missed();
    await Promise.resolve();
    expect(b.heard).toEqual(["room leave 1 -"]);
  });

  test("does not mix up what is replicated with the other's own", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    for (const { presence } of [a, b]) await presence.watch(APP, "room");
    const own = member("1");
    a.presence.join(APP, "room", own);
    own.clientId = "renamed";
    expect(b.presence.members(APP, "room")[0]?.clientId).toBe("1");
  });
});

describe("an answer that is on its way", () => {
  test("is waited for by all who ask, and what overtakes it comes after it", async () => {
    const { join, delayed } = setUp();
    const [a, b] = [join(), delayed()];
    await a.presence.watch(APP, "room");
    a.presence.join(APP, "room", member("1"));
    const [first, second] = [b.presence.watch(APP, "room"), b.presence.watch(APP, "room")];
    expect(first).toBeInstanceOf(Promise);
    expect(second).toBeInstanceOf(Promise);
    b.broker.up.step();
    a.presence.join(APP, "room", member("2"));
    a.presence.leave(APP, "room", "1");
    // The answer, then both events before anybody who waits for it has had a turn.
    for (let step = 0; step < 3; step++) b.broker.down.step();
    expect(b.connections()).toEqual([]);
    await Promise.all([first, second]);
    expect(b.connections()).toEqual(["2"]);
    expect(b.heard).toEqual(["room leave 1 -"]);
    expect(b.presence.watch(APP, "room")).toBeUndefined();
  });

  test("is of no use to a channel that nobody watches any more", async () => {
    const { join, delayed } = setUp();
    const [a, b] = [join(), delayed()];
    await a.presence.watch(APP, "room");
    a.presence.join(APP, "room", member("1"));
    const first = b.presence.watch(APP, "room");
    b.presence.unwatch(APP, "room");
    const second = b.presence.watch(APP, "room");
    for (let step = 0; step < 3; step++) b.broker.up.step();
    b.broker.down.step();
    await first;
    expect(b.connections()).toEqual([]);
    b.broker.down.step();
    await second;
    expect(b.connections()).toEqual(["1"]);
  });

  test("is asked for again when more came meanwhile than can wait", async () => {
    const { join, delayed } = setUp();
    const [a, b] = [join(), delayed()];
    await a.presence.watch(APP, "room");
    a.presence.join(APP, "room", member("1"));
    const known = b.presence.watch(APP, "room");
    b.broker.up.step();
    for (let count = 0; count < 10_001; count++) {
      const state = new Uint8Array([count % 256]);
      a.presence.tell(APP, "room", { type: "state", connection: "1", clientId: "1", state });
    }
    while (!b.broker.down.isEmpty) b.broker.down.step();
    await Promise.resolve();
    await Promise.resolve();
    b.broker.up.step();
    b.broker.down.step();
    await known;
    expect(b.presence.members(APP, "room")[0]?.state).toEqual(new Uint8Array([10_000 % 256]));
  });

  test("is not asked for again when nobody watches any more", async () => {
    const { node, join, delayed } = setUp();
    const [a, b] = [join(), delayed()];
    await a.presence.watch(APP, "room");
    a.presence.join(APP, "room", member("1"));
    const known = b.presence.watch(APP, "room");
    b.broker.up.step();
    for (let count = 0; count < 10_001; count++) {
      a.presence.tell(APP, "room", { type: "online", connection: "1" });
    }
    while (!b.broker.down.isEmpty) b.broker.down.step();
    b.presence.unwatch(APP, "room");
    await known;
    while (!b.broker.up.isEmpty) b.broker.up.step();
    a.presence.leave(APP, "room", "1");
    expect(node.held).toBe(2);
  });

  test("that does not come lets nobody wait, and leaves nothing behind", async () => {
    const { node, worker } = setUp();
    const { presence, broker } = worker((node, id, handler) => new Unreachable(node, id, handler));
    broker.isDown = true;
    await expect(Promise.resolve(presence.watch(APP, "room"))).rejects.toThrow("other workers");
    expect(node.held).toBe(1);
    broker.isDown = false;
    await presence.watch(APP, "room");
    expect(presence.join(APP, "room", member("1"))).toBe(true);
  });
});

/** Two workers that watch a room, one of them behind a link. */
async function bothWatching() {
  const { join, delayed } = setUp();
  const [a, b] = [join(), delayed()];
  await a.presence.watch(APP, "room");
  const known = b.presence.watch(APP, "room");
  b.broker.up.step();
  b.broker.down.step();
  await known;
  return { a, b };
}

describe("after a loss", () => {
  test("what is different is found and told, also when that takes two attempts", async () => {
    const { clock, join, worker } = setUp();
    const [a, b] = [join(), worker((node, id, handler) => new Unreachable(node, id, handler))];
    const state = (value: number) => new Uint8Array([value]);
    const say = (connection: string, value: number) =>
      a.presence.tell(APP, "room", {
        type: "state",
        connection,
        clientId: connection,
        state: state(value),
      });
    for (const { presence } of [a, b]) await presence.watch(APP, "room");
    for (const connection of ["stays", "goes", "changes"]) {
      a.presence.join(APP, "room", member(connection));
      say(connection, 1);
    }
    b.presence.join(APP, "room", member("own"));
    b.heard.length = 0;

    b.broker.isDown = true;
    a.presence.leave(APP, "room", "goes");
    a.presence.join(APP, "room", member("comes"));
    say("comes", 2);
    say("changes", 3);
    expect(b.heard).toEqual([]);
    b.handlers.missed();
    await turn();
    expect(b.heard).toEqual([]);
    b.broker.isDown = false;
    clock.advance(1_000);
    await turn();
    expect(b.heard).toEqual([
      "room leave goes 1",
      "room state changes 3",
      "room online comes 2",
      "room state comes 2",
    ]);
    clock.advance(60_000);
    expect(b.heard.length).toBe(4);
  });

  test("of publications alone nobody is asked who is there", async () => {
    const { b } = await bothWatching();
    b.handlers.missed(() => true);
    expect(b.broker.up.isEmpty).toBe(true);
    b.handlers.missed();
    expect(b.broker.up.isEmpty).toBe(false);
  });

  test("who comes while it is asked who is there is told of once, with what was said", async () => {
    const { a, b } = await bothWatching();
    b.handlers.missed();
    a.presence.join(APP, "room", member("1"));
    a.presence.tell(APP, "room", { type: "online", connection: "1" });
    const state = new Uint8Array([7]);
    a.presence.tell(APP, "room", { type: "state", connection: "1", clientId: "1", state });
    b.broker.up.step();
    while (!b.broker.down.isEmpty) b.broker.down.step();
    await turn();
    expect(b.connections()).toEqual(["1"]);
    expect(b.heard).toEqual(["room online 1 -", "room state 1 7"]);
  });

  test.each([true, false])(
    "what waits for an answer that never comes is older than the next one (for the first: %p)",
    async (isFirst) => {
      const { join, delayed } = setUp();
      const [a, b] = [join(), delayed()];
      await a.presence.watch(APP, "room");
      const known = b.presence.watch(APP, "room");
      b.broker.up.step();
      if (isFirst) {
        b.broker.down.loseLast();
      } else {
        b.broker.down.step();
        await known;
        b.handlers.missed();
        b.broker.up.step();
        b.broker.down.loseLast();
      }
      a.presence.join(APP, "room", member("1"));
      b.broker.down.step();
      a.presence.leave(APP, "room", "1");
      b.broker.down.loseLast();
      b.handlers.missed();
      b.broker.up.step();
      b.broker.down.step();
      await turn();
      expect(b.connections()).toEqual([]);
      expect(b.heard).toEqual(isFirst ? [] : ["room leave 1 -"]);
    },
  );

  test("that was none, everything is told as it happened, whenever it is asked who is there", async () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constantFrom("join", "online", "leave"),
        connection: fc.constantFrom("1", "2"),
      }),
      fc.constantFrom("ask", "up", "down", "turn"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const { a, b } = await bothWatching();
        const told: string[] = [];
        for (const each of steps) {
          if (each === "ask") b.handlers.missed();
          else if (each === "turn") await turn();
          else if (each === "up" || each === "down") b.broker[each].step();
          else {
            const { type, connection } = each;
            if (a.presence.member(APP, "room", connection) === undefined) {
              if (type === "join") a.presence.join(APP, "room", member(connection));
            } else if (type === "leave") {
              a.presence.leave(APP, "room", connection);
              // The watch ends with the last own member.
              await a.presence.watch(APP, "room");
              told.push(`room leave ${connection} -`);
            } else if (type === "online") {
              a.presence.tell(APP, "room", { type, connection });
              told.push(`room online ${connection} -`);
            }
          }
        }
        while (!(b.broker.up.isEmpty && b.broker.down.isEmpty)) {
          b.broker.up.step();
          b.broker.down.step();
          await turn();
        }
        await turn();
        for (const connection of ["1", "2"]) {
          const about = (all: readonly string[]) =>
            all.filter((line) => line.includes(` ${connection} `));
          expect(about(b.heard)).toEqual(about(told));
        }
      }),
    );
  });

  test("replicas are what the node says, whatever happened and was lost", async () => {
    const step = fc.record({
      type: fc.constantFrom("join", "leave", "state", "rename"),
      connection: fc.constantFrom("1", "2", "3"),
      value: fc.integer({ min: 0, max: 3 }),
      isLost: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step), async (steps) => {
        const { join, worker } = setUp();
        const a = join();
        const b = worker((node, id, handler) => new Unreachable(node, id, handler));
        for (const { presence } of [a, b]) await presence.watch(APP, "room");
        a.presence.join(APP, "room", member("first"));
        b.presence.join(APP, "room", member("own"));
        for (const { type, connection, value, isLost } of steps) {
          b.broker.isDown = isLost;
          if (type === "join") a.presence.join(APP, "room", member(connection));
          else if (type === "leave") a.presence.leave(APP, "room", connection);
          else {
            const clientId = `name ${value}`;
            const event = { connection, clientId, state: new Uint8Array([value]) };
            a.presence.tell(APP, "room", { type, ...event } as PresenceEvent);
          }
        }
        b.broker.isDown = false;
        b.handlers.missed();
        await turn();
        const others = b.presence
          .members(APP, "room")
          .filter(({ connection }) => connection !== "own");
        const all = await b.broker.members(APP, "room");
        const expected = all.filter(({ connection }) => connection !== "own");
        const byConnection = (x: Member, y: Member) => (x.connection < y.connection ? -1 : 1);
        expect(others.toSorted(byConnection)).toEqual(expected.toSorted(byConnection));
      }),
    );
  });
});

/** While it is down, questions who is there fail, and news of members are lost. */
class Unreachable extends LocalBroker {
  isDown = false;

  constructor(node: Node<Publication>, worker: number, handler: BrokerHandler) {
    super(node, worker, {
      delivered: (publication) => handler.delivered(publication),
      presence: (app, channel, event) => {
        if (!this.isDown) handler.presence(app, channel, event);
      },
      missed: () => handler.missed(),
      answer: (method, argument, cancellation) => handler.answer(method, argument, cancellation),
    });
  }

  // The base class promises an answer at once, the port does not.
  override watch(app: string, channel: string): never {
    return (
      this.isDown
        ? Promise.reject(new StarlingError("broker_unavailable"))
        : super.watch(app, channel)
    ) as never;
  }
}
