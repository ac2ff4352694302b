import { cpuSince, cpuTime, residentKib } from "../measure/proc.ts";
import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "./connecting.ts";
import type { Mode, Trial } from "./mode.ts";

export interface IdleOptions {
  readonly connections: number;
  /** Pause before each reading of the memory. */
  readonly settleSeconds: number;
  /** Time over which the CPU of idle connections is measured; longer than one ping interval. */
  readonly idleSeconds: number;
  /** Highest KiB for each connection that is wanted. */
  readonly atMostKib: number;
}

/** Memory and CPU of connections that only answer heartbeats, each with an id of its own. */
export function idle(options: IdleOptions): Mode {
  return {
    name: "idle",
    parameters: {
      connections: options.connections,
      "settle s": options.settleSeconds,
      "idle s": options.idleSeconds,
    },
    metrics: [
      { key: "kib", title: "KiB/connection", digits: 2 },
      { key: "laterKib", title: "KiB at the end", digits: 2 },
      { key: "baseMib", title: "MiB without", digits: 1 },
      { key: "core", title: "% of a core", digits: 2 },
      { key: "connectMicros", title: "CPU µs/connect", digits: 0 },
    ],
    comparisons: [
      { metric: "kib", series: "starling", atMost: options.atMostKib },
      { metric: "kib", series: "starling", over: "raw-bun" },
      { metric: "kib", series: "starling", over: "socket.io" },
      { metric: "kib", series: "starling", over: "nchan", atMost: 1 },
      { metric: "kib", series: "starling", over: "nats", atMost: 1 },
      { metric: "kib", series: "socket.io" },
    ],
    measure: (trial) => measure(trial, options),
  };
}

async function measure({ peer, server, load }: Trial, options: IdleOptions) {
  await Bun.sleep(options.settleSeconds * 1000);
  const without = residentKib(server.pid);
  const beforeConnect = cpuTime(server.pid);
  await load.connect({
    peer: peer.name,
    url: server.urls.subscriber.href,
    count: options.connections,
    window: CONNECT_WINDOW,
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  const connecting = cpuSince(server.pid, beforeConnect).total;
  await Bun.sleep(options.settleSeconds * 1000);
  const settled = residentKib(server.pid);
  const before = cpuTime(server.pid);
  const began = performance.now();
  await Bun.sleep(options.idleSeconds * 1000);
  const passedMicros = (performance.now() - began) * 1000;
  const idling = cpuSince(server.pid, before).total;
  const later = residentKib(server.pid);
  const { open } = await load.count();
  if (open !== options.connections) {
    throw new Error(`${options.connections - open} idle connections were LOST`);
  }
  return [
    {
      series: peer.name,
      values: {
        kib: (settled - without) / options.connections,
        laterKib: (later - without) / options.connections,
        baseMib: without / 1024,
        core: (idling / passedMicros) * 100,
        connectMicros: connecting / options.connections,
      },
    },
  ];
}
