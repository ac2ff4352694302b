/** What a worker does whose own link to NATS is as it was, while servers lose one another. */

import { afterAll, expect, test } from "bun:test";
import type { Msg, NatsConnection, SubscriptionOptions } from "@nats-io/nats-core";
import { kept } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { delivery, join } from "@starling/core/broker/conformance/worker.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

/** A link on which nothing arrives that others publish, while it is parted, though it is up. */
class PartedLink {
  isParted = false;
  lost = 0;

  over(connection: NatsConnection): NatsConnection {
    const subscribe = (subject: string, options: SubscriptionOptions = {}) => {
      const { callback } = options;
      if (callback === undefined || subject.startsWith("_INBOX")) {
        return connection.subscribe(subject, options);
      }
      const lossy = (error: Error | null, message: Msg) => {
        if (this.isParted) this.lost++;
        else callback(error, message);
      };
      return connection.subscribe(subject, { ...options, callback: lossy });
    };
    return new Proxy(connection, {
      get(target, name) {
        if (name === "subscribe") return subscribe;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

/** Two nodes, of which the second can be parted from the first; `plain` is the only channel without history. */
async function mesh() {
  const place = { namespace: "", size: 1_000, ttlMs: 600_000 };
  const shared = {
    ...{ server, prefix: ownPrefix(), settings, clock: new FakeClock() },
    placeOf: (_app: string, channel: string) => (channel === "plain" ? undefined : place),
  };
  const link = new PartedLink();
  const publishing = new MeshNode(shared);
  const hearing = new MeshNode({
    ...shared,
    connect: async () => link.over(await connectTo(server)),
  });
  closing.push(
    () => publishing.close(),
    () => hearing.close(),
  );
  const [publisher, reader] = [await join(publishing), await join(hearing)];
  for (const channel of ["plain", "quiet", "busy"]) {
    await reader.broker.interest("default", channel, 1);
  }
  const { clock } = shared;
  /** Time passes for both, a beat at a time. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 750) {
      clock.advance(750);
      await publishing.flush();
      await hearing.flush();
    }
  };
  return { link, publisher, reader, pass, clock };
}

test("what was kept meanwhile comes by itself, and in channels without history it is told", async () => {
  const { link, publisher, reader, pass } = await mesh();
  await publisher.broker.publish(kept("quiet", "1"));
  await until(() => reader.received.length === 1);
  await pass(6_000);
  link.isParted = true;
  await publisher.broker.publish(kept("quiet", "2"));
  await publisher.broker.publish(delivery("plain", "lost"));
  await until(() => link.lost >= 2);
  await pass(60_000);
  expect(reader.missedIn).toEqual([]);
  link.isParted = false;
  await pass(6_000);
  await until(() => reader.received.length === 2);
  expect(reader.received.map(({ data }) => data)).toEqual(["1", "2"]);
  expect(reader.missedIn.map((concerns) => concerns?.("default", "plain"))).toEqual([true]);
  expect(reader.missedIn.map((concerns) => concerns?.("default", "quiet"))).toEqual([false]);
});

test("a cut that nobody has noticed is found by the next publication, however late that comes", async () => {
  const { link, publisher, reader, clock } = await mesh();
  await publisher.broker.publish(kept("quiet", "1"));
  await until(() => reader.received.length === 1);
  link.isParted = true;
  await publisher.broker.publish(kept("quiet", "2"));
  await until(() => link.lost >= 1);
  link.isParted = false;
  clock.jumpTo(clock.now() + 20_000);
  await publisher.broker.publish(kept("busy", "3"));
  await until(() => reader.received.length === 2);
  clock.jumpTo(clock.now() + 120_000);
  await publisher.broker.publish(kept("quiet", "4"));
  await until(() => reader.received.length === 4);
  expect(reader.received.map(({ data }) => data)).toEqual(["1", "3", "2", "4"]);
});
