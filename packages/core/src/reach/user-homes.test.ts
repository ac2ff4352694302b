import { expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import { LIMITED, type SimulatedNode, SimulatedReach } from "./testing/simulated-reach.ts";

function setUp(count: number, seed?: number) {
  const network = new SimulatedReach(seed);
  const nodes = Array.from({ length: count }, (_, index) => network.start(`node-${index}`));
  let connections = 0;

  /** Whether a user gets a connection, and how it ends. */
  async function connect(node: SimulatedNode, user: string) {
    try {
      await node.broker.admit(LIMITED, user);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      expect(error.errorName).toBe("too_many_user_connections");
      return undefined;
    }
    const connection = `${++connections}`;
    node.broker.connected(LIMITED, connection, user);
    return () => node.broker.disconnected(LIMITED, connection);
  }

  /** The same with time to ask others. */
  async function connected(node: SimulatedNode, user = "ada") {
    const connecting = connect(node, user);
    await network.pass(1_100);
    return connecting;
  }

  return {
    network,
    nodes: nodes as [SimulatedNode, SimulatedNode, SimulatedNode],
    connect,
    connected,
  };
}

const users = Array.from({ length: 10 }, (_, index) => `user ${index}`);

test("a user has as many connections as the app allows, on all nodes together", async () => {
  const { nodes, connected } = setUp(3);
  const [a, b, c] = nodes;
  // Of several users, since each has a home of its own.
  for (const user of users) {
    const end = await connected(a, user);
    expect(await connected(b, user)).toBeFunction();
    for (const node of nodes) expect(await connected(node, user)).toBeUndefined();
    end?.();
    expect(await connected(c, user)).toBeFunction();
    expect(await connected(a, user)).toBeUndefined();
  }
});

test("the connections of a node that vanishes count no more, also where it was the one that counted", async () => {
  const { network, nodes, connected } = setUp(3);
  const [a, b, c] = nodes;
  for (const user of users) {
    await connected(a, user);
    await connected(b, user);
    expect(await connected(c, user)).toBeUndefined();
  }
  network.crash(a);
  await network.pass(100);
  for (const user of users) {
    expect(await connected(c, user)).toBeFunction();
    expect(await connected(b, user)).toBeUndefined();
  }
});

test("a node that starts counts right what was there before it", async () => {
  const { network, nodes, connected } = setUp(2);
  const [a, b] = nodes;
  for (const user of users) {
    await connected(a, user);
    await connected(b, user);
  }
  for (const name of ["late", "later", "last"]) network.start(name);
  await network.pass(100);
  for (const node of network.nodes) {
    for (const user of users) expect(await connected(node, user)).toBeUndefined();
  }
});

test("nobody is refused for connections that have ended, of which word was lost", async () => {
  const { network, nodes, connected } = setUp(2);
  const [a, b] = nodes;
  for (const user of users) {
    const ends = [await connected(a, user), await connected(a, user)];
    expect(await connected(b, user)).toBeUndefined();
    network.loss = 1;
    for (const end of ends) end?.();
    await network.pass(100);
    network.loss = 0;
    expect(await connected(b, user)).toBeFunction();
  }
});

test("on both sides of a partition the limit holds alone, and once that heals for both together", async () => {
  const { network, nodes, connected } = setUp(2);
  const [a, b] = nodes;
  for (const user of users) await connected(b, user);
  for (const user of users) await connected(b, user);
  network.move(b, 1);
  for (const user of users) {
    expect(await connected(a, user)).toBeFunction();
    expect(await connected(a, user)).toBeFunction();
    expect(await connected(a, user)).toBeUndefined();
    expect(await connected(b, user)).toBeUndefined();
  }
  network.move(b, 0);
  await network.pass(100);
  for (const user of users) {
    for (const node of nodes) expect(await connected(node, user)).toBeUndefined();
  }
});

test("nobody waits for long for a node that counts and does not answer, and then may come in", async () => {
  const { network, nodes, connected } = setUp(2);
  const [a, b] = nodes;
  // Cut off, which nobody has noticed yet.
  b.isUp = false;
  for (const user of users) expect(await connected(a, user)).toBeFunction();
  expect(a.mesh.counts.questionsLate).toBeGreaterThan(0);
  a.isUp = false;
  for (const user of users) {
    const admitted = Promise.resolve(a.broker.admit(LIMITED, user));
    await network.pass(10);
    await admitted;
  }
});

test("a session that moves between workers counts once", async () => {
  const { nodes, connected } = setUp(2);
  const [a] = nodes;
  await connected(a);
  a.broker.connected(LIMITED, "1", "ada");
  a.broker.disconnected(LIMITED, "1");
  expect(await connected(a)).toBeFunction();
  expect(await connected(a)).toBeUndefined();
});

test("room that nobody uses is free again after ten seconds", async () => {
  const { network, nodes, connected } = setUp(2);
  const [a, b] = nodes;
  for (let n = 0; n < 2; n++) void a.broker.admit(LIMITED, "ada");
  await network.pass(100);
  expect(await connected(b)).toBeUndefined();
  await network.pass(10_000);
  expect(await connected(b)).toBeFunction();
});

test("whoever connects and leaves wherever, no user ever has too many, and all get what is free", async () => {
  const step = fc.record({
    node: fc.nat(2),
    user: fc.constantFrom("ada", "bob"),
    what: fc.constantFrom("connect", "connect", "leave"),
    afterMs: fc.nat(40),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.nat(), async (steps, seed) => {
      const { network, nodes, connect, connected } = setUp(3, seed);
      const open = new Map<string, (() => void)[]>([
        ["ada", []],
        ["bob", []],
      ]);
      const all: Promise<void>[] = [];
      for (const { node, user, what, afterMs } of steps) {
        await network.pass(afterMs);
        const own = open.get(user) ?? [];
        if (what === "leave") own.shift()?.();
        else {
          const [a] = nodes;
          const connecting = connect(nodes[node] ?? a, user);
          all.push(
            connecting.then((end) => {
              if (end !== undefined) own.push(end);
              expect(own.length).toBeLessThanOrEqual(2);
            }),
          );
        }
      }
      await network.pass(2_000);
      await Promise.all(all);
      for (const [user, own] of open) {
        const [a] = nodes;
        const more: unknown[] = [];
        for (let n = 0; n < 3; n++) more.push(await connected(a, user));
        expect(more.filter((end) => end !== undefined).length).toBe(2 - own.length);
      }
    }),
    { numRuns: 100 },
  );
});
