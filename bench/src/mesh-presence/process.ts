import type { NatsConnection } from "@nats-io/nats-core";
import { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { AppConfig } from "@starling/core/hub/namespace.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import type { Log } from "@starling/core/ports.ts";
import { connectToNats } from "@starling/gateway/runtime/nats.ts";
import { afterTurn, systemClock, systemRandom } from "@starling/gateway/runtime/system.ts";
import { type Order, type Reply, STATE_BYTES } from "./orders.ts";

const APP = "default";
const CHANNEL = "bench";
/** Members that join within one turn of the event loop. */
const BURST = 100;
const COUNTS = 1_000_000;
const LOOK_MS = 10;
const ROUNDS = 3;
const ID_BYTES = 15;

const log: Log = { debug() {}, info() {}, warn() {}, error: console.error };
const apps = new Map<string, AppConfig>([[APP, { namespaces: new Map() }]]);
const off = { ratePerSecond: 0 };
const clock = systemClock;

const node = new Node<Publication>(
  {
    clock,
    random: systemRandom,
    apps,
    rates: { user: off, address: off, api: off },
    idempotencyWindowMs: 0,
  },
  publicationHolding,
);
const broker = new LocalBroker(node, 1, new WorkerHandlers());
let presence: NatsPresence | undefined;
let connection: NatsConnection | undefined;

function open({ url, name, lease }: Extract<Order, { type: "open" }>): void {
  const { host } = new URL(url);
  presence = new NatsPresence({
    node: name,
    start: name,
    since: clock.now(),
    connect: async () => {
      const streams = { replicas: 1, storage: "memory", idempotencyWindowMs: 0 } as const;
      connection = await connectToNats({ servers: [host], prefix: "bench", streams }, name);
      return connection;
    },
    showing: node.presence,
    clock,
    random: systemRandom,
    afterTurn,
    log,
    leaseMs: lease,
    prefix: "bench",
  });
  node.presence.join(presence.mesh);
}

async function join(members: number): Promise<void> {
  for (let joined = 0; joined < members; joined++) {
    const id = systemRandom.bytes(ID_BYTES).toBase64({ alphabet: "base64url" });
    const member = {
      connection: id,
      clientId: `client-${joined}`,
      user: `user-${joined}`,
      state: new Uint8Array(STATE_BYTES).fill(joined),
      since: clock.now(),
    };
    broker.present(APP, CHANNEL, { type: "join", member });
    if (joined % BURST === 0) await Bun.sleep(0);
  }
}

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) await Bun.sleep(LOOK_MS);
}

async function count(): Promise<number> {
  let sum = 0;
  const begun = performance.now();
  for (let times = 0; times < COUNTS; times++) {
    const stats = broker.presenceStats(APP, CHANNEL);
    if (stats instanceof Promise) throw new Error("the count is not known at once");
    sum += stats.members + stats.users;
  }
  const micros = ((performance.now() - begun) * 1_000) / COUNTS;
  if (sum === 0) throw new Error("nobody was counted");
  return micros;
}

async function carryOut(order: Order): Promise<number | undefined> {
  switch (order.type) {
    case "open":
      open(order);
      return undefined;
    case "meet":
      await until(() => presence?.mesh.nodes === order.others);
      return undefined;
    case "watch":
      await broker.watch(APP, CHANNEL);
      return undefined;
    case "forget":
      broker.unwatch(APP, CHANNEL);
      await until(() => presence?.mesh.interests === 0);
      await broker.watch(APP, CHANNEL);
      return undefined;
    case "join":
      await join(order.members);
      return undefined;
    case "wait":
      await until(async () => (await broker.presenceStats(APP, CHANNEL)).members === order.members);
      return undefined;
    case "count":
      return count();
    case "collect":
      // As often as the gateway does it when a wave of connections has passed.
      for (let round = 0; round < ROUNDS; round++) {
        Bun.gc(true);
        await Bun.sleep(LOOK_MS);
      }
      return undefined;
    case "sent":
      return connection?.stats().outBytes;
  }
}

process.on("message", (order: Order) => {
  carryOut(order).then(
    (value) =>
      process.send?.({ type: "done", ...(value === undefined ? {} : { value }) } satisfies Reply),
    (error: unknown) => process.send?.({ type: "failed", reason: String(error) } satisfies Reply),
  );
});
process.on("disconnect", () => process.exit());
