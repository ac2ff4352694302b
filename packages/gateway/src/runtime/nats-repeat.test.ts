import { afterEach, expect, test } from "bun:test";
import { setImmediate as turn } from "node:timers/promises";
import { kept } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { join } from "@starling/core/broker/conformance/worker.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

test("what was sent to a stream a moment ago is not sent again when the time of another one is over", async () => {
  const server = await NatsServer.start();
  closing.push(() => server.stop());
  const clock = new FakeClock();
  const placeOf = () => ({ namespace: "", size: 9, ttlMs: 60_000 });
  const connection = await connectTo(server);
  const connect = () => Promise.resolve(connection);
  const node = new MeshNode({ server, prefix: ownPrefix(), settings, placeOf, clock, connect });
  closing.push(() => node.close());
  const { broker } = await join(node);
  await broker.publish(kept("a", "1"));
  server.pause();
  closing.push(async () => server.resume());
  clock.advance(650);
  const second = Promise.resolve(broker.publish(kept("a", "2")));
  await turn();
  const sent = connection.stats().outMsgs;
  // The first one's time is over, but it has had its answer.
  clock.advance(100);
  await turn();
  expect(connection.stats().outMsgs).toBe(sent);
  server.resume();
  await second;
});
