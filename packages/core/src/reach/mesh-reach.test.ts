import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import type { Disconnection } from "../broker/elsewhere.ts";
import { disconnected } from "../testing/disconnected.ts";
import { APP, SimulatedReach } from "./testing/simulated-reach.ts";

function setUp(count: number, seed?: number) {
  const network = new SimulatedReach(seed);
  const nodes = Array.from({ length: count }, (_, index) => network.start(`node-${index}`));
  const [a, b, c] = nodes;
  if (a === undefined || b === undefined) throw new Error("there are fewer than two nodes");
  return { network, nodes, a, b, c };
}

describe("disconnecting", () => {
  test("reaches all nodes, and answers how many connections that were on them together", async () => {
    const { network, a, b, c } = setUp(3);
    b.answer = async () => disconnected(2);
    if (c !== undefined) c.answer = async () => disconnected(3);
    const answer = a.mesh.disconnect("shop", { user: "ada" });
    await network.pass(100);
    expect(await answer).toEqual(disconnected(5));
    expect([a, b, c].map((node) => node?.asked)).toEqual([
      [],
      [["shop", { user: "ada" }]],
      [["shop", { user: "ada" }]],
    ]);
  });

  test("names the nodes that do not answer within three seconds, and waits no longer", async () => {
    const { network, a, b, c } = setUp(3);
    b.answer = () => new Promise(() => {});
    if (c !== undefined) c.answer = async () => disconnected(3);
    let outcome: Disconnection | undefined;
    void a.mesh.disconnect(APP, { connection: "1" }).then((answer) => {
      outcome = answer;
    });
    await network.pass(2_990);
    expect(outcome).toBeUndefined();
    await network.pass(20);
    expect(outcome).toEqual({ connections: 3, unanswered: ["node-1"], isComplete: false });
    expect(a.mesh.counts).toMatchObject({ questions: 0, questionsLate: 1 });
  });

  test("says so where a worker of another node has not answered, or the node fails", async () => {
    const { network, a, b, c } = setUp(3);
    b.answer = async () => ({ connections: 1, unanswered: [], isComplete: false });
    if (c !== undefined) c.answer = () => Promise.reject(new StarlingError("internal"));
    const answer = a.mesh.disconnect(APP, { user: "ada" });
    await network.pass(100);
    expect(await answer).toEqual({ connections: 1, unanswered: ["node-2"], isComplete: false });
  });

  test("is not waited for where NATS is away, and does not pass for complete", async () => {
    const { a } = setUp(2);
    a.isUp = false;
    expect(await a.mesh.disconnect(APP, { user: "ada" })).toEqual({
      ...{ connections: 0, unanswered: ["node-1"], isComplete: false },
    });
  });

  test("does not wait for a node that goes meanwhile, nor for NATS that does", async () => {
    const { network, a, b } = setUp(2);
    b.answer = () => new Promise(() => {});
    const gone = a.mesh.disconnect(APP, { user: "ada" });
    await network.pass(50);
    network.crash(b);
    expect(await gone).toMatchObject({ unanswered: ["node-1"], isComplete: false });
    const other = network.start("node-2");
    other.answer = b.answer;
    const cut = a.mesh.disconnect(APP, { user: "ada" });
    await network.pass(50);
    a.mesh.linkDown();
    expect(await cut).toMatchObject({ unanswered: ["node-2"], isComplete: false });
  });
});

describe("a ban", () => {
  const HOUR = 3_600_000;

  test("holds on all nodes at once, until it ends or is lifted on any of them", async () => {
    const { network, nodes, a, b } = setUp(3);
    const holds = (user: string) => nodes.map(({ bans }) => bans.has(APP, user));
    a.ban("ada", network.clock.now() + HOUR);
    a.ban("bob", network.clock.now() + HOUR);
    await network.pass(10);
    expect(holds("ada")).toEqual([true, true, true]);
    expect(holds("carol")).toEqual([false, false, false]);
    b.ban("ada", 0);
    await network.pass(10);
    expect(holds("ada")).toEqual([false, false, false]);
    network.clock.advance(HOUR);
    expect(holds("bob")).toEqual([false, false, false]);
  });

  test("holds on a node that starts later, however many there are", async () => {
    const { network, a } = setUp(2);
    const until = network.clock.now() + HOUR;
    for (let user = 0; user < 1_200; user++) a.ban(`user ${user}`, until);
    await network.pass(10);
    const late = network.start("late");
    await network.pass(200);
    expect(late.bans.size).toBe(1_200);
    expect(late.bans.digest).toEqual(a.bans.digest);
  });

  test("that was made on one side of a partition holds on both once that heals", async () => {
    const { network, a, b } = setUp(3);
    const until = network.clock.now() + HOUR;
    a.ban("lifted", until);
    await network.pass(10);
    network.move(b, 1);
    a.ban("ada", until);
    b.ban("bob", until);
    b.ban("lifted", 0);
    await network.pass(10_000);
    expect([a.bans.has(APP, "bob"), b.bans.has(APP, "ada")]).toEqual([false, false]);
    network.move(b, 0);
    await network.pass(200);
    for (const { bans } of network.nodes) {
      expect(bans.ofApp(APP).map(({ user }) => user)).toEqual(["ada", "bob"]);
    }
  });

  test("that was not heard, since its message was lost, is found out about", async () => {
    const { network, a, b } = setUp(2);
    network.loss = 1;
    a.ban("ada", network.clock.now() + HOUR);
    await network.pass(100);
    network.loss = 0;
    expect(b.bans.has(APP, "ada")).toBe(false);
    await network.pass(7_000);
    expect(b.bans.has(APP, "ada")).toBe(true);
  });

  test("is the same on all nodes in the end, whatever is lost, split and started meanwhile", async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constantFrom("ban" as const, "lift" as const),
        node: fc.nat(9),
        user: fc.nat(3),
        seconds: fc.integer({ min: 1, max: 1_000 }),
      }),
      fc.record({ kind: fc.constantFrom("move" as const), node: fc.nat(9), side: fc.nat(1) }),
      fc.record({ kind: fc.constantFrom("start" as const, "crash" as const), node: fc.nat(9) }),
      fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(3_000) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.nat(),
        fc.constantFrom(0, 0.3),
        async (steps, seed, loss) => {
          const { network } = setUp(3, seed);
          network.loss = loss;
          let started = 3;
          for (const each of steps) {
            const { nodes, clock } = network;
            const node = "node" in each ? nodes[each.node % nodes.length] : undefined;
            if (each.kind === "pass") await network.pass(each.ms);
            else if (node === undefined) continue;
            else if (each.kind === "ban") {
              node.ban(`user ${each.user}`, clock.now() + each.seconds * 1_000);
            } else if (each.kind === "lift") node.ban(`user ${each.user}`, 0);
            else if (each.kind === "move") network.move(node, each.side);
            else if (each.kind === "start") network.start(`node-${started++}`);
            else if (nodes.length > 2) network.crash(node);
          }
          network.loss = 0;
          for (const node of network.nodes) network.move(node, 0);
          await network.pass(15_000);
          const [first, ...others] = network.nodes.map(({ bans }) => bans.ofApp(APP));
          for (const other of others) expect(other).toEqual(first ?? []);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("the rate of a user", () => {
  test("is one for all nodes", async () => {
    const { network, nodes } = setUp(3);
    const waits: number[] = [];
    for (const node of nodes) {
      const waitMs = Promise.resolve(node.mesh.take("ada"));
      await network.pass(50);
      waits.push(await waitMs);
    }
    // The node that counts it asks nobody: what it has allowed itself counts before.
    const counting = nodes.filter((node) => node.mesh.take("ada") === 0).length;
    expect(counting).toBe(1);
    const refused = waits.filter((waitMs) => waitMs > 0).length;
    expect(refused).toBe(1);
  });

  test("is that of the own node where the one that counts it, or NATS, does not answer", async () => {
    const { network, a, b } = setUp(2);
    const users = Array.from({ length: 20 }, (_, index) => `user ${index}`);
    const elsewhere = users.filter((user) => a.mesh.take(user) !== 0);
    expect(elsewhere.length).toBeGreaterThan(0);
    await network.pass(50);
    b.side = 1;
    const silent = Promise.all(elsewhere.map((user) => a.mesh.take(user)));
    await network.pass(500);
    expect(await silent).toEqual(elsewhere.map(() => 0));
    a.isUp = false;
    expect(elsewhere.map((user) => a.mesh.take(user))).toEqual(elsewhere.map(() => 0));
  });
});
