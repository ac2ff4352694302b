/** Two regions as leaf nodes, each with JetStream in a domain of its own. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as pathOf } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { kept, read } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { join } from "@starling/core/broker/conformance/worker.ts";
import { freePort } from "../../../../test/support/nats-server.ts";
import { BansNode } from "./testing/bans-fixture.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

const folder = mkdtempSync(pathOf(tmpdir(), "starling-domains-"));
let home: NatsServer;
let away: NatsServer;

beforeAll(async () => {
  const port = await freePort();
  const jetStream = (domain: string) =>
    `jetstream: { store_dir: "${pathOf(folder, domain)}", domain: ${domain} }`;
  home = await NatsServer.start(
    `server_name: home\n${jetStream("home")}\nleafnodes: { listen: "127.0.0.1:${port}" }`,
  );
  away = await NatsServer.start(
    `server_name: away\n${jetStream("away")}\nleafnodes: { remotes: [{ url: "nats://127.0.0.1:${port}" }] }`,
  );
  const connection = await connectTo(away);
  const isThere = () =>
    connection.request("$JS.home.API.INFO").then(
      () => true,
      () => false,
    );
  while (!(await isThere())) await Bun.sleep(20);
  await connection.close();
});

afterAll(async () => {
  await Promise.all([home.stop(), away.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const closing = closedAfterEach();

async function nodeAt(server: NatsServer, prefix: string, domain?: string) {
  const placeOf = () => ({ namespace: "", size: 9, ttlMs: 60_000 });
  const of = domain === undefined ? {} : { domain };
  const node = new MeshNode({ server, prefix, settings, placeOf, ...of });
  closing.push(() => node.close());
  return { node, worker: await join(node) };
}

/** The streams of a mesh that a server has in its own domain. */
async function streamsAt(server: NatsServer, prefix: string): Promise<string[]> {
  const connection = await connectTo(server);
  closing.push(() => connection.close());
  const manager = await jetstreamManager(connection);
  const names = await Array.fromAsync(manager.streams.names());
  return names.filter((name) => name.startsWith(prefix));
}

test("with the domain that is configured both regions have one history, which is there alone", async () => {
  const prefix = ownPrefix();
  const here = await nodeAt(home, prefix, "home");
  const there = await nodeAt(away, prefix, "home");
  await here.worker.broker.interest("default", "a", 1);
  await there.worker.broker.interest("default", "a", 1);
  await there.worker.broker.publish(kept("a", "1"));
  await here.worker.broker.publish(kept("a", "2"));
  await until(() => there.worker.received.length === 2 && here.worker.received.length === 2);
  const [ofHome, ofAway] = [
    await read(here.node, here.worker, "a"),
    await read(there.node, there.worker, "a"),
  ];
  expect(ofAway.entries.map(({ content }) => content.data)).toEqual(["1", "2"]);
  expect(ofAway.position).toEqual(ofHome.position);
  expect(await streamsAt(home, prefix)).toEqual([`${prefix}+default+=`]);
  expect(await streamsAt(away, prefix)).toEqual([]);
});

test("positions of another domain that keeps the same are not taken, and the log says so once", async () => {
  const prefix = ownPrefix();
  const right = await nodeAt(away, prefix, "home");
  const wrong = await nodeAt(away, prefix);
  await right.worker.broker.publish(kept("a", "first"));
  // Makes a stream of its own, which from now on acknowledges everything, too, and sooner.
  await wrong.worker.broker.publish(kept("a", "1"));
  const offsets: (number | undefined)[] = [];
  for (const data of ["2", "3", "4"]) {
    const { positions } = await right.worker.broker.publish(kept("a", data));
    offsets.push(positions[0]?.offset);
  }
  expect(offsets).toEqual([3, 4, 5]);
  const complaints = () => right.node.log.lines.filter(({ level }) => level === "error");
  await until(() => complaints().length > 0);
  expect(complaints()).toMatchObject([{ fields: { domain: "away", ours: "home" } }]);
});

test("with the domain that is configured both regions have the same bans, which are kept there alone", async () => {
  const prefix = ownPrefix();
  const node = (server: NatsServer, domain?: string) => {
    const made = new BansNode({ server, prefix, ...(domain === undefined ? {} : { domain }) });
    closing.push(() => made.close());
    return made;
  };
  const [there, end] = [node(away, "home"), Date.now() + 3_600_000];
  expect(await there.banned()).toEqual({});
  expect(await there.ban("ada", end)).toBe("ok");
  expect(await node(home, "home").banned()).toEqual({ ada: end });
  expect(await node(away).banned()).toEqual({});
  expect(await node(away, "nowhere").ban("bob", end)).toBe("broker_unavailable");
  expect(await there.ban("ada", 0)).toBe("ok");
  expect(await node(home, "home").banned()).toEqual({});
});
