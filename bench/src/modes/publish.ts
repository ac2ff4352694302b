import { payload } from "../load/payload.ts";
import { cpuSince, cpuTime } from "../measure/proc.ts";
import { runWrk } from "../measure/wrk.ts";
import type { HttpPeer, PublishEndpoint } from "../peers/peer.ts";
import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "./connecting.ts";
import type { Comparison, Mode, Sample, Trial } from "./mode.ts";

/** Shorter ones measured a runtime that still compiled: up to 40 % more CPU on the fast peers. */
const WARM_UP_SECONDS = 5;
const DRAIN_TIMEOUT_MS = 20_000;
const DRAIN_POLL_MS = 250;

/** The work: what is published, and for how long. */
export interface RequestOptions {
  /** Keep-alive connections of the load generator. */
  readonly connections: number;
  readonly seconds: number;
  readonly payloadBytes: number;
}

export interface PublishOptions extends RequestOptions {
  /** Highest CPU per request that is wanted, as a multiple of Express's. */
  readonly overExpress: number;
}

const metric = "cpuMicros";
export const nobody = "0 subscribers";
export const somebody = "1 subscriber";

/** HTTPS publish requests as fast as the server answers them, with and without a subscriber. */
export function publish(options: PublishOptions): Mode<HttpPeer> {
  return {
    name: "publish",
    parameters: {
      connections: options.connections,
      seconds: options.seconds,
      "payload bytes": options.payloadBytes,
    },
    metrics: [
      { key: metric, title: "CPU µs/request", digits: 2 },
      { key: "requests", title: "requests/s", digits: 0 },
      { key: "core", title: "% of a core", digits: 0 },
      { key: "p99", title: "p99 µs", digits: 0 },
    ],
    comparisons: comparisons(options.overExpress),
    measure: async (trial) => [
      ...(await measurePublish(trial, options, nobody)),
      ...(await measurePublish(trial, options, somebody)),
    ],
  };
}

export function series(peer: string, endpoint: string, audience: string): string {
  return `${peer} ${endpoint}, ${audience}`;
}

function comparisons(atMost: number): Comparison[] {
  return [nobody, somebody].flatMap((audience) => {
    const over = series("socket.io", "POST /publish", audience);
    const floor = series("raw-bun", audience === nobody ? "POST /ok" : "POST /publish", audience);
    return ["POST /api/publish", "POST /publish"].flatMap((endpoint) => {
      const ours = series("starling", endpoint, audience);
      return [
        { metric, series: ours, over, atMost },
        { metric, series: ours, over: floor },
      ];
    });
  });
}

/** Every endpoint of a peer, with or without a subscriber; throws when a delivery is missing. */
export async function measurePublish(
  trial: Trial<HttpPeer>,
  options: RequestOptions,
  audience: string,
): Promise<Sample[]> {
  const channel = crypto.randomUUID();
  if (audience === somebody) {
    await trial.load.connect({
      peer: trial.peer.name,
      url: trial.server.urls.subscriber.href,
      count: 1,
      user: channel,
      window: CONNECT_WINDOW,
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
  }
  const samples: Sample[] = [];
  for (const endpoint of trial.peer.endpoints) {
    if (audience === somebody && !endpoint.delivers) continue;
    samples.push({
      series: series(trial.peer.name, endpoint.name, audience),
      values: await measureOne(trial, options, endpoint, channel, audience === somebody),
    });
  }
  return samples;
}

async function measureOne(
  { server, load }: Trial<HttpPeer>,
  options: RequestOptions,
  endpoint: PublishEndpoint,
  channel: string,
  counted: boolean,
): Promise<Record<string, number>> {
  const request = endpoint.request(channel, payload(0, options.payloadBytes));
  const { connections, seconds } = options;
  const deliveriesBefore = (await load.count()).deliveries;
  const warmUp = await runWrk(server.urls.publisher, request, {
    connections,
    seconds: WARM_UP_SECONDS,
  });
  const before = cpuTime(server.pid);
  const result = await runWrk(server.urls.publisher, request, { connections, seconds });
  const cpu = cpuSince(server.pid, before);
  if (result.failures > 0) throw new Error(`${endpoint.name}: ${result.failures} requests FAILED`);
  if (counted) {
    // A run ends with up to one request in flight on each connection: served, but not counted.
    const least = warmUp.requests + result.requests;
    await received(load, deliveriesBefore, least, least + 2 * connections, endpoint.name);
  }
  return {
    cpuMicros: cpu.total / result.requests,
    rootPercent: cpu.rootShare * 100,
    requests: result.requests / (result.microseconds / 1e6),
    core: (cpu.total / result.microseconds) * 100,
    p99: result.p99,
  };
}

/** Waits until as many deliveries have come as requests were answered; throws when they have not. */
async function received(
  load: Trial["load"],
  before: number,
  least: number,
  most: number,
  name: string,
): Promise<void> {
  const deadline = performance.now() + DRAIN_TIMEOUT_MS;
  for (;;) {
    await Bun.sleep(DRAIN_POLL_MS);
    const count = await load.count();
    const deliveries = count.deliveries - before;
    const detail = `${deliveries} deliveries of ${least} to ${most}, ${count.closed} disconnected`;
    if (deliveries > most) throw new Error(`${name}: TOO MANY: ${detail}`);
    if (deliveries >= least) return;
    if (count.closed > 0 || performance.now() > deadline)
      throw new Error(`${name}: LOST: ${detail}`);
  }
}
