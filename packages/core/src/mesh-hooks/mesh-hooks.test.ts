import { describe, expect, test } from "bun:test";
import type { Member } from "../hub/member.ts";
import { APP, LEASE_MS, SimulatedHookMesh } from "./testing/simulated-hooks.ts";

const member = (connection: string): Member => ({
  ...{ connection, clientId: `client of ${connection}`, user: undefined },
  ...{ state: undefined, since: 0 },
});

async function started(count: number) {
  const mesh = new SimulatedHookMesh();
  const nodes = await mesh.startAll(count);
  const [one, two, three] = nodes;
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
