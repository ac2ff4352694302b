/** A publication has one id on all workers of a node, since clients move between those while it arrives. */

import { afterAll, expect, test } from "bun:test";
import { headers } from "@nats-io/nats-core";
import { kept, read } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { delivery, join } from "@starling/core/broker/conformance/worker.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";

const server = await NatsServer.start();
afterAll(() => server.stop());

const closing = closedAfterEach();

async function setUp() {
  const place = { namespace: "", size: 100, ttlMs: 60_000 };
  const prefix = ownPrefix();
  const placeOf = (_app: string, channel: string) => (channel === "kept" ? place : undefined);
  const shared = { server, prefix, settings, placeOf };
  const [here, there] = [new MeshNode(shared), new MeshNode(shared)];
  closing.push(
    () => here.close(),
    () => there.close(),
  );
  const publisher = await join(there);
  const workers = [await join(here), await join(here)];
  for (const { broker } of workers) {
    for (const channel of ["plain", "kept"]) await broker.interest("default", channel, 1);
  }
  const backEnd = await connectTo(server);
  closing.push(() => backEnd.close());
  const send = async (subject: string, data: string, messageId?: string) => {
    const named = headers();
    if (messageId !== undefined) named.set("Nats-Msg-Id", messageId);
    backEnd.publish(`${prefix}.${subject}`, data, { headers: named });
    await backEnd.flush();
    await here.settle();
  };
  /** What both workers have received: data and id, once they are the same on both. */
  const received = () => {
    const [all, others] = workers.map((each) =>
      each.received.map(({ data, id }) => ({ data, id })),
    );
    expect(others).toEqual(all ?? []);
    return all ?? [];
  };
  return { here, publisher, workers, send, received };
}

test("what a node of one worker publishes has one, though that needs none", async () => {
  const { here, publisher, received } = await setUp();
  for (const text of ["1", "2"]) {
    await publisher.broker.publish(delivery("plain", text));
    await publisher.broker.publish(kept("kept", text));
  }
  await here.settle();
  const ids = received().map(({ id }) => id);
  expect(ids).toHaveLength(4);
  expect(ids).not.toContain(undefined);
  expect(new Set(ids).size).toBe(4);
});

test("what a back end publishes into a history has its id from its place, also when it is read", async () => {
  const { here, workers, send, received } = await setUp();
  for (const text of ["1", "1"]) await send("kept.default.=.kept", text);
  const all = received();
  expect(new Set(all.map(({ id }) => id)).size).toBe(2);
  const [first] = workers;
  if (first === undefined) throw new Error("there is no worker");
  const { entries } = await read(here, first, "kept");
  expect(entries.map(({ content: { data, id } }) => ({ data, id }))).toEqual(all);
});

test("what a back end publishes elsewhere has one if it says one, and then comes once", async () => {
  const { send, received } = await setUp();
  for (const messageId of ["a", "a", "b", undefined, undefined]) {
    await send("pub.default.plain", "1", messageId);
  }
  const [a, b, ...others] = received().map(({ id }) => id);
  expect([typeof a, typeof b, a === b]).toEqual(["number", "number", false]);
  expect(others).toEqual([undefined, undefined]);
});
