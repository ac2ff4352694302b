import { afterAll, describe, expect, test } from "bun:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { kept, read, seen, stream } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { delivery, type Joined, join } from "@starling/core/broker/conformance/worker.ts";
import type { Position } from "@starling/core/hub/position.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, type MeshNodeOptions, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const PLACE = { namespace: "", size: 100, ttlMs: 60_000 };
const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

/** Nodes of one mesh, with one worker each. */
async function mesh(count: number, more: Partial<MeshNodeOptions> = {}) {
  const prefix = ownPrefix();
  const nodes = Array.from(
    { length: count },
    () => new MeshNode({ server, prefix, settings, ...more }),
  );
  for (const node of nodes) closing.push(() => node.close());
  const workers = await Promise.all(nodes.map((node) => join(node)));
  const [first, second] = workers;
  const [firstNode, secondNode] = nodes;
  if (!first || !second || !firstNode || !secondNode) throw new Error("too few nodes");
  const settle = async () => {
    for (let round = 0; round < 2; round++) for (const node of nodes) await node.settle();
  };
  return { prefix, nodes, workers, first, second, firstNode, secondNode, settle };
}

async function client(): Promise<NatsConnection> {
  const connection = await connectTo(server);
  closing.push(() => connection.close());
  return connection;
}

const data = ({ received }: Joined) => received.map((each) => each.data);
const hasMissed = ({ missedCalls }: Joined) => missedCalls > 0;

describe("channels without history", () => {
  test("what one node publishes reaches the others once, with all that it says", async () => {
    const { first, firstNode, second, settle } = await mesh(2);
    await second.broker.interest("default", "chat:ä b", 1);
    const whole = {
      ...delivery("chat:ä b", '{"n":1.50}').publication,
      id: 7,
      publisher: "somebody",
      attachments: [Uint8Array.of(1, 2, 3)],
    };
    await first.broker.publish(delivery("chat:ä b", "", { publication: whole }));
    await first.broker.publish(delivery("other", "2"));
    await settle();
    expect(second.received).toHaveLength(1);
    const [received] = second.received;
    expect(received).toMatchObject({
      ...{ app: "default", channel: "chat:ä b", event: "event", data: '{"n":1.50}' },
      ...{ publisher: "somebody", attachments: [Uint8Array.of(1, 2, 3)], mesh: firstNode.name },
    });
    expect(first.received).toEqual([]);
  });

  test("workers of the publisher's node get it once, from their node", async () => {
    const { first, firstNode, second, settle } = await mesh(2);
    const neighbour = await join(firstNode);
    await neighbour.broker.interest("default", "a", 1);
    await second.broker.interest("default", "a", 1);
    await first.broker.publish(delivery("a", "1", { channels: ["a", "b"] }));
    await settle();
    expect([data(neighbour), data(second)]).toEqual([["1"], ["1"]]);
  });

  test("a worker that is not interested any more gets nothing", async () => {
    const { first, second, settle } = await mesh(2);
    await second.broker.interest("default", "a", 1);
    await second.broker.interest("default", "a", 0);
    await first.broker.publish(delivery("a", "1"));
    await settle();
    expect(second.received).toEqual([]);
    await second.broker.interest("default", "a", 1);
    await first.broker.publish(delivery("a", "2"));
    await settle();
    expect(data(second)).toEqual(["2"]);
  });

  test("a back end publishes straight over NATS, and what is no publication is dropped", async () => {
    const { prefix, first, second, settle } = await mesh(2);
    for (const { broker } of [first, second]) await broker.interest("default", "a", 1);
    const backEnd = await client();
    const subject = `${prefix}.pub.default.a`;
    const named = headers();
    named.set("Event", "greeting");
    named.set("Publisher", "crm");
    const reserved = headers();
    reserved.set("Event", "disconnect");
    backEnd.publish(subject, '{"n":1}', { headers: named });
    backEnd.publish(subject, "no JSON");
    backEnd.publish(subject, Uint8Array.of(0xff, 0xfe));
    backEnd.publish(subject, Uint8Array.of(0xc1, 9, 9));
    backEnd.publish(subject, "[]", { headers: reserved });
    backEnd.publish(subject, "[2]");
    await backEnd.flush();
    await settle();
    for (const worker of [first, second]) {
      expect(worker.received.map(({ event, data, publisher }) => [event, data, publisher])).toEqual(
        [
          ["greeting", '{"n":1}', "crm"],
          ["message", "[2]", undefined],
        ],
      );
    }
  });

  test("while the server is dead publications wait; afterwards each arrives once, and others are told", async () => {
    const { first, second } = await mesh(2);
    await second.broker.interest("default", "a", 1);
    const answered: string[] = [];
    let n = 0;
    const publish = () => {
      const text = `${++n}`;
      const answer = first.broker.publish(delivery("a", text));
      void Promise.resolve(answer).then(
        () => answered.push(text),
        () => {},
      );
    };
    for (let round = 0; round < 20; round++) publish();
    await server.kill();
    for (let round = 0; round < 20; round++) publish();
    await server.restart();
    await until(() => answered.length === n);
    publish();
    await until(() => answered.length === n && hasMissed(second));
    await second.broker.interest("default", "a", 1);
    await first.broker.publish(delivery("a", "last"));
    await until(() => data(second).includes("last"));
    // What was under way when the receiver was away is lost, and it was told; nothing came twice.
    expect(new Set(data(second)).size).toBe(data(second).length);
    const numbers = data(second).slice(0, -1).map(Number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test("what waits for longer than its time, or is too much, is refused", async () => {
    const { first, second, firstNode } = await mesh(2);
    await second.broker.interest("default", "a", 1);
    server.pause();
    try {
      const late = Promise.resolve(first.broker.publish(delivery("a", "1"))).catch(String);
      const large = delivery("a", "x".repeat(900_000));
      const all = Array.from({ length: 20 }, async () => first.broker.publish(large));
      const refused = (await Promise.allSettled(all)).filter(({ status }) => status === "rejected");
      expect(refused.length).toBe(20);
      expect(await late).toContain("NATS did not answer in time");
    } finally {
      server.resume();
    }
    await firstNode.settle();
    await first.broker.publish(delivery("a", "after"));
    await until(() => data(second).includes("after"));
  }, 30_000);
});

describe("channels with history", () => {
  const withHistory = (count: number) => mesh(count, { placeOf: () => PLACE });

  test("all nodes get all in one order, with the numbers of the stream", async () => {
    const { first, second, workers, settle } = await withHistory(2);
    for (const { broker } of workers) await broker.interest("default", "a", 1);
    const publishing = Array.from({ length: 40 }, (_, n) =>
      (n % 2 === 0 ? first : second).broker.publish(kept("a", `${n}`)),
    );
    const published = await Promise.all(publishing);
    await settle();
    expect(seen(first)).toHaveLength(40);
    expect(seen(second)).toEqual(seen(first));
    const offsets = published.flatMap(({ positions }) => positions.map(({ offset }) => offset));
    expect(offsets.toSorted((a, b) => a - b)).toEqual(offsets.map((_, index) => index + 1));
  });

  test("a key is kept once, on whichever node it is published again", async () => {
    const { first, second, firstNode } = await withHistory(2);
    const key = { key: "k", fingerprint: "request" };
    const once = await first.broker.publish(kept("a", "1", { key }));
    const again = await second.broker.publish(kept("a", "1", { key }));
    expect(again.positions).toEqual(once.positions);
    const { entries } = await read(firstNode, first, "a");
    expect(entries).toHaveLength(1);
  });

  test("a back end publishes into the history", async () => {
    const { prefix, first, second, secondNode, settle } = await withHistory(2);
    await first.broker.interest("default", "a", 1);
    const backEnd = await client();
    backEnd.publish(`${prefix}.kept.default.=.a`, '"1"');
    await backEnd.flush();
    await settle();
    expect(seen(first)).toEqual([["a", 1, '"1"']]);
    const { entries } = await read(secondNode, second, "a");
    expect(entries.map(({ content }) => content.data)).toEqual(['"1"']);
  });

  test("a server that dies and comes back: what was answered is kept once, and reaches all in order", async () => {
    const { first, second, firstNode, settle } = await withHistory(2);
    for (const { broker } of [first, second]) await broker.interest("default", "a", 1);
    const answered: string[] = [];
    let settled = 0;
    const publish = (n: number) => {
      const text = `${n}`;
      void Promise.resolve(first.broker.publish(kept("a", text))).then(
        () => {
          answered.push(text);
          settled++;
        },
        () => settled++,
      );
    };
    for (let n = 0; n < 30; n++) publish(n);
    await server.kill();
    for (let n = 30; n < 60; n++) publish(n);
    await server.restart();
    await until(() => settled === 60);
    await until(() => answered.every((text) => data(second).includes(text)));
    await settle();
    const { entries, isComplete } = await read(firstNode, first, "a");
    const all = entries.map(({ offset, content }) => ["a", offset, content.data] as const);
    expect(isComplete).toBe(true);
    expect(new Set(all.map(([, , text]) => text)).size).toBe(all.length);
    for (const text of answered) expect(all.map(([, , each]) => each)).toContain(text);
    expect(answered).toHaveLength(60);
    expect(seen(first)).toEqual(all);
    expect(seen(second)).toEqual(all);
    expect(all.map(([, , text]) => Number(text))).toEqual(Array.from({ length: 60 }, (_, n) => n));
    expect(hasMissed(second)).toBe(false);
  });

  test("what is published while one node is away is filled in when it is back", async () => {
    const { prefix, first, settle } = await withHistory(2);
    await first.broker.interest("default", "a", 1);
    await first.broker.publish(kept("a", "1"));
    await server.kill();
    await server.restart();
    // A client that is back before the node publishes where nobody listens yet.
    const backEnd = await client();
    await backEnd.request(`${prefix}.kept.default.=.a`, '"2"');
    await first.broker.publish(kept("a", "3"));
    await until(() => data(first).includes("3"));
    await settle();
    expect(data(first)).toEqual(["1", '"2"', "3"]);
    expect(hasMissed(first)).toBe(false);
  });

  test("a stream that is deleted and made anew has another epoch, and subscribers are told", async () => {
    const { prefix, first, firstNode } = await withHistory(2);
    await first.broker.interest("default", "a", 1);
    const before = await first.broker.publish(kept("a", "1"));
    const manager = await jetstreamManager(await client(), { checkAPI: false });
    await manager.streams.delete(`${prefix}+default+=`);
    const after = await first.broker.publish(kept("a", "2"));
    await until(() => hasMissed(first));
    const [old] = before.positions;
    const page = await read(firstNode, first, "a", { since: old, limit: 10 });
    expect(page.isComplete).toBe(false);
    expect(page.position.epoch).not.toBe(old?.epoch);
    expect(after.positions).toEqual([{ epoch: page.position.epoch, offset: 1 }]);
    await first.broker.publish(kept("a", "3"));
    await until(() => data(first).includes("3"));
  });

  test("what is too old or too much is missing, and it is said", async () => {
    const place = { namespace: "", size: 3, ttlMs: 1_000 };
    const { first, firstNode } = await mesh(2, { placeOf: () => place });
    const publish = async (channel: string, text: string) =>
      (await first.broker.publish(kept(channel, text))).positions[0];
    const [one, two, three] = [
      await publish("a", "1"),
      await publish("a", "2"),
      await publish("a", "3"),
    ];
    const page = async (channel: string, since = one) => {
      const { isComplete, entries } = await read(firstNode, first, channel, { since, limit: 9 });
      return [isComplete, ...entries.map(({ content }) => content.data)];
    };
    expect(await page("a")).toEqual([true, "2", "3"]);
    await publish("a", "4");
    expect(await page("a")).toEqual([true, "2", "3", "4"]);
    await publish("a", "5");
    // Of the first nothing is known any more; the stream keeps one more than it promises.
    expect((await page("a"))[0]).toBe(false);
    expect(await page("a", two)).toEqual([true, "3", "4", "5"]);
    await Bun.sleep(1_500);
    expect((await page("a", three))[0]).toBe(false);
    const last = await publish("b", "6");
    expect(await page("a", last)).toEqual([true]);
  });

  test("a stream is changed to what is configured, and a larger one does not pretend", async () => {
    const prefix = ownPrefix();
    const node = (size: number) => {
      const placeOf = () => ({ namespace: "", size, ttlMs: 60_000 });
      const made = new MeshNode({ server, prefix, settings, placeOf });
      closing.push(() => made.close());
      return made;
    };
    const small = node(2);
    const first = await join(small);
    const positions: (Position | undefined)[] = [];
    for (const text of ["1", "2", "3", "4", "5"]) {
      positions.push((await first.broker.publish(kept("a", text))).positions[0]);
    }
    const large = node(50);
    const second = await join(large);
    const page = async (since = positions[0]) => {
      const { isComplete, entries } = await read(large, second, "a", { since, limit: 9 });
      return [isComplete, entries.length];
    };
    expect(await page()).toEqual([false, 3]);
    expect(await page(positions[2])).toEqual([true, 2]);
    for (const text of ["6", "7", "8", "9"]) await second.broker.publish(kept("a", text));
    expect(await page(positions[4])).toEqual([true, 4]);
    expect((await page())[0]).toBe(false);
  });

  test("one delivery in several channels of two kinds reaches other nodes in all of them", async () => {
    const { first, second, settle } = await mesh(2, {
      placeOf: (_app, channel) => (channel.startsWith("kept") ? PLACE : undefined),
    });
    for (const channel of ["a", "kept1", "kept2"]) {
      await second.broker.interest("default", channel, 1);
    }
    const { positions } = await first.broker.publish(
      delivery("a", "1", { channels: ["a"], streams: [stream("kept1"), stream("kept2")] }),
    );
    await settle();
    expect(positions.map(({ offset }) => offset)).toEqual([1, 2]);
    expect(seen(second).toSorted()).toEqual([
      ["a", undefined, "1"],
      ["kept1", 1, "1"],
      ["kept2", 2, "1"],
    ]);
  });
});
