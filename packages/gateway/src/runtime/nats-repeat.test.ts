import { expect, test } from "bun:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Msg } from "@nats-io/nats-core";
import { kept } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { delivery, join, RecordingWorker } from "@starling/core/broker/conformance/worker.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const closing = closedAfterEach();

test("what was sent to a stream a moment ago is not sent again when the time of another one is over", async () => {
  const server = await NatsServer.start();
  closing.push(() => server.stop());
  const clock = new FakeClock();
  const placeOf = () => ({ namespace: "", size: 9, ttlMs: 60_000 });
  const connection = await connectTo(server);
  const connect = () => Promise.resolve(connection);
  const node = new MeshNode({ server, prefix: ownPrefix(), settings, placeOf, clock, connect });
  closing.push(() => node.close());
  const broker = await node.join(new RecordingWorker());
  await broker.publish(kept("a", "1"));
  server.pause();
  closing.push(async () => server.resume());
  clock.advance(650);
  const second = Promise.resolve(broker.publish(kept("a", "2")));
  await turn();
  // The first one's time is over, but it has had its answer.
  clock.advance(100);
  await turn();
  expect(broker.counters.repeated).toBe(0);
  server.resume();
  await second;
});

test("what was confirmed over one link and comes later than what follows over the next is no repetition", async () => {
  const server = await NatsServer.start();
  closing.push(() => server.stop());
  const [prefix, elsewhere] = [ownPrefix(), ownPrefix()];
  const node = new MeshNode({ server, prefix, settings });
  closing.push(() => node.close());
  const broker = await node.join(new RecordingWorker());
  const sent: Uint8Array[] = [];
  const publish = async (text: string) => {
    const observer = await connectTo(server);
    const callback = (_error: Error | null, { data }: Msg) => {
      sent.push(data);
    };
    observer.subscribe(`${prefix}.pub.default.a`, { callback });
    await observer.flush();
    await broker.publish(delivery("a", text));
    await observer.flush();
    await observer.close();
  };
  for (const text of ["1", "2"]) await publish(text);
  await server.kill();
  await until(() => broker.downSince !== undefined);
  await server.restart();
  await until(() => broker.downSince === undefined);
  await publish("3");

  const receiver = new MeshNode({ server, prefix: elsewhere, settings });
  closing.push(() => receiver.close());
  const worker = await join(receiver);
  await worker.broker.interest("default", "a", 1);
  // As over two servers of a cluster, of which the second one is nearer.
  const relay = await connectTo(server);
  closing.push(() => relay.close());
  const [first, second, third] = sent;
  for (const message of [first, third, second]) {
    relay.publish(`${elsewhere}.pub.default.a`, message);
  }
  await relay.flush();
  await receiver.settle();
  expect(worker.take()).toEqual(["1", "3", "2"]);
});
