import type { Broker } from "@starling/core/broker/broker.ts";
import { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { publicationHolding } from "@starling/core/broker/holdings.ts";
import { LocalBroker } from "@starling/core/broker/local.ts";
import { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { Node } from "@starling/core/broker/node.ts";
import { Counters } from "@starling/core/hub/counters.ts";
import { Hub } from "@starling/core/hub/hub.ts";
import {
  type AppConfig,
  DEFAULT_APP,
  defaultNamespace,
  type NamespaceConfig,
} from "@starling/core/hub/namespace.ts";
import type { Publication } from "@starling/core/hub/publication.ts";
import type { Subscriber, WireFormat } from "@starling/core/hub/subscriber.ts";
import type { Log } from "@starling/core/ports.ts";
import { connectToNats } from "@starling/gateway/runtime/nats.ts";
import { afterTurn, systemClock, systemRandom } from "@starling/gateway/runtime/system.ts";
import { fail, obey } from "../party.ts";
import { Once } from "./once.ts";
import { channelName, type Kind, kinds, numbered, numberOf, type Order } from "./orders.ts";

/** Publications of a flood whose answers may be missing. */
const MAX_UNANSWERED = 2_000;
const IDEMPOTENCY_MS = 60_000;

const log: Log = { debug() {}, info() {}, warn: console.error, error: console.error };
const namespaces = new Map<string, NamespaceConfig>([
  ["plain", defaultNamespace],
  ["kept", { ...defaultNamespace, history: { size: 1_000, ttlMs: 600_000 }, recover: true }],
]);
const apps = new Map<string, AppConfig>([[DEFAULT_APP, { namespaces }]]);
const off = { ratePerSecond: 0 };
const [clock, random] = [systemClock, systemRandom];

const format: WireFormat = { id: "bench", encode: ({ data }) => [data] };

/** Takes what the node delivers, and does nothing with it but tick it off. */
class Sink implements Subscriber {
  bagIndex = -1;
  channels: Subscriber["channels"];
  readonly id = "sink";
  readonly app = DEFAULT_APP;
  readonly user = undefined;
  readonly format = format;
  readonly socket = undefined;
  once = new Once(0);

  deliver(frames: readonly (string | Uint8Array)[]): void {
    for (const frame of frames) this.once.take(numberOf(frame as string));
  }
  isReady(): boolean {
    return true;
  }
  cutSlow(): void {
    fail("the subscriber was cut");
  }
  close(reason: string): void {
    fail(`the subscriber was closed: ${reason}`);
  }
  disconnect(reason: string): void {
    fail(`the subscriber was disconnected: ${reason}`);
  }
}

const handlers = new WorkerHandlers();
const sink = new Sink();
let hub: Hub | undefined;
let channels = 0;

async function join(order: Extract<Order, { type: "join" }>): Promise<void> {
  channels = order.channels;
  const rates = { user: off, address: off, api: off };
  const node = new Node<Publication>(
    { clock, random, apps, rates, idempotencyWindowMs: IDEMPOTENCY_MS },
    publicationHolding,
  );
  const inner = new LocalBroker(node, 0, handlers, { isAlone: true });
  const broker = order.server === undefined ? inner : await meshed(inner, order.server);
  hub = new Hub({
    ...{ clock, random, apps, broker, handlers },
    fanout: { publish: () => 1 },
    counters: new Counters(),
    slowConsumerBytes: Number.POSITIVE_INFINITY,
    maxChannelsPerConnection: Number.POSITIVE_INFINITY,
  });
  hub.register(sink);
  for (const kind of kinds) {
    for (let index = 0; index < channels; index++) {
      await hub.subscribe(sink, channelName(kind, index));
    }
  }
}

async function meshed(inner: Broker, server: string): Promise<Broker> {
  const up = Promise.withResolvers<void>();
  const streams = { replicas: 1, storage: "file", idempotencyWindowMs: IDEMPOTENCY_MS } as const;
  const config = { servers: [server], prefix: "bench", streams };
  const mesh = new MeshBroker({
    ...{ inner, handler: handlers, clock, random, afterTurn, log, apps, streams },
    prefix: config.prefix,
    node: random.bytes(6).toHex(),
    meshId: "bench",
    connect: () => connectToNats(config, "bench"),
    linkChanged: (isUp) => (isUp ? up.resolve() : fail("the link to NATS went down")),
  });
  await up.promise;
  return mesh;
}

function publication(kind: Kind, number: number): Publication {
  const channel = channelName(kind, number % channels);
  return { app: DEFAULT_APP, channel, event: "message", data: numbered(number) };
}

/** Publishes so many a second, in one burst each millisecond; with 0 as fast as it is answered. */
async function publish(kind: Kind, messages: number, perSecond: number): Promise<void> {
  if (hub === undefined) throw new Error("not joined");
  const begun = performance.now();
  let [sent, answered] = [0, 0];
  let more = Promise.withResolvers<void>();
  const done = () => {
    answered++;
    more.resolve();
  };
  while (sent < messages) {
    const passed = performance.now() - begun;
    const due = perSecond === 0 ? messages : Math.min(messages, (passed * perSecond) / 1000);
    while (sent < due && sent - answered < MAX_UNANSWERED) {
      const answer = hub.publish(publication(kind, sent++));
      if (answer instanceof Promise) answer.then(done, fail);
      else done();
    }
    if (perSecond > 0) await Bun.sleep(1);
    else if (sent - answered >= MAX_UNANSWERED) {
      more = Promise.withResolvers();
      await more.promise;
    }
  }
  while (answered < messages) {
    more = Promise.withResolvers();
    await more.promise;
  }
}

async function carryOut(order: Order): Promise<void> {
  switch (order.type) {
    case "join":
      return join(order);
    case "count":
      sink.once = new Once(order.expected);
      return;
    case "wait":
      return sink.once.all;
    case "publish":
      return publish(order.kind, order.messages, order.perSecond);
    case "deliver":
      for (let number = 0; number < order.messages; number++) {
        handlers.delivered(publication("plain", number));
      }
  }
}

obey(carryOut);
