/** Streams that cannot be had: whoever wants them has an answer soon, and the log stays short. */

import { describe, expect, test } from "bun:test";
import { setImmediate as turn } from "node:timers/promises";
import { kept } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import {
  type Asked,
  ask,
  delivery,
  join,
  RecordingWorker,
  refusal,
} from "@starling/core/broker/conformance/worker.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const PLACE = { namespace: "", size: 100, ttlMs: 60_000 };
/** For as long whoever subscribes may have to wait, ms. */
const REFUSED_WITHIN_MS = 3_000;

const closing = closedAfterEach();

async function start(lines = ""): Promise<NatsServer> {
  const server = await NatsServer.start(lines);
  closing.push(() => server.stop());
  return server;
}

/** A node on a clock that stands still, on which no time passes at the server. */
async function nodeOn(server: NatsServer) {
  const clock = new FakeClock();
  const node = new MeshNode({
    ...{ server, prefix: ownPrefix(), settings, clock },
    placeOf: () => PLACE,
  });
  closing.push(() => node.close());
  const worker = await join(node);
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(100);
      for (let each = 0; each < 5; each++) await turn();
    }
  };
  return { node, worker, pass };
}

/** As servers are that have no leader: whatever they are asked they do not answer. */
function silence(server: NatsServer): void {
  server.pause();
  closing.push(async () => server.resume());
}

test("who subscribes while streams have no leader is refused within three seconds, and the next at once or as soon", async () => {
  const server = await start();
  const { worker, pass } = await nodeOn(server);
  silence(server);
  const begin = async () => {
    await worker.broker.interest("default", "a", 1);
    return worker.broker.history("default", "a", { limit: 10 });
  };
  const asked: Asked<unknown>[] = [];
  for (let subscriber = 0; subscriber < 3; subscriber++) {
    const each = ask(begin);
    asked.push(each);
    await pass(REFUSED_WITHIN_MS);
    expect(each.outcome).toEqual(refusal("broker_unavailable"));
  }
});

test("a page of a history is refused within three seconds, however many are asked for", async () => {
  const server = await start();
  const { worker, pass } = await nodeOn(server);
  silence(server);
  const asked: Asked<unknown>[] = [];
  for (let reader = 0; reader < 10; reader++) {
    asked.push(ask(() => worker.broker.history("default", `c${reader}`, { limit: 10 })));
    await pass(100);
  }
  await pass(REFUSED_WITHIN_MS);
  for (const { outcome } of asked) expect(outcome).toEqual(refusal("broker_unavailable"));
});

test("that streams cannot be had is said once, however often they are looked for", async () => {
  const account = "accounts: { A: { users: [{ user: u, password: p }] } }, no_auth_user: u";
  const { node, worker, pass } = await nodeOn(await start(account));
  await worker.broker.interest("default", "a", 1);
  const published = ask(() => worker.broker.publish(kept("a", "1")));
  for (let round = 0; round < 60; round++) {
    await pass(100);
    await node.flush();
  }
  expect(published.outcome).toEqual(refusal("broker_unavailable"));
  const errors = node.log.lines.filter(({ level }) => level === "error");
  expect(errors.map(({ message }) => message)).toEqual(["a stream cannot be had; trying again"]);
});

describe.each<[string, typeof delivery, boolean]>([
  ["without history", delivery, false],
  ["with history", kept, true],
])("while NATS is away, in channels %s", (_name, said, isKept) => {
  async function setUp() {
    const server = await start();
    const clock = new FakeClock();
    const shared = { server, prefix: ownPrefix(), settings, clock };
    const placeOf = () => (isKept ? PLACE : undefined);
    const [here, there] = [
      new MeshNode({ ...shared, placeOf }),
      new MeshNode({ ...shared, placeOf }),
    ];
    closing.push(
      () => here.close(),
      () => there.close(),
    );
    const [worker, other] = [new RecordingWorker(), new RecordingWorker()];
    const [broker, otherBroker] = [await here.join(worker), await there.join(other)];
    await otherBroker.interest("default", "a", 1);
    await broker.publish(said("a", "before"));
    await here.settle();
    await server.kill();
    await until(() => broker.downSince !== undefined);
    const isBack = async () => {
      await server.restart();
      for (const each of [broker, otherBroker]) await until(() => each.downSince === undefined);
      await until(() => isKept || other.missedCalls > 0);
      await there.settle();
    };
    return { clock, broker, other, here, there, isBack };
  }

  test("publications wait for five seconds, and each that is refused is counted", async () => {
    const { clock, broker, other, here, there, isBack } = await setUp();
    const late = ask(() => broker.publish(said("a", "late")));
    broker.publishUnanswered(said("a", "late, and nobody knows"));
    clock.advance(4_999);
    await turn();
    expect([late.outcome, broker.counters.refused]).toEqual([undefined, 0]);
    expect(broker.waitingBytes).toBeGreaterThan(0);
    clock.advance(1);
    await turn();
    expect([late.outcome, broker.counters.refused]).toEqual([refusal("broker_unavailable"), 2]);
    expect(broker.waitingBytes).toBe(0);
    const atOnce = ask(() => broker.publish(said("a", "refused at once")));
    broker.publishUnanswered(said("a", "the same"));
    await turn();
    expect([atOnce.outcome, broker.counters.refused]).toEqual([refusal("broker_unavailable"), 4]);
    await isBack();
    await broker.publish(said("a", "after"));
    await here.settle();
    await there.settle();
    await until(() => {
      clock.advance(100);
      return other.received.length === 2;
    });
    expect(other.take()).toEqual(["before", "after"]);
  });

  test("what waits has a limit in bytes, and arrives when NATS is back", async () => {
    const { clock, broker, other, here, there, isBack } = await setUp();
    const half = "x".repeat(900_000);
    const asked = Array.from({ length: 20 }, (_, n) =>
      ask(() => broker.publish(said("a", `${n} ${half}`))),
    );
    await turn();
    const refused = asked.filter(({ outcome }) => outcome !== undefined);
    expect(refused.map(({ outcome }) => outcome)).toEqual([
      refusal("broker_unavailable"),
      refusal("broker_unavailable"),
    ]);
    expect(broker.counters.refused).toBe(2);
    expect(broker.waitingBytes).toBeLessThan(16 * 1024 * 1024);
    await isBack();
    await until(() => asked.every(({ outcome }) => outcome !== undefined));
    await here.settle();
    await there.settle();
    const newest = () => other.received.at(-1)?.data.split(" ", 1)[0];
    await until(() => {
      // A stream that is not there yet after the start of its server is looked for again.
      clock.advance(100);
      return !isKept || newest() === "17";
    });
    const numbers = other.take().map((text) => text.split(" ", 1)[0]);
    const expected = Array.from({ length: 18 }, (_, n) => `${n}`);
    // In channels without history the other node may have come back later, which it was told.
    const missed = isKept ? 0 : expected.length + 1 - numbers.length;
    expect(numbers).toEqual(["before", ...expected.slice(missed)]);
  });
});
