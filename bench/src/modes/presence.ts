import type { Entered, Moved } from "../load/protocol.ts";
import { cpuSince, cpuTime } from "../measure/proc.ts";
import type { PresencePeer } from "../peers/peer.ts";
import { NAMESPACE } from "../peers/starling-presence.ts";
import { CONNECT_TIMEOUT_MS, CONNECT_WINDOW } from "./connecting.ts";
import type { Comparison, Mode, Sample, Trial } from "./mode.ts";

const WARM_UP_SECONDS = 2;

/** Who sends how often. */
export interface Pace {
  readonly active: number;
  readonly rate: number;
  readonly atOnce: boolean;
}

export interface PresenceOptions {
  readonly members: number;
  readonly paces: readonly Pace[];
  readonly seconds: number;
  /** Members that join at a time and say so; 0 leaves it out. */
  readonly joins: number;
  /** The same with everybody answering every newcomer. */
  readonly answeredJoins: number;
  /** Whether losses and cut connections are reported instead of failing the run. */
  readonly overload: boolean;
}

type PresenceTrial = Trial<PresencePeer>;

/** Members of one channel that send states, and a storm of joins. */
export function presence(options: PresenceOptions): Mode<PresencePeer> {
  const { members, paces, seconds, joins, answeredJoins } = options;
  return {
    name: "presence",
    parameters: {
      members,
      paces: paces.map(paceText).join(","),
      seconds,
      joins,
      "answered joins": answeredJoins,
      overload: String(options.overload),
    },
    metrics: [
      { key: "deliveryMicros", title: "CPU µs/delivery", digits: 2 },
      { key: "systemMicros", title: "of it system", digits: 2 },
      { key: "signalMicros", title: "CPU µs/sent", digits: 0 },
      { key: "sent", title: "sent", digits: 0 },
      { key: "perSent", title: "deliveries/sent", digits: 1 },
      { key: "bytes", title: "bytes/delivery", digits: 0 },
      { key: "perSecond", title: "deliveries/s", digits: 0 },
      { key: "core", title: "% of a core", digits: 0 },
      { key: "joinedSeconds", title: "joined after s", digits: 2 },
      { key: "seconds", title: "quiet after s", digits: 2 },
      { key: "median", title: "p50 ms", digits: 0 },
      { key: "p99", title: "p99 ms", digits: 0 },
      ...(options.overload
        ? [
            { key: "unsent", title: "not sent", digits: 0 },
            { key: "reached", title: "% delivered", digits: 1 },
            { key: "cut", title: "cut", digits: 0 },
          ]
        : []),
    ],
    comparisons: workloads(options).flatMap(comparisons),
    measure: (trial) => measure(trial, options),
  };
}

/** `5x10`: five members send ten states a second each; with a `+` at the same moments. */
export function paceText({ active, rate, atOnce }: Pace): string {
  return `${active}x${rate}${atOnce ? "+" : ""}`;
}

/** Reads comma-separated paces; undefined when they are none. */
export function parsePaces(text: string): Pace[] | undefined {
  const found = text.split(",").map((one) => /^([1-9]\d{0,4})x([1-9]\d{0,3})(\+?)$/.exec(one));
  const paces = found.flatMap((match) =>
    match === null
      ? []
      : [{ active: Number(match[1]), rate: Number(match[2]), atOnce: match[3] === "+" }],
  );
  return paces.length === found.length ? paces : undefined;
}

function workloads({ paces, joins, answeredJoins }: PresenceOptions): string[] {
  return [
    ...paces.map((pace) => `states ${paceText(pace)}`),
    ...(joins > 0 ? [joinsTitle(joins)] : []),
    ...(answeredJoins > 0 ? [answeredTitle(answeredJoins)] : []),
  ];
}

const joinsTitle = (count: number): string => `${count} joins`;
const answeredTitle = (count: number): string => `${count} joins, answered`;
const series = (peer: string, workload: string): string => `${peer}, ${workload}`;

function comparisons(workload: string): Comparison[] {
  const [ours, conflating, floor] = ["starling", "starling-conflating", "raw-bun"].map((peer) =>
    series(peer, workload),
  );
  if (ours === undefined || conflating === undefined || floor === undefined) return [];
  return [
    { metric: "deliveryMicros", series: ours, over: floor },
    { metric: "signalMicros", series: ours, over: floor },
    { metric: "signalMicros", series: conflating, over: ours },
    { metric: "perSent", series: conflating, over: ours },
  ];
}

async function measure(trial: PresenceTrial, options: PresenceOptions): Promise<Sample[]> {
  const samples: Sample[] = [];
  if (options.paces.length > 0) {
    const channel = `${NAMESPACE}:states`;
    await enter(trial, channel, options.members, "none");
    for (const pace of options.paces) samples.push(await states(trial, options, channel, pace));
  }
  const { joins, answeredJoins } = options;
  if (joins > 0) samples.push(await storm(trial, options, joins, "announced"));
  if (answeredJoins > 0) samples.push(await storm(trial, options, answeredJoins, "answered"));
  return samples;
}

function enter(
  { peer, server, load }: PresenceTrial,
  channel: string,
  count: number,
  dance: "none" | "announced" | "answered",
): Promise<Entered> {
  return load.enter({
    peer: peer.name,
    url: server.urls.subscriber.href,
    channel,
    count,
    window: CONNECT_WINDOW,
    timeoutMs: CONNECT_TIMEOUT_MS,
    dance,
  });
}

async function states(
  { peer, server, load }: PresenceTrial,
  options: PresenceOptions,
  channel: string,
  pace: Pace,
): Promise<Sample> {
  const name = series(peer.name, `states ${paceText(pace)}`);
  if (!options.overload) await load.move({ channel, ...pace, seconds: WARM_UP_SECONDS });
  const before = cpuTime(server.pid);
  const moved = await load.move({ channel, ...pace, seconds: options.seconds });
  const cpu = cpuSince(server.pid, before);
  const expected = moved.sent * (options.members - 1);
  if (!options.overload) unharmed(name, moved, peer.conflates ? undefined : expected);
  return {
    series: name,
    values: {
      ...perDelivery(cpu, moved, moved.sent),
      p99: moved.delay.p99,
      median: moved.delay.median,
      unsent: moved.unsent,
      reached: (moved.deliveries / expected) * 100,
      cut: moved.closed,
    },
  };
}

/** Throws unless all was delivered; `expected` is absent where a state may be left out. */
export function unharmed(name: string, moved: Moved, expected: number | undefined): void {
  const faults = {
    LOST: expected === undefined ? 0 : expected - moved.deliveries,
    OUTDATED: moved.outdated,
    WRONG: moved.wrong,
    "NOT SENT": moved.unsent,
    DISCONNECTED: moved.closed,
  };
  refuse(name, faults);
}

async function storm(
  trial: PresenceTrial,
  options: PresenceOptions,
  count: number,
  dance: "announced" | "answered",
): Promise<Sample> {
  const { peer, server } = trial;
  const title = dance === "answered" ? answeredTitle(count) : joinsTitle(count);
  const name = series(peer.name, title);
  const before = cpuTime(server.pid);
  const entered = await enter(trial, `${NAMESPACE}:${dance}`, count, dance);
  const cpu = cpuSince(server.pid, before);
  if (!options.overload) {
    const { strangers, wrong, closed } = entered;
    refuse(name, { "STRANGERS TO ONE ANOTHER": strangers, WRONG: wrong, DISCONNECTED: closed });
  }
  return {
    series: name,
    values: {
      ...perDelivery(cpu, entered, count),
      joinedSeconds: entered.joinedSeconds,
      cut: entered.closed,
    },
  };
}

function perDelivery(
  cpu: { readonly total: number; readonly system: number },
  heard: Pick<Entered, "deliveries" | "bytes" | "seconds">,
  sent: number,
): Record<string, number> {
  const { deliveries, bytes, seconds } = heard;
  return {
    deliveryMicros: cpu.total / deliveries,
    systemMicros: cpu.system / deliveries,
    signalMicros: cpu.total / sent,
    sent,
    perSent: deliveries / sent,
    bytes: bytes / deliveries,
    perSecond: deliveries / seconds,
    core: cpu.total / (seconds * 1e4),
    seconds,
  };
}

function refuse(name: string, faults: Readonly<Record<string, number>>): void {
  const found = Object.entries(faults).filter(([, count]) => count !== 0);
  if (found.length === 0) return;
  throw new Error(`${name}: ${found.map(([word, count]) => `${count} ${word}`).join(", ")}`);
}
