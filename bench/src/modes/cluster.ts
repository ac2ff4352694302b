import type { PollCommand } from "../load/protocol.ts";
import { place } from "../measure/placement.ts";
import type { ClusterPeer } from "../peers/starling-cluster.ts";
import { CONNECT_WINDOW } from "./connecting.ts";
import { measureFanout, measureTicks, type TickOptions } from "./fanout.ts";
import { ipcComparisons, ipcSamples } from "./ipc.ts";
import type { Comparison, Mode, Sample, Trial } from "./mode.ts";
import { measurePublish, nobody, type RequestOptions, series, somebody } from "./publish.ts";

/** What the server may take to see that connections were closed. */
const LEAVE_MS = 1_000;

export const PARTS = ["fanout", "publish", "polling", "ipc"] as const;
export type Part = (typeof PARTS)[number];

export interface ClusterOptions extends TickOptions, RequestOptions {
  readonly parts: readonly Part[];
  /** Long-polling sessions of the part `polling`; a multiple of the workers. */
  readonly sessions: number;
  /** Highest CPU of two workers for the same deliveries that is wanted, as a multiple of one's. */
  readonly overOneWorker: number;
}

const metric = "cpuMicros";

/** The same work with one process, with one worker and its supervisor, and with two workers. */
export function cluster(options: ClusterOptions): Mode<ClusterPeer> {
  return {
    name: "cluster",
    parameters: {
      parts: options.parts.join("+"),
      subscribers: options.subscribers,
      sessions: options.sessions,
      ticks: options.ticks,
      "tick ms": options.tickMs,
      "payload bytes": options.payloadBytes,
      connections: options.connections,
      seconds: options.seconds,
    },
    metrics: [
      { key: metric, title: "CPU µs each", digits: 2 },
      { key: "systemMicros", title: "of it system", digits: 2 },
      { key: "rootPercent", title: "% supervisor", digits: 1 },
      { key: "requests", title: "requests/s", digits: 0 },
      { key: "tickMillis", title: "ms/tick", digits: 1 },
    ],
    comparisons: comparisons(options.overOneWorker),
    measure: async (trial) => {
      const samples: Sample[] = [];
      for (const part of options.parts) {
        if (part === "ipc") continue;
        samples.push(...(await measurers[part](trial, options)));
        // Else the next part would pay for the heartbeats of these connections.
        await trial.load.leave();
        await Bun.sleep(LEAVE_MS);
      }
      return samples.map((sample) => withoutSupervisor(trial.peer, sample));
    },
    ...(options.parts.includes("ipc") ? { measureAlone: ipcSamples } : {}),
  };
}

function comparisons(overOneWorker: number): Comparison[] {
  const against = (one: (peer: string) => string, atMost?: number): Comparison[] => [
    {
      metric,
      series: one("2-workers"),
      over: one("1-worker"),
      ...(atMost === undefined ? {} : { atMost }),
    },
    { metric, series: one("1-worker"), over: one("one-process") },
  ];
  const request = (audience: string) => (peer: string) =>
    series(peer, "POST /api/publish", audience);
  return [
    ...against(onOneCore, overOneWorker),
    ...against(onAllCores),
    ...against(request(nobody)),
    ...against(request(somebody)),
    ...against((peer) => polls(peer, "own")),
    { metric, series: polls("2-workers", "other"), over: polls("2-workers", "own") },
    ...ipcComparisons,
  ];
}

type Measurer = (trial: Trial<ClusterPeer>, options: ClusterOptions) => Promise<readonly Sample[]>;

const measurers: Readonly<Record<Exclude<Part, "ipc">, Measurer>> = {
  fanout: async (trial, options) => {
    const { peer, server, load } = trial;
    const free = await measureFanout(trial, options);
    await load.leave();
    place(server.pid, load.pid, "apart");
    const apart = await measureFanout(trial, options);
    place(server.pid, load.pid, "anywhere");
    return [
      { series: onAllCores(peer.name), values: free.values },
      { series: onOneCore(peer.name), values: apart.values },
    ];
  },
  publish: async (trial, options) => [
    ...(await measurePublish(trial, options, nobody)),
    ...(await measurePublish(trial, options, somebody)),
  ],
  polling: async (trial, options) => {
    const own = await measurePolling(trial, options, "own");
    if (trial.peer.workers < 2) return [own];
    await trial.load.leave();
    return [own, await measurePolling(trial, options, "other")];
  },
};

function onOneCore(peer: string): string {
  return `${peer} fan-out, on one core`;
}

function onAllCores(peer: string): string {
  return `${peer} fan-out, on all cores`;
}

function polls(peer: string, place: PollCommand["place"]): string {
  return `${peer} poll, ${place} worker`;
}

/** One message each tick, which every session gets by a poll of its own. */
async function measurePolling(
  trial: Trial<ClusterPeer>,
  options: ClusterOptions,
  place: PollCommand["place"],
): Promise<Sample> {
  const { peer, server, load } = trial;
  const channel = crypto.randomUUID();
  await load.poll({
    url: server.urls.subscriber.href,
    count: options.sessions,
    user: channel,
    workers: peer.workers,
    place,
    window: CONNECT_WINDOW,
  });
  const work = { ...options, subscribers: options.sessions };
  return { series: polls(peer.name, place), values: await measureTicks(trial, work, channel) };
}

/** Where one process is everything, its part says nothing. */
function withoutSupervisor(peer: ClusterPeer, sample: Sample): Sample {
  if (peer.workers > 0) return sample;
  const { rootPercent: _all, ...values } = sample.values;
  return { ...sample, values };
}

/** Reads a list such as `fanout,ipc`; answers undefined when it is none. */
export function parseParts(text: string): Part[] | undefined {
  const found = text.split(",").map((name) => PARTS.find((part) => part === name));
  const known = found.filter((part) => part !== undefined);
  return known.length === found.length ? known : undefined;
}
