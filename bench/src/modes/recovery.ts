import { cpuSince, cpuTime } from "../measure/proc.ts";
import type { HistoryPeer } from "../peers/starling-history.ts";
import { QuicLoad } from "../quic/load.ts";
import { comeBack, type Transport } from "../storm/comeback.ts";
import type { TickOptions } from "./fanout.ts";
import { historyFanout } from "./history-fanout.ts";
import type { Comparison, Mode, Sample, Trial } from "./mode.ts";

/** Messages of each channel that are published while its clients come back. */
const LIVE = 5;
/** What the server may take to clear up after many clients have gone. */
const SETTLE_MS = 2_000;

export interface RecoveryOptions extends TickOptions {
  /** Clients that come back at once. */
  readonly clients: number;
  /** Messages that each of them has missed. */
  readonly missed: number;
  readonly channels: number;
  /** Each has a storm of its own, and then all have one together. */
  readonly transports: readonly Transport[];
  /** Connections in the making at the same time. */
  readonly window: number;
  readonly atMost: {
    /** Cost of a delivery with history, as a multiple of one without. */
    readonly overNone: number;
  };
}

const EVERY = "all at once";
const series = (which: string): string => `storm, ${which}`;

/** What history costs a fan-out, and storms of clients that come back and have missed something. */
export function recovery(options: RecoveryOptions): Mode<HistoryPeer> {
  const { clients, missed, channels, window, subscribers, ticks, payloadBytes } = options;
  const comparisons = ["kept", "with"].map((series): Comparison => {
    return { metric: "overNone", series, atMost: options.atMost.overNone };
  });
  return {
    name: "recovery",
    parameters: {
      subscribers,
      ticks,
      "payload bytes": payloadBytes,
      clients,
      missed,
      channels,
      window,
    },
    metrics: [
      { key: "cpuMicros", title: "CPU µs/delivery", digits: 2 },
      { key: "overNone", title: "times without history", digits: 3 },
      { key: "lower", title: "lower quartile", digits: 3 },
      { key: "upper", title: "upper quartile", digits: 3 },
      { key: "bytes", title: "bytes/delivery", digits: 0 },
      { key: "recoveredMicros", title: "CPU µs/recovered", digits: 2 },
      { key: "connectMicros", title: "CPU µs/connect", digits: 0 },
      { key: "seconds", title: "seconds", digits: 1 },
      { key: "recovered", title: "recovered", digits: 0 },
      { key: "refused", title: "refused", digits: 0 },
      { key: "lost", title: "lost", digits: 0 },
      { key: "doubled", title: "doubled", digits: 0 },
    ],
    comparisons,
    measure: (trial) => measure(trial, options),
  };
}

async function measure(trial: Trial<HistoryPeer>, options: RecoveryOptions): Promise<Sample[]> {
  const samples = await historyFanout(trial, options);
  if (options.transports.length === 0) return samples;
  const quic = await QuicLoad.start();
  try {
    for (const name of options.transports) {
      samples.push(await storm(trial, quic, options, name, [name]));
    }
    if (options.transports.length > 1) {
      samples.push(await storm(trial, quic, options, EVERY, options.transports));
    }
    return samples;
  } finally {
    await quic.end();
  }
}

/** Clients that come back at once, each to one of the channels; what connecting costs is left out. */
async function storm(
  { peer, server }: Trial<HistoryPeer>,
  quic: QuicLoad,
  { clients, missed, channels, window, payloadBytes }: RecoveryOptions,
  which: string,
  transports: readonly Transport[],
): Promise<Sample> {
  const run = crypto.randomUUID().slice(0, 8);
  const rooms = Array.from({ length: channels }, (_, index) => `r${run}-${index}`);
  const publisher = await peer.publisher(server.urls.publisher);
  const padding = "x".repeat(Math.max(0, payloadBytes - 20));
  const publish = async (from: number, count: number): Promise<void> => {
    const data = Array.from({ length: count }, (_, index) =>
      JSON.stringify({ n: from + index, x: padding }),
    );
    for (const room of rooms) await publisher.publish(room, data);
  };
  const places = Array.from({ length: clients }, (_, index) => rooms[index % rooms.length] ?? "");
  const allBack = async (
    since: string | undefined,
    expected: number,
    live: () => Promise<void>,
  ) => {
    const before = cpuTime(server.pid);
    const startedAt = performance.now();
    const coming = comeBack({
      ...{ server, quic, channels: places, transports, since, expected, window },
    });
    await live();
    const outcome = await coming;
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = cpuSince(server.pid, before);
    await outcome.leave();
    await Bun.sleep(SETTLE_MS);
    return { ...outcome, cpu: cpu.total, seconds };
  };

  const since = await positionOf(server.urls.publisher, rooms[0] ?? "");
  // Empty channels first: what is left is what it costs to connect.
  const empty = await allBack(undefined, 0, () => Promise.resolve());
  await publish(1, missed);
  const full = await allBack(since, missed + LIVE, () => publish(missed + 1, LIVE));
  const recovered = clients * missed;
  const values = {
    recoveredMicros: (full.cpu - empty.cpu) / recovered,
    connectMicros: empty.cpu / clients,
    seconds: full.seconds,
    recovered,
    refused: empty.refusals.length + full.refusals.length,
    lost: full.lost,
    doubled: full.doubled,
  };
  unharmed(series(which), values, [
    ...[...empty.refusals, ...full.refusals].slice(0, 1),
    await countsOf(server.urls.publisher),
  ]);
  return { series: series(which), values };
}

/** Throws where a client was refused, or a message was lost or came twice. */
export function unharmed(
  name: string,
  { refused, lost, doubled }: Readonly<Record<"refused" | "lost" | "doubled", number>>,
  details: readonly string[],
): void {
  if (refused + lost + doubled === 0) return;
  const counts = `${refused} REFUSED, ${lost} LOST, ${doubled} DOUBLED`;
  throw new Error([`${name}: ${counts}`, ...details].join("; "));
}

/** What the server counted, as JSON. */
async function countsOf(publisher: URL): Promise<string> {
  const url = new URL("/api/stats", publisher);
  return (await fetch(url, { tls: { rejectUnauthorized: false } })).text();
}

/** Where the history stands; all channels share its numbers. */
async function positionOf(publisher: URL, channel: string): Promise<string> {
  const url = new URL(`/api/history?channel=${channel}`, publisher);
  const response = await fetch(url, { tls: { rejectUnauthorized: false } });
  const { position } = (await response.json()) as { readonly position: string };
  return position;
}
