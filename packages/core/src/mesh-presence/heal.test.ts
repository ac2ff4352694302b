import { describe, expect, test } from "bun:test";
import { join, mesh, SOON_MS, stateBytes } from "./testing/members.ts";
import { APP, LEASE_MS, type SimulatedNode } from "./testing/simulated-mesh.ts";

/** Longer than what was known of a silent node is remembered. */
const FORGOTTEN_MS = 62 * LEASE_MS;

/** Members on nodes of which all watch all channels. */
function crowd(names: readonly string[], members: number, channels: number) {
  const all = mesh(...names);
  const { network, clock } = all;
  const nodes: readonly SimulatedNode[] = all.nodes;
  const rooms = Array.from({ length: channels }, (_, channel) => `room ${channel}`);
  for (const node of nodes) for (const room of rooms) node.watch(room);
  clock.advance(SOON_MS);
  let bytes = 0;
  for (let id = 0; id < members; id++) {
    const node = nodes[id % nodes.length] ?? all.nodes[0];
    join(node, `room ${id % channels}`, `${id}`);
    bytes += stateBytes(node, `${id}`);
  }
  clock.advance(SOON_MS);
  const counts = () =>
    nodes.map((node) =>
      rooms.reduce((sum, room) => sum + node.registry.stats(APP, room).members, 0),
    );
  /** Nothing is sent or told before this, as far as the test knows. */
  const reset = () => {
    network.resetCounts();
    for (const node of nodes) node.events.length = 0;
  };
  return { ...all, counts, reset, stateBytes: bytes };
}

/** Nobody hears anybody for a while; then they are back one after the other, each so much later than the one before. */
function away(all: ReturnType<typeof crowd>, ms: number, apartMs: number, isWaiting = false): void {
  const { clock, reset } = all;
  const nodes: readonly SimulatedNode[] = all.nodes;
  for (const [index, node] of nodes.entries()) node.side = index + 1;
  clock.advance(ms);
  reset();
  for (const node of nodes) {
    node.side = 0;
    node.mesh.linkUp();
    if (isWaiting) void node.mesh.look(APP, "room 0");
    clock.advance(apartMs);
  }
  clock.advance(2 * SOON_MS);
}

describe("nodes that did not hear one another", () => {
  test.each([1, 300])(
    "for less than the lease: nothing is told, and hardly anything sent (%d channels)",
    (channels) => {
      const all = crowd(["a", "b", "c"], 10_000, channels);
      const { network, counts, nodes } = all;
      away(all, LEASE_MS / 2, 0);
      expect(counts()).toEqual([10_000, 10_000, 10_000]);
      for (const node of nodes) expect(node.events).toEqual([]);
      expect(network.bytes).toBeLessThan(all.stateBytes / 40);
    },
  );

  test.each([
    { names: ["a", "b", "c"], apartMs: 0, channels: 1 },
    { names: ["a", "b", "c"], apartMs: 0, channels: 300 },
    { names: ["a", "b", "c"], apartMs: 700, channels: 1 },
    { names: ["a", "b", "c"], apartMs: 3_000, channels: 1 },
    { names: ["a", "b", "c"], apartMs: 3_000, channels: 300 },
    { names: ["a", "b", "c", "d", "e"], apartMs: 700, channels: 1 },
    { names: ["a", "b", "c", "d", "e"], apartMs: 3_000, channels: 1 },
  ])(
    "for longer than the lease, and are back one after the other: hardly anything is sent ($names, $apartMs ms apart, $channels channels)",
    ({ names, apartMs, channels }) => {
      const all = crowd(names, 3_000, channels);
      const { network, counts, nodes } = all;
      const everybody = names.map(() => 3_000);
      expect(counts()).toEqual(everybody);
      away(all, 3 * LEASE_MS, apartMs);
      expect(counts()).toEqual(everybody);
      // All members have left, and come back.
      const others = 3_000 - 3_000 / names.length;
      for (const node of nodes) {
        const joins = node.events.filter(([, { type }]) => type === "join").length;
        expect(Math.abs(joins - others)).toBeLessThan(1);
      }
      expect(network.bytes).toBeLessThan(all.stateBytes / 20);
    },
  );

  // Who says all of its members once sends 0.76 of the estimate that `stateBytes` is.
  test.each([
    { names: ["a", "b", "c"], apartMs: 0, delayMs: 1, channels: 1, most: 0.8 },
    { names: ["a", "b", "c"], apartMs: 0, delayMs: 1, channels: 300, most: 0.9 },
    { names: ["a", "b", "c"], apartMs: 0, delayMs: 400, channels: 1, most: 0.8 },
    // One was too late for what another one had waited for.
    { names: ["a", "b", "c"], apartMs: 250, delayMs: 1, channels: 1, most: 1.1 },
    { names: ["a", "b", "c", "d", "e"], apartMs: 100, delayMs: 1, channels: 1, most: 1.3 },
    { names: ["a", "b", "c", "d", "e"], apartMs: 100, delayMs: 400, channels: 1, most: 0.8 },
  ])(
    "for so long that they have forgotten one another: each says once who its members are ($names, $apartMs ms apart, $delayMs ms away, $channels channels)",
    ({ names, apartMs, delayMs, channels, most }) => {
      for (const isWaiting of [false, true]) {
        const all = crowd(names, 3_000, channels);
        const { network, counts, nodes } = all;
        network.weather.delayMs = delayMs;
        for (const node of nodes) node.mesh.linkDown();
        away(all, FORGOTTEN_MS, apartMs, isWaiting);
        expect(counts()).toEqual(names.map(() => 3_000));
        expect(network.bytes).toBeGreaterThan(all.stateBytes / 2);
        expect(network.bytes).toBeLessThan(most * all.stateBytes);
      }
    },
  );

  test("an answer that is lost is asked for again", () => {
    const all = crowd(["a", "b", "c"], 12, 1);
    const { clock, network, nodes } = all;
    const { send } = network;
    network.send = (from, address, message) => {
      if (message.type !== "told") send.call(network, from, address, message);
    };
    for (const node of nodes) node.mesh.linkDown();
    away(all, FORGOTTEN_MS, 0, true);
    expect(all.counts()).toEqual([4, 4, 4]);
    network.send = send;
    clock.advance(2 * SOON_MS);
    expect(all.counts()).toEqual([12, 12, 12]);
  });

  test("for less than the lease: what happened meanwhile is told, once, and nothing else", () => {
    const all = crowd(["a", "b", "c"], 3_000, 1);
    const { start } = all.nodes[0];
    changeSoon(all);
    away(all, LEASE_MS / 2, 0);
    expect(told(all.nodes[2]).sort()).toEqual([
      `join ${start}:new`,
      `leave ${start}:0`,
      `online ${start}:new`,
      `state ${start}:3`,
      `state ${start}:new`,
    ]);
  });

  test("for longer than the lease: whoever left meanwhile is not shown, and whoever is there as he is now", () => {
    const all = crowd(["a", "b", "c"], 12, 1);
    const { start } = all.nodes[0];
    changeSoon(all);
    away(all, 3 * LEASE_MS, 1_000);
    const ofA = told(all.nodes[2]).filter((event) => event.includes(` ${start}:`));
    const ids = ["3", "6", "9", "new"];
    const types = ["join", "online", "state"];
    const everything = ids.flatMap((id) => types.map((type) => `${type} ${start}:${id}`));
    expect(ofA.sort()).toEqual(everything.sort());
    const seen = all.nodes[2].seen.get("room 0");
    expect(seen?.get(`${start}:3`)?.state).toEqual(Uint8Array.of(5));
  });

  test("for longer than the lease: nobody is shown before his node has answered", () => {
    const all = crowd(["a", "b", "c"], 12, 1);
    const { clock, network, nodes } = all;
    const [a, b, c] = nodes;
    c.side = 1;
    clock.advance(2 * LEASE_MS);
    a.present("room 0", { type: "leave", connection: `${a.start}:0` });
    all.reset();
    // Beats of the others arrive, and what is asked does not.
    const { send } = network;
    network.send = (from, address, message) => {
      if (from !== c) send.call(network, from, address, message);
    };
    c.side = 0;
    clock.advance(SOON_MS);
    expect(c.mesh.nodes).toBe(2);
    expect(c.events).toEqual([]);
    // What is told of somebody else meanwhile says nothing of them.
    const comes = join(a, "room 0", "new");
    clock.advance(100);
    expect(told(c)).toEqual([`join ${comes}`, `online ${comes}`]);
    network.send = send;
    clock.advance(LEASE_MS);
    expect(all.counts()).toEqual([12, 12, 12]);
    expect(told(c)).not.toContain(`join ${a.start}:0`);
    expect(told(c)).toContain(`join ${b.start}:1`);
  });

  test("what several ask at the same time is answered once", () => {
    const all = crowd(["a", "b", "c", "d", "e"], 2_000, 1);
    away(all, FORGOTTEN_MS, 0);
    expect(all.counts()).toEqual([2_000, 2_000, 2_000, 2_000, 2_000]);
    expect(all.network.bytes).toBeLessThan(1.5 * all.stateBytes);
  });
});

/** Somebody comes, goes, and changes at the first node, a moment from now. */
function changeSoon({ clock, nodes: [a] }: ReturnType<typeof crowd>): void {
  clock.setTimeout(() => {
    join(a, "room 0", "new");
    a.present("room 0", { type: "leave", connection: `${a.start}:0` });
    const state = Uint8Array.of(5);
    a.present("room 0", { type: "state", connection: `${a.start}:3`, clientId: "3", state });
  }, 100);
}

function told({ events }: SimulatedNode): string[] {
  return events.map(([, event]) => {
    const connection = event.type === "join" ? event.member.connection : event.connection;
    return `${event.type} ${connection}`;
  });
}
