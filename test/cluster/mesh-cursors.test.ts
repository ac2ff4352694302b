/** Clients with one cursor for channels of several namespaces come back on a mesh, over SSE and Socket.IO. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Socket } from "socket.io-client";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { EventStream } from "../support/event-stream.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";
import { ask, once, StockClients } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const anyone = { subscribe: "anyone", publish: "anyone" };
const kept = { ...anyone, historySize: 1_000, historyTtl: 600, recover: true };
const config = new ConfigFile({ namespaces: { "": kept, one: kept, two: kept } });

let nats: NatsServer;
let here: GatewayProcess;
let there: GatewayProcess;

async function publish(node: GatewayProcess, channel: string, data: unknown): Promise<void> {
  const body = JSON.stringify({ channel, event: "e", data: `${channel} ${data}` });
  const { status } = await httpsCall(`${node.publisherUrl}/api/publish`, node.ca, { body });
  expect(status).toBe(200);
}

/** An event stream of several channels that remembers its cursor alone. */
class Reader {
  readonly heard: string[] = [];
  readonly told: unknown[] = [];
  readonly #channels: readonly string[];
  #events: EventStream | undefined;
  #id: string | undefined;

  constructor(channels: readonly string[]) {
    this.#channels = channels;
  }

  async open(node: GatewayProcess): Promise<void> {
    const query = this.#channels.map((channel) => `channel=${encodeURIComponent(channel)}`);
    const headers: Record<string, string> = this.#id ? { "Last-Event-ID": this.#id } : {};
    const url = `${node.subscriberUrl}/events?${query.join("&")}`;
    this.#events = await EventStream.open(url, node.ca, headers);
    // It stands somewhere from here on.
    while (this.#id === undefined) await this.#read();
  }

  /** Reads until it has heard so many in all. */
  async read(count: number): Promise<void> {
    while (this.heard.length < count) await this.#read();
  }

  close(): void {
    this.#events?.[Symbol.dispose]();
  }

  async #read(): Promise<void> {
    const lines = (await this.#events?.next())?.split("\n") ?? [];
    const fieldOf = (name: string) =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    this.#id = fieldOf("id") ?? this.#id;
    const data = fieldOf("data");
    if (fieldOf("event") === "e") this.heard.push(JSON.parse(data ?? ""));
    if (fieldOf("event") === "starling:recovery") this.told.push(JSON.parse(data ?? ""));
  }
}

beforeAll(async () => {
  nats = await NatsServer.start();
  const shared = { CONFIG_FILE: config.path, NATS_URL: nats.url, DRAIN_SECONDS: "1" };
  [here, there] = await Promise.all([
    startGatewayProcess({ ...shared, MESH_ID: "here" }),
    startGatewayProcess({ ...shared, MESH_ID: "there", CLUSTER_MODE: "1", CLUSTER_INSTANCES: "2" }),
  ]);
  for (const node of [here, there]) {
    await eventually("a node that is ready", async () => {
      const { status } = await httpsCall(`${node.subscriberUrl}/ready`, node.ca);
      return status === 200 ? true : undefined;
    });
  }
});

afterAll(async () => {
  expect(await Promise.all([here.stop(), there.stop()])).toEqual([0, 0]);
  await nats.stop();
  config[Symbol.dispose]();
});

test("an event stream of channels of two namespaces gets on one node what it missed on the other", async () => {
  const reader = new Reader(["one:a", "two:a", "two:b"]);
  await reader.open(there);
  for (const channel of ["one:a", "two:a"]) await publish(here, channel, 1);
  await reader.read(2);
  reader.close();
  for (const channel of ["two:b", "one:a", "two:a"]) await publish(there, channel, 2);
  await reader.open(here);
  await reader.read(5);
  reader.close();
  await publish(there, "two:b", 3);
  await reader.open(there);
  await reader.read(6);
  reader.close();
  expect(reader.told).toEqual([{ recovered: true }, { recovered: true }]);
  expect(reader.heard.toSorted()).toEqual(
    ["one:a 1", "one:a 2", "two:a 1", "two:a 2", "two:b 2", "two:b 3"].toSorted(),
  );
});

test("event streams that break off all the time while many publish at once miss nothing, and get nothing twice", async () => {
  const channels = ["one:c", "one:d", "two:c", "two:d"];
  const reader = new Reader(channels);
  await reader.open(here);
  const rounds = 15;
  const publishing = Promise.all(
    channels.flatMap((channel) =>
      [here, there].map(async (node, at) => {
        for (let n = 0; n < rounds; n++) await publish(node, channel, `${at} ${n}`);
      }),
    ),
  );
  const total = channels.length * 2 * rounds;
  for (let count = 7; count < total; count += 7) {
    await reader.read(count);
    reader.close();
    await reader.open(count % 2 === 0 ? here : there);
  }
  await reader.read(total);
  await publishing;
  reader.close();
  expect(new Set(reader.heard).size).toBe(total);
  expect(reader.told).toEqual(reader.told.map(() => ({ recovered: true })));
  for (const channel of channels) {
    for (const at of [0, 1]) {
      const own = reader.heard.filter((each) => each.startsWith(`${channel} ${at} `));
      expect(own).toEqual(Array.from({ length: rounds }, (_, n) => `${channel} ${at} ${n}`));
    }
  }
});

test("a stock client of channels of two namespaces comes back to its connection, and gets what it missed", async () => {
  const clients = new StockClients(() => ({ url: there.subscriberUrl, ca: there.ca }));
  try {
    const options = { transports: ["websocket"], reconnection: true, reconnectionDelay: 200 };
    const socket: Socket = await clients.connected(options);
    const heard: unknown[] = [];
    socket.on("e", (data: unknown) => heard.push(data));
    for (const channel of ["one:e", "two:e"]) {
      expect(await ask(socket, "subscribe", { channel })).toMatchObject({ ok: true });
    }
    for (const channel of ["one:e", "two:e"]) {
      const came = once(socket, "e");
      await publish(here, channel, 1);
      await came;
    }
    const { id } = socket;
    for (const round of [2, 3]) {
      const lost = once(socket, "disconnect");
      const back = once(socket, "connect");
      socket.io.engine.close();
      await lost;
      for (const channel of ["two:e", "one:e"]) await publish(here, channel, round);
      await back;
      expect([socket.recovered, socket.id]).toEqual([true, id]);
      await eventually("what was missed", async () => {
        await Bun.sleep(10);
        return heard.length === 2 * round ? true : undefined;
      });
    }
    expect(heard.toSorted()).toEqual(
      ["1", "2", "3"].flatMap((n) => [`one:e ${n}`, `two:e ${n}`]).toSorted(),
    );
  } finally {
    clients.disconnectAll();
  }
});
