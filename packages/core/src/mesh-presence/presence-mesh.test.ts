import { describe, expect, test } from "bun:test";
import type { PresenceEvent } from "../broker/broker.ts";
import { Dots } from "./dots.ts";
import { MAX_STATE_BYTES } from "./fitting.ts";
import { join, mesh, SOON_MS, STATE } from "./testing/members.ts";
import { APP, LEASE_MS, type SimulatedNode } from "./testing/simulated-mesh.ts";

function types(node: SimulatedNode, connection?: string): string[] {
  return node.events
    .filter(([, event]) => connection === undefined || connectionOf(event) === connection)
    .map(([, { type }]) => type);
}

function connectionOf(event: PresenceEvent): string {
  return event.type === "join" ? event.member.connection : event.connection;
}

describe("members of another node", () => {
  test("are shown with what becomes of them, in the order in which it happened", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    b.watch("room");
    const connection = join(a, "room", "1");
    const state = Uint8Array.of(1);
    a.present("room", { type: "state", connection, clientId: "1", state });
    a.present("room", { type: "state", connection, clientId: "1", state: Uint8Array.of(2) });
    clock.advance(100);
    a.present("room", { type: "rename", connection, clientId: "one" });
    a.present("room", { type: "online", connection, payload: Uint8Array.of(9) });
    a.present("room", { type: "state", connection, clientId: "one", state });
    clock.advance(100);
    // The same once more is told once more: others ask for it.
    a.present("room", { type: "state", connection, clientId: "one", state });
    clock.advance(100);
    a.present("room", { type: "leave", connection });
    clock.advance(100);
    expect(types(b)).toEqual([
      "join",
      "online",
      "state",
      "state",
      "rename",
      "online",
      "state",
      "state",
      "leave",
    ]);
    expect(b.events[3]?.[1]).toMatchObject({ state: Uint8Array.of(2) });
    expect(b.events[5]?.[1]).toMatchObject({ payload: Uint8Array.of(9) });
    expect(b.registry.stats(APP, "room")).toEqual({ members: 0, users: 0 });
  });

  test("are known to a node that is interested from now on, and are told to nobody", async () => {
    const { clock, nodes } = mesh("a", "b", "c");
    const [a, b, c] = nodes;
    for (let id = 0; id < 2_000; id++) join(a, "room", `${id}`);
    join(c, "room", "x");
    clock.advance(100);
    expect(b.registry.stats(APP, "room").members).toBe(0);
    let isHeard = false;
    const heard = Promise.resolve(b.mesh.watch(APP, "room")).then(() => {
      isHeard = true;
    });
    await Promise.resolve();
    expect(isHeard).toBe(false);
    clock.advance(200);
    await heard;
    expect(b.registry.stats(APP, "room")).toEqual({ members: 2_001, users: 2_001 });
    expect(b.events).toEqual([]);
  });

  test("are not replicated where nobody wants them, nor any longer than that", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    b.watch("other");
    join(a, "room", "1");
    clock.advance(LEASE_MS);
    expect(b.registry.stats(APP, "room").members).toBe(0);
    b.watch("room");
    clock.advance(SOON_MS);
    expect(b.registry.stats(APP, "room").members).toBe(1);
    b.unwatch("room");
    expect(b.registry.stats(APP, "room").members).toBe(0);
    expect(b.mesh.interests).toBe(1);
    expect([...b.listens]).toEqual(["other"]);
  });

  test("of a channel that was only looked at are known for the time of a lease", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    join(a, "room", "1");
    void b.mesh.look(APP, "room");
    clock.advance(SOON_MS);
    expect(b.mesh.look(APP, "room")).toBeUndefined();
    expect(b.registry.stats(APP, "room").members).toBe(1);
    clock.advance(LEASE_MS + SOON_MS);
    expect(b.mesh.interests).toBe(0);
    expect(b.registry.size).toBe(0);
  });

  test("whoever waits for them waits a second at most", async () => {
    const { network, clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    join(a, "room", "1");
    clock.advance(100);
    network.weather.loss = 1;
    const heard = b.mesh.watch(APP, "room");
    expect(heard).toBeInstanceOf(Promise);
    clock.advance(1_000);
    await heard;
    expect(b.registry.stats(APP, "room").members).toBe(0);
  });
});

test("a node that has missed its beat is not waited for, and its members are shown when it is back", () => {
  const { clock, nodes } = mesh("a", "b");
  const [a, b] = nodes;
  join(a, "room", "1");
  clock.advance(100);
  a.side = 1;
  clock.advance(LEASE_MS / 2);
  expect(b.mesh.watch(APP, "room")).toBeUndefined();
  expect(b.mesh.nodes).toBe(1);
  a.side = 0;
  clock.advance(2 * SOON_MS);
  expect(b.registry.stats(APP, "room").members).toBe(1);
});

test("a state that no message could hold is not told, and the member is", () => {
  const { network, clock, nodes } = mesh("a", "b");
  const [a, b] = nodes;
  b.watch("room");
  const connection = join(a, "room", "1");
  const state = new Uint8Array(MAX_STATE_BYTES + 1);
  network.resetCounts();
  a.mesh.present(APP, "room", { type: "state", connection, clientId: "one", state });
  a.mesh.present(APP, "room", { type: "online", connection, payload: state });
  clock.advance(100);
  expect(b.registry.members(APP, "room")).toMatchObject([{ clientId: "one", state: STATE }]);
  expect(network.bytes).toBeLessThan(1_000);
  expect(a.mesh.counters.oversized).toBe(2);
});

test("a node that has only just begun waits until the others have said that they are there", () => {
  const { network, clock, nodes } = mesh("a", "b");
  join(nodes[0], "room", "1");
  clock.advance(100);
  const begun = network.start("c");
  expect(begun.mesh.watch(APP, "room")).toBeInstanceOf(Promise);
  clock.advance(600);
  expect(begun.mesh.watch(APP, "room")).toBeUndefined();
  expect(begun.registry.stats(APP, "room").members).toBe(1);
});

describe("a node that ends", () => {
  test("vanishes: its members leave within the lease, each once", () => {
    const { clock, nodes } = mesh("a", "b", "c");
    const [a, b, c] = nodes;
    for (const node of [b, c]) node.watch("room");
    const gone = ["1", "2", "3"].map((id) => join(a, "room", id));
    join(c, "room", "stays");
    clock.advance(SOON_MS);
    a.crash(clock.now());
    clock.advance(LEASE_MS / 2);
    expect(types(b)).not.toContain("leave");
    clock.advance(LEASE_MS / 2);
    clock.advance(3 * LEASE_MS);
    for (const node of [b, c]) {
      for (const connection of gone)
        expect(types(node, connection)).toEqual(["join", "online", "leave"]);
    }
    expect(b.registry.stats(APP, "room").members).toBe(1);
    expect(b.mesh.counters.lost).toBe(1);
  });

  test("begins anew: what it had before leaves at once, and nobody is there twice", () => {
    const { network, clock, nodes } = mesh("a", "b", "c");
    const [a, b, c] = nodes;
    b.watch("room");
    join(a, "room", "1");
    clock.advance(SOON_MS);
    a.crash(clock.now());
    // The client comes back elsewhere, before anybody has noticed.
    join(c, "room", "1");
    clock.advance(100);
    expect(b.registry.stats(APP, "room").members).toBe(2);
    network.start("a");
    clock.advance(100);
    const [only, ...others] = b.registry.members(APP, "room");
    expect(only).toMatchObject({ connection: `${c.start}:1`, clientId: "1" });
    expect(others).toEqual([]);
    clock.advance(2 * LEASE_MS);
    expect(types(b, `${a.start}:1`)).toEqual(["join", "online", "leave"]);
  });

  test("says so: its members leave at once, and what comes late of it brings nobody back", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    b.watch("room");
    join(a, "room", "1");
    clock.advance(100);
    a.mesh.close();
    clock.advance(100);
    expect(types(b)).toEqual(["join", "online", "leave"]);
    const now = 99;
    const beat = {
      type: "beat",
      node: "a",
      since: 1,
      sequence: 99,
      now,
      channels: 1,
      about: "",
    } as const;
    b.mesh.receive(a.start, { ...beat, isHello: false, changes: [] });
    expect(b.mesh.nodes).toBe(0);
  });

  test("two nodes that have the same name both stay", () => {
    const { network, clock, nodes } = mesh("a", "b");
    const [, b] = nodes;
    const other = network.start("a");
    b.watch("room");
    for (const node of [nodes[0], other]) join(node, "room", node.start);
    clock.advance(2 * LEASE_MS);
    expect(b.mesh.nodes).toBe(2);
    expect(b.registry.stats(APP, "room").members).toBe(2);
  });
});

describe("a network that was split", () => {
  test("one message that is lost is asked for as soon as another one comes", () => {
    const { network, clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    b.watch("room");
    // Just behind a beat, so that the next one is far away.
    clock.advance(1_600);
    network.weather.loss = 1;
    const lost = join(a, "room", "1");
    clock.advance(5);
    network.weather.loss = 0;
    join(a, "room", "2");
    network.resetCounts();
    clock.advance(1_800);
    expect(network.messages.get("beat")).toBeUndefined();
    expect(types(b, lost)).toEqual(["join", "online", "state"]);
  });

  test("a question that comes twice is answered once", () => {
    const { network, clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    join(a, "room", "1");
    clock.advance(100);
    network.resetCounts();
    const wants = [{ app: APP, channel: "room", known: { floor: 0, context: Dots.none() } }];
    for (let times = 0; times < 3; times++) {
      a.mesh.receive(b.start, { type: "ask", number: 1, isUrgent: true, wants });
      clock.advance(100);
    }
    expect(network.messages.get("told")).toBe(1);
  });

  test("a node that asks before it is heard that it is there is answered", () => {
    const { network, clock, nodes } = mesh("a", "b");
    join(nodes[0], "room", "1");
    clock.advance(100);
    network.resetCounts();
    const wants = [{ app: APP, channel: "room", known: { floor: 0, context: Dots.none() } }];
    nodes[0].mesh.receive("c3", { type: "ask", number: 1, isUrgent: true, wants });
    clock.advance(100);
    expect(network.messages.get("told")).toBe(1);
  });

  test("a node that has no members is asked for none", () => {
    const { network, clock, nodes } = mesh("a", "b");
    nodes[0].watch("room");
    clock.advance(100);
    network.resetCounts();
    network.start("c");
    clock.advance(SOON_MS);
    expect([...network.messages.keys()]).toEqual(["beat"]);
    expect(nodes[0].mesh.watch(APP, "room")).toBeUndefined();
  });

  test("more changes than a node remembers while its link is down are all found", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    b.watch("room 0");
    clock.advance(100);
    a.mesh.linkDown();
    for (let id = 20_001; id >= 0; id--) join(a, `room ${id}`, "1");
    clock.advance(100);
    a.mesh.linkUp();
    clock.advance(2 * SOON_MS);
    expect(b.registry.stats(APP, "room 0").members).toBe(1);
  });

  test("what is lost without anybody saying anything more is found by the next beat", () => {
    const { network, clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    b.watch("room");
    clock.advance(SOON_MS);
    network.weather.loss = 1;
    join(a, "room", "1");
    clock.advance(10);
    network.weather.loss = 0;
    clock.advance(SOON_MS);
    expect(b.registry.stats(APP, "room").members).toBe(1);
    expect(types(b)).toEqual(["join", "online", "state"]);
  });
});

test("an answer that takes several messages is whole though members come and go meanwhile", () => {
  const { network, clock, nodes } = mesh("a", "b");
  const [a, b] = nodes;
  for (let id = 0; id < 20_000; id++) join(a, "room", `${id}`);
  clock.advance(100);
  network.resetCounts();
  b.watch("room");
  for (let id = 0; id < 40; id++) {
    clock.advance(1);
    a.present("room", { type: "leave", connection: `${a.start}:${id * 400}` });
    join(a, "room", `late ${id}`);
  }
  clock.advance(SOON_MS);
  expect(network.messages.get("told")).toBeGreaterThan(20);
  expect(new Map([...(b.seen.get("room") ?? [])].sort())).toEqual(
    new Map([...(a.own.get("room") ?? [])].sort()),
  );
  expect(b.registry.stats(APP, "room").members).toBe(20_000);
});

describe("what a node says of itself", () => {
  const heardAt = ({ mesh }: SimulatedNode) =>
    [...mesh.others()].map(({ node, about }) => [node, about]);

  test("is heard by the others with each beat, and soon where it says that it has changed", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    expect(heardAt(b)).toEqual([["a", ""]]);
    a.about = "busy";
    clock.advance(LEASE_MS / 5);
    expect(heardAt(b)).toEqual([["a", "busy"]]);
    a.about = "draining";
    a.mesh.aboutChanged();
    // Less than to the next beat.
    clock.advance(LEASE_MS / 10);
    expect(heardAt(b)).toEqual([["a", "draining"]]);
  });

  test("is not kept where it is far longer than a node has to say", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    a.about = "x".repeat(5_000);
    clock.advance(LEASE_MS / 5);
    expect(heardAt(b)).toEqual([["a", ""]]);
  });

  test("is gone with the node", () => {
    const { clock, nodes } = mesh("a", "b");
    const [a, b] = nodes;
    a.mesh.close();
    clock.advance(SOON_MS);
    expect(heardAt(b)).toEqual([]);
  });
});
