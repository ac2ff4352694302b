import { expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import type { Published } from "../broker/broker.ts";
import { APP, type SimulatedNode, SimulatedReach } from "./testing/simulated-reach.ts";

/** The name of a refusal, or what a request was answered. */
type Outcome = string | readonly (number | "made")[];

/** A back end's request at a node, for deliveries with these keys; each that is made is noted. */
async function request(
  node: SimulatedNode,
  keys: readonly string[],
  made: string[],
  fingerprint = "request",
): Promise<Outcome> {
  const publication = { app: APP, channel: "c", event: "e", data: "1" };
  try {
    const all = keys.map((key) => ({ key, fingerprint }));
    const known = await node.broker.reserve(all);
    return await Promise.all(
      all.map(async (key, index) => {
        const answer: Published | undefined = known[index];
        if (answer !== undefined) return answer.subscribers;
        made.push(key.key);
        await node.broker.publish({
          ...{ app: APP, channels: ["c"], streams: [], publication, reached: made.length, key },
        });
        return "made" as const;
      }),
    );
  } catch (error) {
    if (error instanceof StarlingError) return error.errorName;
    throw error;
  }
}

function setUp(count: number, seed?: number) {
  const network = new SimulatedReach(seed);
  const nodes = Array.from({ length: count }, (_, index) => network.start(`node-${index}`));
  return { network, nodes, made: [] as string[] };
}

test("a request that is repeated at any node gets the first answer, and is made once", async () => {
  const { network, nodes, made } = setUp(4);
  const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
  const outcomes: Outcome[] = [];
  for (const node of nodes) {
    const outcome = request(node, keys, made);
    await network.pass(100);
    outcomes.push(await outcome);
  }
  expect(made).toEqual(keys);
  expect(outcomes[0]).toEqual(keys.map(() => "made"));
  for (const outcome of outcomes.slice(1))
    expect(outcome).toEqual(keys.map((_, index) => index + 1));
});

test("a key of another request is refused at any node, and then nothing is reserved", async () => {
  const { network, nodes, made } = setUp(3);
  const [a, b, c] = nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  void request(a, ["k"], made);
  await network.pass(100);
  const refused = request(b, ["free", "k"], made, "another");
  await network.pass(100);
  expect(await refused).toBe("idempotency_conflict");
  const free = request(c, ["free"], made);
  await network.pass(100);
  expect(await free).toEqual(["made"]);
});

test("a node that goes takes no answers along, and frees what it had reserved", async () => {
  const { network, nodes, made } = setUp(4);
  const keys = Array.from({ length: 30 }, (_, index) => `key ${index}`);
  const [first, second] = nodes as [SimulatedNode, SimulatedNode];
  void request(first, keys, made);
  await network.pass(100);
  void second.broker.reserve([{ key: "reserved", fingerprint: "request" }]);
  await network.pass(100);
  network.crash(second);
  const [, third] = network.nodes as [SimulatedNode, SimulatedNode];
  const again = request(third, [...keys, "reserved"], made);
  await network.pass(1_000);
  expect(await again).toEqual([...keys.map((_, index) => index + 1), "made"]);
});

test("where the home of a key does not answer it is refused within two seconds, and can be tried again", async () => {
  const { network, nodes, made } = setUp(2);
  const [a, b] = nodes as [SimulatedNode, SimulatedNode];
  // Cut off, which nobody has noticed yet.
  b.isUp = false;
  const outcomes = Promise.all(
    Array.from({ length: 10 }, (_, index) => request(a, [`key ${index}`], made)),
  );
  await network.pass(2_010);
  const refused = (await outcomes).filter((outcome) => outcome === "broker_unavailable");
  expect(refused.length).toBeGreaterThan(0);
  expect(made.length).toBe(10 - refused.length);
  network.crash(b);
  const again = Promise.all(
    Array.from({ length: 10 }, (_, index) => request(a, [`key ${index}`], made)),
  );
  await network.pass(100);
  await again;
  expect(made.toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => `key ${index}`));
});

test("where NATS is away a key is that of the node alone", async () => {
  const { nodes, made } = setUp(2);
  const [a, b] = nodes as [SimulatedNode, SimulatedNode];
  for (const node of nodes) node.isUp = false;
  expect(await request(a, ["k"], made)).toEqual(["made"]);
  expect(await request(a, ["k"], made)).toEqual([1]);
  expect(await request(b, ["k"], made)).toEqual(["made"]);
});

test("whoever wants the same keys at the same time, each is delivered once, and all get one answer", async () => {
  const wish = fc.record({
    node: fc.nat(2),
    keys: fc.uniqueArray(
      fc.nat(4).map((n) => `key ${n}`),
      { minLength: 1 },
    ),
    afterMs: fc.nat(60),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(wish, { minLength: 1, maxLength: 8 }),
      fc.nat(),
      async (wishes, seed) => {
        const { network, nodes, made } = setUp(3, seed);
        const outcomes: Promise<Outcome>[] = [];
        for (const { node, keys, afterMs } of wishes) {
          await network.pass(afterMs);
          const asked = nodes[node];
          if (asked !== undefined) outcomes.push(request(asked, keys, made));
        }
        await network.pass(5_000);
        expect(made.toSorted()).toEqual([...new Set(wishes.flatMap(({ keys }) => keys))].sort());
        const answers = new Map<string, Set<unknown>>();
        for (const [index, outcome] of (await Promise.all(outcomes)).entries()) {
          const { keys = [] } = wishes[index] ?? {};
          if (typeof outcome === "string") throw new Error(`refused with ${outcome}`);
          for (const [at, answer] of outcome.entries()) {
            if (answer === "made") continue;
            const seen = answers.get(keys[at] ?? "") ?? new Set();
            answers.set(keys[at] ?? "", seen.add(answer));
          }
        }
        for (const seen of answers.values()) expect(seen.size).toBe(1);
      },
    ),
    { numRuns: 100 },
  );
});
