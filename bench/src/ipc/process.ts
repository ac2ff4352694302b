import type { Published } from "@starling/core/broker/broker.ts";
import { bytesHolding } from "@starling/core/broker/holdings.ts";
import { IpcBroker } from "@starling/core/broker/ipc/client.ts";
import { IpcServer } from "@starling/core/broker/ipc/server.ts";
import { Node } from "@starling/core/broker/node.ts";
import type { AppConfig } from "@starling/core/hub/namespace.ts";
import type { Log } from "@starling/core/ports.ts";
import { listenOnSocket, openSocket } from "@starling/gateway/runtime/ipc-stream.ts";
import { afterTurn, systemClock, systemRandom } from "@starling/gateway/runtime/system.ts";
import { fail, obey } from "../party.ts";
import { CHANNEL, DATA, type Order } from "./orders.ts";

/** Of so many messages of a flood one is answered, and so many answers may be missing. */
const ANSWERED_EACH = 500;
const MAX_UNANSWERED = 20;

const log: Log = { debug() {}, info() {}, warn: console.error, error: console.error };
const apps = new Map<string, AppConfig>([["default", { namespaces: new Map() }]]);
const off = { ratePerSecond: 0 };
const rates = { user: off, address: off, api: off };

let broker: IpcBroker | undefined;
let received = 0;
let expected = 0;
let allReceived: (() => void) | undefined;

async function serve(socket: string): Promise<void> {
  const clock = systemClock;
  const node = new Node<Uint8Array>(
    { clock, random: systemRandom, apps, rates, idempotencyWindowMs: 0 },
    bytesHolding,
  );
  const server = new IpcServer({
    node,
    clock,
    random: systemRandom,
    afterTurn,
    log,
    answer: () => null,
  });
  await listenOnSocket(socket, server.accept);
}

async function join(socket: string, worker: number): Promise<void> {
  broker = await IpcBroker.connect({
    open: openSocket(socket),
    worker,
    handler: {
      delivered() {
        received++;
        if (received === expected) allReceived?.();
      },
      presence() {},
      missed: () => fail("something was missed"),
      answer: () => null,
    },
    clock: systemClock,
    random: systemRandom,
    afterTurn,
    log,
    apps,
    rates,
  });
  await broker.interest("default", CHANNEL, 1);
}

async function wait(count: number): Promise<void> {
  expected = count;
  if (received >= expected) return;
  await new Promise<void>((resolve) => {
    allReceived = resolve;
  });
}

function delivery(id: number) {
  const publication = { id, app: "default", channel: CHANNEL, event: "message", data: DATA };
  return { app: "default", channels: [CHANNEL], streams: [], publication, reached: 1 };
}

/** As fast as everything arrives: the queue towards a worker that lags is no part of the link. */
async function flood(messages: number): Promise<void> {
  if (broker === undefined) return;
  const answers: Promise<Published>[] = [];
  for (let sent = 1; sent <= messages; sent++) {
    if (sent % ANSWERED_EACH > 0) {
      broker.publishUnanswered(delivery(broker.nextId()));
      continue;
    }
    answers.push(broker.publish(delivery(broker.nextId())));
    if (answers.length > MAX_UNANSWERED) await answers.shift();
  }
}

/** So many a second, in one burst each millisecond, every one of them answered. */
async function paced(messages: number, perSecond: number): Promise<void> {
  if (broker === undefined) return;
  const begun = performance.now();
  const answers: Promise<Published>[] = [];
  for (let sent = 0; sent < messages; ) {
    const due = Math.min(messages, ((performance.now() - begun) * perSecond) / 1000);
    for (; sent < due; sent++) {
      const answer = broker.publish(delivery(broker.nextId()));
      if (sent % 100 === 0) answers.push(answer);
    }
    await Bun.sleep(1);
  }
  const reached = new Set((await Promise.all(answers)).map(({ subscribers }) => subscribers));
  if (reached.size !== 1 || !reached.has(2)) fail(`answers were ${[...reached]}, not 2`);
}

async function carryOut(order: Order): Promise<void> {
  switch (order.type) {
    case "serve":
      return serve(order.socket);
    case "join":
      return join(order.socket, order.worker);
    case "count":
      received = 0;
      return;
    case "wait":
      return wait(order.expected);
    case "publish":
      if (order.perSecond === 0) return flood(order.messages);
      return paced(order.messages, order.perSecond);
  }
}

obey(carryOut);
