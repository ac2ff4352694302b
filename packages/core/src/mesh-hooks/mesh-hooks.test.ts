import { describe, expect, test } from "bun:test";
import { ChannelPattern } from "../auth/channel-pattern.ts";
import type { Member } from "../hub/member.ts";
import { hookConfig } from "../testing/hook-receiver.ts";
import { APP, LEASE_MS, SimulatedHookMesh } from "./testing/simulated-hooks.ts";

const member = (connection: string): Member => ({
  ...{ connection, clientId: `client of ${connection}`, user: undefined },
  ...{ state: undefined, since: 0 },
});

/** A mesh of two or three nodes, of which the first sends; with two the third is the second. */
async function started(count: 2 | 3) {
  const mesh = new SimulatedHookMesh();
  const [one, two, three = two] = await mesh.startAll(count);
  if (one === undefined || two === undefined || three === undefined) throw new Error("too few");
  return { mesh, one, two, three };
}

describe("a mesh", () => {
  test("has one node that sends, which is the one that began first", async () => {
    const { mesh, one, two, three } = await started(3);
    expect(mesh.senders).toEqual([one]);
    expect([one, two, three].map((node) => node.mesh.meshCounts.informed)).toEqual([1, 1, 1]);
  });

  test("tells of each thing once, whichever node it happens on", async () => {
    const { mesh, one, two, three } = await started(3);
    two.mesh.observer.connected(APP, "c2", undefined);
    two.mesh.observer.opened(APP, "room");
    two.mesh.observer.joined(APP, "room", member("c2"));
    await mesh.pass(500);
    for (const node of [one, three]) node.mesh.observer.opened(APP, "room");
    three.mesh.observer.joined(APP, "room", member("c3"));
    await mesh.pass(500);
    two.mesh.observer.left(APP, "room", member("c2"));
    two.mesh.observer.closed(APP, "room");
    two.mesh.observer.disconnected(APP, "c2", undefined);
    await mesh.pass(5_000);
    one.mesh.observer.closed(APP, "room");
    three.mesh.observer.left(APP, "room", member("c3"));
    three.mesh.observer.closed(APP, "room");
    await mesh.pass(2_000);
    expect(mesh.story).toEqual([
      ...["connect c2", "occupied room", "join room c2", "join room c3"],
      ...["leave room c2", "disconnect c2", "leave room c3"],
    ]);
    await mesh.pass(2_000);
    expect(mesh.story.slice(7)).toEqual(["vacated room"]);
    expect(new Set(mesh.requests.map(({ from }) => from))).toEqual(new Set([one.name]));
    expect([one, two, three].map((node) => node.mesh.meshCounts.kept)).toEqual([0, 0, 0]);
  });

  test("does not vacate a channel that somebody came back to on another node", async () => {
    const { mesh, one, two } = await started(3);
    one.mesh.observer.opened(APP, "room");
    await mesh.pass(500);
    one.mesh.observer.closed(APP, "room");
    await mesh.pass(2_500);
    two.mesh.observer.opened(APP, "room");
    await mesh.pass(10_000);
    expect(mesh.story).toEqual(["occupied room"]);
  });

  test("tells who was on a node that dies that they are gone, once, when its lease is over", async () => {
    const { mesh, three, two } = await started(3);
    three.mesh.observer.connected(APP, "c3", "ada");
    three.mesh.observer.opened(APP, "room");
    three.mesh.observer.joined(APP, "room", member("c3"));
    two.mesh.observer.opened(APP, "room");
    await mesh.pass(500);
    mesh.kill(three);
    await mesh.pass(LEASE_MS - 500);
    expect(mesh.story).toHaveLength(3);
    await mesh.pass(LEASE_MS);
    expect(mesh.story.slice(3)).toEqual(["disconnect c3", "leave room c3"]);
  });
});

describe("a sender that dies", () => {
  test("is followed by another, which tells what was not taken, with the same ids", async () => {
    const { mesh, one, two, three } = await started(3);
    one.mesh.observer.connected(APP, "c1", undefined);
    two.mesh.observer.opened(APP, "room");
    two.mesh.observer.joined(APP, "room", member("c2"));
    await mesh.pass(500);
    mesh.answers = () => 0;
    three.mesh.observer.joined(APP, "room", member("c3"));
    two.mesh.observer.left(APP, "room", member("c2"));
    await mesh.pass(200);
    mesh.kill(one);
    mesh.answers = () => 200;
    three.mesh.observer.connected(APP, "c3", undefined);
    three.mesh.observer.disconnected(APP, "c3", undefined);
    await mesh.pass(2 * LEASE_MS);
    expect(mesh.senders).toEqual([two]);
    expect(mesh.story).toEqual([
      ...["connect c1", "occupied room", "join room c2"],
      ...["join room c3", "leave room c2"],
      ...["disconnect c1", "connect c3", "disconnect c3"],
    ]);
    const repeated = mesh.taken.length - mesh.story.length;
    expect(repeated).toBeGreaterThanOrEqual(2);
    expect([two, three].map((node) => node.mesh.meshCounts.kept)).toEqual([0, 0]);
  });

  test("leaves the wait for whoever may come back to the next one", async () => {
    const { mesh, one, two } = await started(3);
    two.mesh.observer.opened(APP, "room");
    await mesh.pass(500);
    two.mesh.observer.closed(APP, "room");
    await mesh.pass(500);
    mesh.kill(one);
    await mesh.pass(2 * LEASE_MS);
    expect(mesh.story).toEqual(["occupied room", "vacated room"]);
  });
});

describe("the next sender", () => {
  test("has what waits from a state that it was told late", async () => {
    const { mesh, one, two } = await started(2);
    mesh.answers = () => 503;
    two.mesh.observer.connected(APP, "c2", undefined);
    await mesh.pass(500);
    const three = mesh.start();
    await mesh.pass(LEASE_MS / 2);
    expect(three.mesh.meshCounts.informed).toBe(1);
    for (const node of [one, two]) mesh.kill(node);
    mesh.answers = () => 200;
    await mesh.pass(3 * LEASE_MS);
    expect(mesh.story).toEqual(["connect c2", "disconnect c2"]);
  });

  test("asks for what only the last one and the node that it happened on knew", async () => {
    const { mesh, one, two, three } = await started(3);
    mesh.answers = () => 503;
    mesh.isLost = (from, to) => from === one && to === two;
    three.mesh.observer.connected(APP, "c3", undefined);
    three.mesh.observer.disconnected(APP, "c3", undefined);
    await mesh.pass(500);
    mesh.kill(one);
    mesh.answers = () => 200;
    await mesh.pass(2 * LEASE_MS);
    expect(mesh.senders).toEqual([two]);
    expect(mesh.story).toEqual(["connect c3", "disconnect c3"]);
  });

  test("has heard of everything that the receiver may have got", async () => {
    const { mesh, two } = await started(2);
    mesh.isTaking = false;
    two.mesh.observer.connected(APP, "c2", undefined);
    await mesh.pass(1_000);
    expect(mesh.requests).toEqual([]);
    mesh.isTaking = true;
    await mesh.pass(LEASE_MS);
    expect(mesh.story).toEqual(["connect c2"]);
  });
});

describe("a node that stops in order", () => {
  test("hands over at once where it sends, and nothing is told twice", async () => {
    const { mesh, one, two } = await started(3);
    two.mesh.observer.opened(APP, "room");
    await mesh.pass(500);
    one.mesh.observer.opened(APP, "other");
    one.mesh.observer.closed(APP, "other");
    await mesh.stop(one);
    expect(mesh.senders).toEqual([two]);
    await mesh.pass(5_000);
    expect(mesh.story).toEqual(["occupied room", "occupied other", "vacated other"]);
    expect(mesh.taken).toHaveLength(3);
  });

  test("waits until the one that sends knows everything", async () => {
    const { mesh, one, three } = await started(3);
    three.mesh.observer.connected(APP, "c3", undefined);
    three.mesh.observer.disconnected(APP, "c3", undefined);
    await mesh.stop(three);
    await mesh.pass(500);
    expect(mesh.senders).toEqual([one]);
    expect(mesh.story).toEqual(["connect c3", "disconnect c3"]);
  });

  test("says what is vacated, and sends what waits, where it is the last", async () => {
    const mesh = new SimulatedHookMesh();
    const [only] = await mesh.startAll(1);
    only?.mesh.observer.opened(APP, "room");
    only?.mesh.observer.closed(APP, "room");
    if (only !== undefined) await mesh.stop(only);
    expect(mesh.story).toEqual(["occupied room", "vacated room"]);
  });

  test("says how much is lost where it is cut off", async () => {
    const { mesh, three } = await started(3);
    mesh.link(three, false);
    three.mesh.observer.opened(APP, "room");
    await mesh.stop(three);
    expect(three.log.lines.at(-1)).toMatchObject({ level: "warn", fields: { changes: 1 } });
  });
});

describe("a node that is cut off", () => {
  test("sends nothing, and tells nobody that the others have left", async () => {
    const { mesh, one, two, three } = await started(3);
    two.mesh.observer.opened(APP, "room");
    await mesh.pass(500);
    for (const node of [one, two, three]) mesh.link(node, false);
    one.mesh.observer.opened(APP, "other");
    two.mesh.observer.closed(APP, "room");
    await mesh.pass(3 * LEASE_MS);
    expect(mesh.requests).toHaveLength(1);
    for (const node of [three, two, one]) mesh.link(node, true);
    await mesh.pass(3 * LEASE_MS);
    expect(mesh.story).toEqual(["occupied room", "occupied other", "vacated room"]);
    expect(mesh.senders).toEqual([one]);
  });

  test("sends nothing while another one sends in its place, and leaves it to that one", async () => {
    const { mesh, one, two } = await started(3);
    mesh.answers = () => 503;
    two.mesh.observer.connected(APP, "c2", undefined);
    await mesh.pass(500);
    mesh.link(one, false);
    await mesh.pass(200);
    const { length } = mesh.requests;
    mesh.answers = () => 200;
    await mesh.pass(LEASE_MS / 2);
    expect(mesh.requests.length).toBe(length);
    await mesh.pass(2 * LEASE_MS);
    expect(mesh.requests.slice(length).map(({ from }) => from)).toEqual([two.name]);
    one.mesh.observer.connected(APP, "c1", undefined);
    mesh.link(one, true);
    await mesh.pass(2 * LEASE_MS);
    expect(mesh.senders).toEqual([two]);
    expect(mesh.story).toEqual(["connect c2", "connect c1"]);
  });

  test("does not see who is lost meanwhile, and tells of it when nobody has come back", async () => {
    const { mesh, one, two, three } = await started(3);
    three.mesh.observer.connected(APP, "c3", undefined);
    await mesh.pass(500);
    for (const node of [one, two, three]) mesh.link(node, false);
    mesh.kill(three);
    await mesh.pass(2 * LEASE_MS);
    for (const node of [one, two]) mesh.link(node, true);
    await mesh.pass(LEASE_MS / 2);
    expect(mesh.story).toEqual(["connect c3"]);
    await mesh.pass(LEASE_MS);
    expect(mesh.story).toEqual(["connect c3", "disconnect c3"]);
  });

  test("for a short while is missed by nobody", async () => {
    const { mesh, one, two } = await started(3);
    two.mesh.observer.connected(APP, "c2", undefined);
    await mesh.pass(500);
    for (const node of [one, two]) mesh.link(node, false);
    two.mesh.observer.disconnected(APP, "c2", undefined);
    two.mesh.observer.connected(APP, "later", undefined);
    await mesh.pass(LEASE_MS / 2);
    for (const node of [one, two]) mesh.link(node, true);
    two.mesh.observer.connected(APP, "last", undefined);
    await mesh.pass(LEASE_MS);
    expect(mesh.story).toEqual(["connect c2", "disconnect c2", "connect later", "connect last"]);
    expect(mesh.taken).toHaveLength(4);
    expect(mesh.senders).toEqual([one]);
  });

  test("keeps so much, and forgets what came and went first", async () => {
    const mesh = new SimulatedHookMesh(1, { queueEvents: 10 });
    const [one, two] = await mesh.startAll(2);
    if (one === undefined || two === undefined) throw new Error("too few");
    mesh.link(two, false);
    two.mesh.observer.connected(APP, "stays", undefined);
    for (let n = 0; n < 100; n++) {
      two.mesh.observer.connected(APP, `${n}`, undefined);
      two.mesh.observer.disconnected(APP, `${n}`, undefined);
    }
    expect(two.mesh.meshCounts.kept).toBeLessThanOrEqual(10);
    mesh.link(two, true);
    await mesh.pass(LEASE_MS);
    expect(mesh.story[0]).toBe("connect stays");
    expect(mesh.story.length + two.mesh.meshCounts.dropped).toBe(201);
  });
});

describe("two parts of a mesh", () => {
  test("each tell of their own, and are one again without anybody leaving who was there", async () => {
    const { mesh, one, two, three } = await started(3);
    for (const node of [one, two, three]) {
      node.mesh.observer.joined(APP, "room", member(`on ${node.name}`));
      node.mesh.observer.opened(APP, "room");
    }
    await mesh.pass(500);
    three.side = 1;
    await mesh.pass(3 * LEASE_MS);
    expect(mesh.senders).toEqual([one, three]);
    three.mesh.observer.joined(APP, "room", member("new"));
    three.mesh.observer.left(APP, "room", member(`on ${three.name}`));
    await mesh.pass(500);
    const before = mesh.story.length;
    three.side = 0;
    await mesh.pass(2 * LEASE_MS);
    expect(mesh.senders).toEqual([one]);
    const healed = mesh.story.slice(before);
    expect(healed.filter((event) => /^(leave|vacated)/.test(event))).toEqual([]);
    expect(healed.filter((event) => event.startsWith("join")).toSorted()).toEqual([
      ...["join room new", `join room on ${one.name}`, `join room on ${two.name}`],
    ]);
  });
});

test("a channel that one part of a mesh said is occupied is vacated by the other", async () => {
  const { mesh, one, three } = await started(3);
  three.side = 1;
  await mesh.pass(3 * LEASE_MS);
  three.mesh.observer.opened(APP, "room");
  await mesh.pass(500);
  three.mesh.observer.closed(APP, "room");
  await mesh.pass(500);
  three.side = 0;
  await mesh.pass(LEASE_MS);
  expect(mesh.senders).toEqual([one]);
  expect(mesh.story).toEqual(["occupied room", "vacated room"]);
});

test("a receiver that is dead holds up nothing, and a bounded number of events waits for it", async () => {
  const mesh = new SimulatedHookMesh(1, { queueEvents: 20 });
  const [one, two] = await mesh.startAll(2);
  if (one === undefined || two === undefined) throw new Error("too few");
  mesh.answers = () => 503;
  for (let n = 0; n < 100; n++) {
    two.mesh.observer.connected(APP, `${n}`, undefined);
    two.mesh.observer.disconnected(APP, `${n}`, undefined);
    await mesh.pass(100);
  }
  const [counts] = one.mesh.counts;
  expect(counts?.queued).toBeLessThanOrEqual(20);
  expect((counts?.dropped ?? 0) + (counts?.queued ?? 0)).toBe(200);
  expect(two.mesh.meshCounts.kept).toBeLessThanOrEqual(22);
  mesh.answers = () => 200;
  await mesh.pass(120_000);
  expect(mesh.story.at(-1)).toBe("disconnect 99");
  expect(two.mesh.meshCounts.kept).toBe(0);
});

test("what nobody wants does not pile up behind a receiver that is dead", async () => {
  const mesh = new SimulatedHookMesh(1, { queueEvents: 20 });
  const channels = [new ChannelPattern("chat")];
  mesh.hooks = new Map([[APP, [hookConfig({ channels })]]]);
  const [one, two] = await mesh.startAll(2);
  if (one === undefined || two === undefined) throw new Error("too few");
  mesh.answers = () => 503;
  two.mesh.observer.joined(APP, "chat", member("c"));
  await mesh.pass(500);
  for (let n = 0; n < 100; n++) {
    two.mesh.observer.joined(APP, "other", member(`${n}`));
    await mesh.pass(100);
  }
  for (const { mesh: hooks } of [one, two]) {
    expect(hooks.meshCounts.pending).toBeLessThanOrEqual(21);
    expect(hooks.meshCounts.kept).toBeLessThanOrEqual(22);
  }
  expect(one.mesh.meshCounts.forgotten).toBe(1);
  mesh.answers = () => 200;
  await mesh.pass(120_000);
  expect(mesh.story).toEqual(["join chat c"]);
  expect(one.mesh.meshCounts.pending).toBe(0);
});

test("what no hook is for is not told to other nodes", async () => {
  const { mesh, two } = await started(3);
  two.mesh.configure(new Map());
  two.mesh.observer.opened(APP, "room");
  expect(two.mesh.meshCounts.kept).toBe(0);
  await mesh.pass(500);
  expect(mesh.requests).toEqual([]);
});
