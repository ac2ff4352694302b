/** A client over WebTransport on one node hears over NATS what is published on another. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { DenoPage } from "../support/deno-page.ts";
import { allReady } from "../support/faults/mesh-fixture.ts";
import { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { eventPayload, type Signal } from "../support/signalling-client.ts";
import { certificateHash, startQuicNode } from "../support/webtransport-node.ts";
import { WebTransportPeer } from "../support/webtransport-peer.ts";

setDefaultTimeout(60_000);

const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  namespaces: {
    plain: anyone,
    kept: { ...anyone, historySize: 1_000, historyTtl: 600, recover: true },
  },
});

let nats: NatsServer;
let here: NodeUnderTest;
let there: NodeUnderTest;
beforeAll(async () => {
  nats = await NatsServer.start();
  const shared = { CONFIG_FILE: config.path, NATS_URL: nats.url, DRAIN_SECONDS: "1" };
  [here, there] = await Promise.all([
    startQuicNode(0, { ...shared, MESH_ID: "here" }),
    NodeUnderTest.start(0, { ...shared, MESH_ID: "there" }),
  ]);
  await allReady([here, there]);
});
afterAll(async () => {
  await Promise.all([here.stop(), there.stop()]);
  await nats.stop();
  config[Symbol.dispose]();
});

async function publish(channel: string, data: number): Promise<void> {
  const { publisherUrl, ca } = there.process;
  const body = JSON.stringify({ channel, event: "e", data });
  expect((await httpsCall(`${publisherUrl}/api/publish`, ca, { body })).status).toBe(200);
}

/** A client over WebTransport on the node that publishes nothing, subscribed to a channel. */
class Listener implements AsyncDisposable {
  readonly #page = new DenoPage();
  readonly #peer = new WebTransportPeer(this.#page);
  offset = 0;

  async subscribe(channel: string, from: Partial<Signal> = {}): Promise<Signal> {
    const { subscriberUrl } = here.process;
    const query = new URLSearchParams({ publickey: "any", id: "listener", v: "2" });
    await this.#peer.open(`${subscriberUrl}/v1?${query}`, await certificateHash(here.process));
    await this.#peer.openStream();
    await this.#peer.send({ t: "control", op: "subscribe", c: channel, id: 1, ...from });
    const { signal } = await this.#peer.nextOf("ack");
    return signal;
  }

  /** The next events are these. */
  async expectData(...all: readonly number[]): Promise<void> {
    for (const data of all) {
      const { signal } = await this.#peer.next(`data ${data}`, ({ t }) => t === "data");
      expect([...(signal.pl ?? [])]).toEqual([...eventPayload("e", `${data}`)]);
      this.offset = signal.off ?? 0;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.close();
    this.#page[Symbol.dispose]();
  }
}

test("in a channel without history", async () => {
  await using listener = new Listener();
  await listener.subscribe("plain:a");
  for (const data of [1, 2, 3]) await publish("plain:a", data);
  await listener.expectData(1, 2, 3);
});

test("in a channel with history, and what it was away for as well", async () => {
  let position: Partial<Signal>;
  {
    await using listener = new Listener();
    const { ep = "" } = await listener.subscribe("kept:a");
    for (const data of [1, 2]) await publish("kept:a", data);
    await listener.expectData(1, 2);
    position = { ep, off: listener.offset };
  }
  for (const data of [3, 4]) await publish("kept:a", data);
  await using again = new Listener();
  expect(await again.subscribe("kept:a", position)).toMatchObject({ ...position, rec: true });
  await publish("kept:a", 5);
  await again.expectData(3, 4, 5);
});
