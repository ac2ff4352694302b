import type { Published } from "../load/protocol.ts";
import { cpuSince, cpuTime } from "../measure/proc.ts";
import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "./connecting.ts";
import type { Comparison, Mode, Sample, Trial } from "./mode.ts";

const DELIVERY_TIMEOUT_MS = 20_000;
const WARM_UP_TICKS = 20;

/** The work: what is published, how often and to how many. */
export interface TickOptions {
  readonly subscribers: number;
  readonly ticks: number;
  readonly tickMs: number;
  readonly perTick: number;
  readonly payloadBytes: number;
}

export interface FanoutOptions extends TickOptions {
  /** Highest CPU per delivery that is wanted, as a multiple of the floor's. */
  readonly overFloor: number;
  /** The same as a multiple of socket.io's. */
  readonly overSocketIo: number;
}

const metric = "cpuMicros";

/** Messages to many subscribers in one room: one each tick, or a batch. */
export function fanout(name: string, options: FanoutOptions): Mode {
  const comparisons: Comparison[] = [
    { metric, series: "starling", over: "raw-bun", atMost: options.overFloor },
    { metric, series: "starling", over: "socket.io", atMost: options.overSocketIo },
    { metric, series: "starling", over: "nchan", atMost: 1 },
    { metric, series: "starling", over: "nats", atMost: 1 },
    { metric, series: "raw-bun", over: "socket.io" },
  ];
  return {
    name,
    parameters: {
      subscribers: options.subscribers,
      ticks: options.ticks,
      "tick ms": options.tickMs,
      "messages per tick": options.perTick,
      "payload bytes": options.payloadBytes,
    },
    metrics: [
      { key: metric, title: "CPU µs/delivery", digits: 2 },
      { key: "systemMicros", title: "of it system", digits: 2 },
      { key: "deliveries", title: "deliveries", digits: 0 },
      { key: "bytes", title: "bytes/delivery", digits: 0 },
      { key: "tickMillis", title: "ms/tick", digits: 1 },
    ],
    comparisons,
    measure: async (trial) => [await measureFanout(trial, options)],
  };
}

/** Messages to subscribers over WebSockets. */
export async function measureFanout(trial: Trial, options: TickOptions): Promise<Sample> {
  const { peer, server, load } = trial;
  const channel = crypto.randomUUID();
  await load.connect({
    peer: peer.name,
    url: server.urls.subscriber.href,
    count: options.subscribers,
    user: channel,
    window: CONNECT_WINDOW,
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  return { series: peer.name, values: await measureTicks(trial, options, channel) };
}

/** The cost of a delivery to those who have joined `channel`; throws unless all came once. */
export async function measureTicks(
  { peer, server, load }: Trial,
  options: TickOptions,
  channel: string,
): Promise<Record<string, number>> {
  const publish = (ticks: number): Promise<Published> =>
    load.publish({
      peer: peer.name,
      url: server.urls.publisher.href,
      channel,
      ticks,
      tickMs: options.tickMs,
      perTick: options.perTick,
      payloadBytes: options.payloadBytes,
      timeoutMs: DELIVERY_TIMEOUT_MS,
    });
  complete(await publish(WARM_UP_TICKS), WARM_UP_TICKS, options);
  const before = cpuTime(server.pid);
  const published = await publish(options.ticks);
  const cpu = cpuSince(server.pid, before);
  complete(published, options.ticks, options);
  const { closed } = await load.count();
  if (closed > 0) throw new Error(`${closed} subscribers were disconnected`);
  return {
    cpuMicros: cpu.total / published.deliveries,
    systemMicros: cpu.system / published.deliveries,
    rootPercent: cpu.rootShare * 100,
    deliveries: published.deliveries,
    bytes: published.bytes / published.deliveries,
    tickMillis: (published.seconds * 1000) / options.ticks,
  };
}

/** Throws unless every message came once to every subscriber. */
export function complete(
  published: Pick<Published, "deliveries">,
  ticks: number,
  options: Pick<TickOptions, "perTick" | "subscribers">,
): void {
  const expected = ticks * options.perTick * options.subscribers;
  if (published.deliveries === expected) return;
  const difference = published.deliveries - expected;
  const word = difference < 0 ? "LOST" : "TOO MANY";
  throw new Error(
    `${Math.abs(difference)} DELIVERIES ${word}: ${published.deliveries} instead of ${expected}`,
  );
}
