import { describe, expect, test } from "bun:test";
import type { ClientSignal } from "@starling/protocol/signalling/messages.ts";
import { LocalBroker } from "../../broker/local.ts";
import type { NamespaceConfig } from "../../hub/namespace.ts";
import { atOnce } from "../../testing/at-once.ts";
import { DelayedBroker } from "../../testing/delayed-broker.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { openApps, signallingWorker } from "../../testing/signalling-worker.ts";
import { turn } from "../../testing/turn.ts";

const history = { size: 3, ttlMs: 60_000 };
const namespaces: Readonly<Record<string, Partial<NamespaceConfig>>> = {
  kept: { history, recover: true },
  secret: { history },
};

function setUp() {
  const clock = new FakeClock();
  const apps = openApps(namespaces);
  const worker = signallingWorker({ clock, apps, ...LocalNode.alone({ clock, apps }) });
  const publish = (...data: readonly number[]) => {
    for (const each of data) {
      const content = { app: "default", channel: "kept:1", event: "e", data: String(each) };
      worker.hub.publishUnanswered(content);
    }
  };
  const position = () => atOnce(worker.hub.history("default", "kept:1", { limit: 0 })).position;
  return { ...worker, publish, position };
}

const pl = (value: number) => new Uint8Array([0x81, 0xa1, 0x6e, value]);
const subscribe = (wanted: object = {}, c = "kept:1"): ClientSignal =>
  ({ t: "control", op: "subscribe", c, id: 1, ...wanted }) as const;
const join = (wanted: object = {}): ClientSignal =>
  ({ t: "control", op: "channel_join", c: "kept:1", p: "", id: 1, ...wanted }) as const;
const v2 = (id: string) => `publickey=k&id=${id}&v=2`;

describe("a subscription to a channel with history", () => {
  test("is told where it begins, and the offset of everything that follows", async () => {
    const { connect, publish, position } = setUp();
    publish(1, 2);
    const client = await connect(v2("a"));
    client.say(subscribe());
    publish(3);
    const { epoch } = position();
    const [ack, data, ...rest] = client.read();
    expect(ack).toEqual({ t: "control", op: "ack", c: "kept:1", id: 1, ep: epoch, off: 2 });
    expect(data).toMatchObject({ t: "data", off: 3 });
    expect(rest).toEqual([]);
  });

  test("from a position begins with what was missed since", async () => {
    const { connect, publish, position } = setUp();
    publish(1);
    const { epoch: ep, offset: off } = position();
    publish(2, 3);
    const client = await connect(v2("a"));
    client.say(subscribe({ ep, off }));
    publish(4);
    expect(client.read()).toMatchObject([
      { op: "ack", ep, off, rec: true },
      { t: "data", off: 2 },
      { t: "data", off: 3 },
      { t: "data", off: 4 },
    ]);
  });

  test.each([
    ["of which not everything is kept", { off: 0 }],
    ["of another epoch", { ep: "gone", off: 4 }],
    ["that is yet to come", { off: 6 }],
    ["without an epoch", { ep: undefined, off: 5 }],
    ["without an offset", { off: undefined }],
  ])(
    "from a position %s is told that something is missing, and goes on live",
    async (_, wanted) => {
      const { connect, publish, position } = setUp();
      publish(1, 2, 3, 4, 5);
      const { epoch } = position();
      const entries = Object.entries({ ep: epoch, ...wanted }).filter(
        ([, value]) => value !== undefined,
      );
      const client = await connect(v2("a"));
      client.say(subscribe(Object.fromEntries(entries)));
      publish(6);
      expect(client.read()).toMatchObject([
        { op: "ack", ep: epoch, off: 5, rec: false },
        { t: "data", off: 6 },
      ]);
    },
  );

  test("may begin with the last publications, and then asks for no position", async () => {
    const { connect, publish, position } = setUp();
    publish(1, 2, 3);
    const client = await connect(v2("a"));
    client.say(subscribe({ last: 2 }));
    const [ack, ...data] = client.read();
    expect(ack).toEqual({
      t: "control",
      op: "ack",
      c: "kept:1",
      id: 1,
      ep: position().epoch,
      off: 1,
    });
    expect(data).toMatchObject([{ off: 2 }, { off: 3 }]);
  });

  test("with a position has no use for a number of the last", async () => {
    const { connect, publish, position } = setUp();
    publish(1, 2, 3);
    const { epoch: ep } = position();
    const client = await connect(v2("a"));
    client.say(subscribe({ ep, off: 2, last: 3 }));
    expect(client.read()).toMatchObject([{ op: "ack", off: 2, rec: true }, { off: 3 }]);
  });

  test("gets nothing of the history in a channel that it has already", async () => {
    const { connect, publish, position } = setUp();
    const client = await connect(v2("a"));
    client.say(subscribe());
    publish(1);
    client.read();
    client.say(subscribe({ ep: position().epoch, off: 0 }));
    expect(client.read()).toEqual([{ t: "control", op: "ack", c: "kept:1", id: 1, rec: false }]);
  });

  test("gets nothing of a history that is for publishers only", async () => {
    const { connect, hub } = setUp();
    const client = await connect(v2("a"));
    client.say(subscribe({ ep: "e", off: 0 }, "secret:1"), subscribe({ last: 1 }, "secret:2"));
    hub.publishUnanswered({ app: "default", channel: "secret:1", event: "e", data: "1" });
    const [first, second, data] = client.read();
    expect(first).toEqual({ t: "control", op: "ack", c: "secret:1", id: 1, rec: false });
    expect(second).toEqual({ t: "control", op: "ack", c: "secret:2", id: 1 });
    expect(data).not.toHaveProperty("off");
  });

  test("leaves out what the client said itself before it came back", async () => {
    const { connect, position, publish } = setUp();
    const [alice, bob] = [await connect(v2("alice")), await connect(v2("bob"))];
    alice.say(subscribe());
    bob.say(subscribe());
    const { epoch: ep, offset: off } = position();
    alice.say({ t: "data", c: "kept:1", p: "", pl: pl(1) });
    bob.say({ t: "data", c: "kept:1", p: "", pl: pl(2) });
    publish(3);
    expect(alice.read()).toMatchObject([{ op: "ack" }, { p: "bob" }, { p: "" }]);
    alice.leave();
    const again = await connect(v2("alice"));
    again.say(subscribe({ ep, off }));
    expect(again.read()).toMatchObject([{ rec: true }, { p: "bob", off: 2 }, { p: "", off: 3 }]);
  });
});

describe("a member of a channel with history", () => {
  test("gets the answers of a join, then the snapshot, then what it missed", async () => {
    const { connect, joined, publish, position } = setUp();
    await joined("bob", "kept:1");
    const { epoch: ep } = position();
    publish(1);
    const client = await connect(v2("a"));
    client.say(join({ ep, off: 0 }));
    publish(2);
    expect(client.read()).toMatchObject([
      { op: "channel_join" },
      { op: "ack", ep, off: 0, rec: true },
      { op: "snapshot", ms: [{ p: "bob" }] },
      { t: "data", off: 1 },
      { t: "data", off: 2 },
    ]);
  });

  test("of version 1 sees no offsets, and both versions hear of each other", async () => {
    const { joined, publish } = setUp();
    const old = await joined("old", "kept:1");
    const young = await joined("young", "kept:1", 2);
    publish(1);
    old.say({ t: "control", op: "peer_online", c: "kept:1", p: "" });
    young.say({ t: "control", op: "peer_online", c: "kept:1", p: "" });
    const [toOld, ...news] = old.read();
    expect(toOld).toMatchObject({ t: "data", c: "kept:1" });
    expect(toOld).not.toHaveProperty("off");
    expect(news).toMatchObject([{ op: "peer_online", p: "young" }]);
    expect(young.read()).toMatchObject([
      { t: "data", off: 1 },
      { op: "peer_online", p: "old" },
    ]);
  });

  test("that only listened before goes on where it was", async () => {
    const { connect, publish, position } = setUp();
    const client = await connect(v2("a"));
    client.say(subscribe());
    publish(1);
    client.read();
    client.say(join({ ep: position().epoch, off: 0 }));
    publish(2);
    const [, ack, snapshot, data, ...rest] = client.read();
    expect(ack).toEqual({ t: "control", op: "ack", c: "kept:1", id: 1, rec: false });
    expect(snapshot).toMatchObject({ op: "snapshot", ms: [] });
    expect(data).toMatchObject({ t: "data", off: 2 });
    expect(rest).toEqual([]);
  });

  test("leaves its channel like any other, and hears no more", async () => {
    const { joined, publish, hub } = setUp();
    const client = await joined("a", "kept:1", 2);
    client.say({ t: "control", op: "peer_offline", c: "kept:1", p: "" });
    publish(1);
    expect(client.read()).toEqual([]);
    expect(atOnce(hub.channels("default", { prefix: "", limit: 9 })).channels).toEqual([]);
  });
});

describe("on one of several workers", () => {
  function cluster() {
    const clock = new FakeClock();
    const apps = openApps(namespaces);
    const local = new LocalNode({ clock, apps });
    const far = local.place(DelayedBroker.join);
    const near = local.place((node, id, handler) => new LocalBroker(node, id, handler));
    const a = { ...far, ...signallingWorker({ clock, apps, ...far }) };
    const b = { ...near, ...signallingWorker({ clock, apps, ...near, seed: 2 }) };
    const publish = (data: string) =>
      b.hub.publishUnanswered({ app: "default", channel: "kept:1", event: "e", data });
    const step = async () => {
      far.broker.up.step();
      far.broker.down.step();
      await turn();
    };
    const settle = async () => {
      await turn();
      while (!far.broker.up.isEmpty || !far.broker.down.isEmpty) await step();
    };
    return { clock, a, b, publish, step, settle };
  }

  test.each([
    ["subscription", subscribe],
    ["join", join],
  ])(
    "a %s loses and doubles nothing, whenever something is published meanwhile",
    async (_, request) => {
      for (let moment = 0; moment < 12; moment++) {
        const { a, b, publish, step, settle } = cluster();
        const seen = await b.joined("seen", "kept:1", 2);
        publish("1");
        const { epoch: ep } = atOnce(b.hub.history("default", "kept:1", { limit: 0 })).position;
        const client = await a.connect(v2("a"));
        client.say(request({ ep, off: 0 }));
        for (let count = 0; count < moment; count++) await step();
        publish("2");
        await settle();
        publish("3");
        await settle();
        const told = client.read();
        expect(told.filter(({ t }) => t === "data")).toMatchObject([
          { off: 1 },
          { off: 2 },
          { off: 3 },
        ]);
        expect(told.findIndex((signal) => "rec" in signal && signal.rec === true)).toBeLessThan(
          told.findIndex(({ t }) => t === "data"),
        );
        seen.leave();
      }
    },
  );

  test("what the client says meanwhile waits, and is about the channel that it then has", async () => {
    const { a, settle } = cluster();
    const client = await a.connect(v2("a"));
    client.say(join(), { t: "control", op: "peer_state", c: "kept:1", p: "", id: 2 });
    expect(client.read()).toEqual([]);
    await settle();
    expect(client.read()).toMatchObject([
      { op: "channel_join" },
      { op: "ack", id: 1 },
      { op: "snapshot" },
      { op: "ack", id: 2 },
    ]);
  });

  test("a member that leaves meanwhile leaves nothing behind", async () => {
    const { clock, a, b, step, settle } = cluster();
    for (let moment = 0; moment < 12; moment++) {
      const client = await a.connect(v2("a"));
      client.say(join({ last: 1 }));
      for (let count = 0; count < moment; count++) await step();
      client.leave();
      // The channel is kept for a while for whoever is expected.
      clock.advance(11_000);
      await settle();
      expect(atOnce(b.broker.members("default", "kept:1"))).toEqual([]);
      expect(atOnce(b.hub.channels("default", { prefix: "", limit: 9 })).channels).toEqual([]);
    }
  });
});
