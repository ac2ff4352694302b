import { memberId } from "../load/signals.ts";
import { cpuSince, cpuTime, residentKib } from "../measure/proc.ts";
import type { QuicPeer } from "../peers/quic-peer.ts";
import { NAMESPACE } from "../peers/starling-presence.ts";
import { VOLATILE } from "../peers/starling-quic.ts";
import { QuicLoad } from "../quic/load.ts";
import type { HeardStates } from "../quic/protocol.ts";
import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "./connecting.ts";
import type { Comparison, Mode, Sample, Trial } from "./mode.ts";

const WARM_UP_SECONDS = 2;
/** What the server may take to count the last of what it was sent. */
const COUNT_MS = 500;

/** States that a few sessions send at the same time, and who hears them: as much as one channel may be. */
const AT_ONCE = 5;
const TOGETHER = 200;

/** What a prototype of a few hundred lines cost on a machine of this kind, when this was planned. */
const PROTOTYPE = "24 µs/datagram, 110 KB/session, 1700 µs/open";

export interface WebTransportOptions {
  readonly sessions: number;
  /** States a second of one session, each of which goes to all others. */
  readonly rate: number;
  /** States a second of each session when nobody hears them. */
  readonly ownRate: number;
  readonly seconds: number;
  /** Pause before each reading of the memory. */
  readonly settleSeconds: number;
  /** Highest values that are wanted. */
  readonly atMost: {
    readonly microsOut: number;
    readonly kilobytes: number;
    readonly lostPerMillion: number;
  };
}

/** Sessions over WebTransport that send and hear datagrams. */
export function webTransport(options: WebTransportOptions): Mode<QuicPeer> {
  const { sessions, rate, ownRate, seconds, settleSeconds } = options;
  return {
    name: "webtransport",
    parameters: {
      sessions,
      rate,
      "own rate": ownRate,
      seconds,
      "settle s": settleSeconds,
      prototype: PROTOTYPE,
    },
    metrics: [
      { key: "micros", title: "CPU µs each", digits: 2 },
      { key: "systemMicros", title: "of it system", digits: 2 },
      { key: "rootPercent", title: "% supervisor", digits: 1 },
      { key: "kilobytes", title: "KB/session", digits: 1 },
      { key: "baseMb", title: "MB without", digits: 1 },
      { key: "perSecond", title: "each/s", digits: 0 },
      { key: "bytes", title: "bytes", digits: 0 },
      { key: "together", title: "states/datagram", digits: 1 },
      { key: "lostIn", title: "lost in ppm", digits: 0 },
      { key: "lost", title: "lost out ppm", digits: 0 },
      { key: "median", title: "p50 ms", digits: 0 },
      { key: "p99", title: "p99 ms", digits: 0 },
    ],
    comparisons: comparisons(options),
    measure: (trial) => measure(trial, options),
  };
}

const opening = (peer: string): string => `${peer}, session opened`;
const receiving = (peer: string): string => `${peer}, datagram received`;
const sending = (peer: string): string => `${peer}, datagram fanned out`;
const batching = (version: 1 | 2): string =>
  `starling, ${AT_ONCE} states at once, version ${version}`;

function comparisons({ atMost }: WebTransportOptions): Comparison[] {
  const [ours, bare] = ["starling", "bare"] as const;
  return [
    { metric: "micros", series: sending(ours), atMost: atMost.microsOut },
    { metric: "kilobytes", series: opening(ours), atMost: atMost.kilobytes },
    { metric: "lost", series: sending(ours), atMost: atMost.lostPerMillion },
    ...[sending, receiving, opening].map((series) => ({
      metric: "micros",
      series: series(ours),
      over: series(bare),
    })),
    { metric: "kilobytes", series: opening(ours), over: opening(bare) },
    { metric: "micros", series: batching(2), over: batching(1) },
  ];
}

type QuicTrial = Trial<QuicPeer>;

async function measure(trial: QuicTrial, options: WebTransportOptions): Promise<Sample[]> {
  const load = await QuicLoad.start();
  try {
    const alone = (index: number): string => `${NAMESPACE}:${memberId(index)}`;
    const opened = await open(trial, load, options, alone);
    const received = await receive(trial, load, options);
    await load.leave();
    await open(trial, load, { ...options, settleSeconds: 0 }, () => `${NAMESPACE}:states`);
    const sent = await fanOut(trial, load, options, { name: sending(trial.peer.name), atOnce: 1 });
    await load.leave();
    const batched = trial.peer.speaksSignals ? await batches(trial, load, options) : [];
    return withoutSupervisor(trial, [opened, received, sent, ...batched]);
  } finally {
    await load.end();
  }
}

/** The same states to clients that know one message in a datagram only, and to those that take several. */
async function batches(
  trial: QuicTrial,
  load: QuicLoad,
  options: WebTransportOptions,
): Promise<Sample[]> {
  const sessions = Math.min(TOGETHER, options.sessions);
  // As many deliveries as in the fan-out to all.
  const rate = (options.rate * options.sessions) / sessions;
  const few = { ...options, sessions, rate, settleSeconds: 0 };
  const samples: Sample[] = [];
  for (const version of [1, 2] as const) {
    await open(trial, load, few, () => `${VOLATILE}:states`, version);
    const name = batching(version);
    samples.push(await fanOut(trial, load, few, { name, atOnce: AT_ONCE }));
    await load.leave();
  }
  return samples;
}

async function open(
  { peer, server }: QuicTrial,
  load: QuicLoad,
  { sessions, settleSeconds }: WebTransportOptions,
  channelOf: (index: number) => string,
  version: 1 | 2 = 1,
): Promise<Sample> {
  const { certificateHash: hash } = server;
  if (hash === undefined) throw new Error(`${peer.name} names no certificate`);
  const channels = Array.from({ length: sessions }, (_, index) => channelOf(index));
  await Bun.sleep(settleSeconds * 1000);
  const without = residentKib(server.pid);
  const before = cpuTime(server.pid);
  const { seconds } = await load.open({
    url: server.urls.subscriber.origin,
    hash,
    paths: channels.map(
      (channel, index) => peer.memberPath(channel, memberId(index)) + (version === 2 ? "&v=2" : ""),
    ),
    version,
    channels,
    speaksSignals: peer.speaksSignals,
    window: CONNECT_WINDOW,
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  const cpu = cpuSince(server.pid, before);
  await Bun.sleep(settleSeconds * 1000);
  return {
    series: opening(peer.name),
    values: {
      ...each(cpu, sessions),
      kilobytes: ((residentKib(server.pid) - without) * 1.024) / sessions,
      baseMb: (without * 1.024) / 1000,
      perSecond: sessions / seconds,
    },
  };
}

async function receive(
  { peer, server }: QuicTrial,
  load: QuicLoad,
  { ownRate: rate, seconds }: WebTransportOptions,
): Promise<Sample> {
  const { publisher } = server.urls;
  await load.send({ rate, seconds: WARM_UP_SECONDS });
  await Bun.sleep(COUNT_MS);
  const countBefore = await peer.datagramsReceived(publisher);
  const before = cpuTime(server.pid);
  const { sent, closed } = await load.send({ rate, seconds });
  await Bun.sleep(COUNT_MS);
  const cpu = cpuSince(server.pid, before);
  const received = (await peer.datagramsReceived(publisher)) - countBefore;
  const name = receiving(peer.name);
  if (closed > 0) throw new Error(`${name}: ${closed} DISCONNECTED`);
  return {
    series: name,
    values: { ...each(cpu, received), perSecond: sent / seconds, lostIn: lost(sent, received) },
  };
}

async function fanOut(
  { server }: QuicTrial,
  load: QuicLoad,
  { sessions, rate, seconds }: WebTransportOptions,
  { name, atOnce }: { readonly name: string; readonly atOnce: number },
): Promise<Sample> {
  await load.fanOut({ rate, atOnce, seconds: WARM_UP_SECONDS });
  const before = cpuTime(server.pid);
  const heard = await load.fanOut({ rate, atOnce, seconds });
  const cpu = cpuSince(server.pid, before);
  const expected = (heard.sent - heard.unheard) * (sessions - 1);
  unharmed(name, heard, expected);
  return {
    series: name,
    values: {
      ...each(cpu, heard.deliveries),
      perSecond: heard.deliveries / heard.seconds,
      bytes: heard.bytes / heard.deliveries,
      together: heard.deliveries / heard.datagrams,
      lostIn: lost(heard.sent, heard.sent - heard.unheard),
      lost: lost(expected, heard.deliveries),
      median: heard.delay.median,
      p99: heard.delay.p99,
    },
  };
}

/** Throws when more went wrong than datagrams may: they may be lost, and that is shown. */
export function unharmed(
  name: string,
  { wrong, closed, deliveries }: Pick<HeardStates, "wrong" | "closed" | "deliveries">,
  expected: number,
): void {
  if (wrong > 0) throw new Error(`${name}: ${wrong} WRONG`);
  if (closed > 0) throw new Error(`${name}: ${closed} DISCONNECTED`);
  if (deliveries > expected) throw new Error(`${name}: ${deliveries - expected} TOO MANY`);
}

/** Parts of a million. */
export function lost(sent: number, arrived: number): number {
  return ((sent - arrived) / sent) * 1e6;
}

function each(
  cpu: { readonly total: number; readonly system: number; readonly rootShare: number },
  count: number,
): Record<string, number> {
  return {
    micros: cpu.total / count,
    systemMicros: cpu.system / count,
    rootPercent: cpu.rootShare * 100,
  };
}

/** Where one process is everything, its part says nothing. */
function withoutSupervisor({ peer }: QuicTrial, samples: readonly Sample[]): Sample[] {
  if (peer.name !== "bare") return [...samples];
  return samples.map(({ series, values: { rootPercent: _all, ...values } }) => ({
    series,
    values,
  }));
}
