import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import type { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { meshMetrics } from "@starling/core/broker/nats/mesh-metrics.ts";
import { type TotalName, totalHelp, totalMetricName } from "@starling/core/hub/counter-metrics.ts";
import type { Counters } from "@starling/core/hub/counters.ts";

/** What became of sessions and datagrams on this worker; each only grows but for `sessions`. */
export interface TransportStats {
  /** Sessions open now. */
  readonly sessions: number;
  readonly sessionsOpened: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  /** Not sent because too many of the session waited. */
  readonly datagramsSkipped: number;
  /** Not sent because the client's sign of life was late. */
  readonly datagramsWithheld: number;
  /** Not sent because the message is too large, and the session has no stream for it. */
  readonly datagramsTooLarge: number;
  /** Not sent because QUIC refused them. */
  readonly datagramsRefused: number;
  /** Received, and dropped: for no session, or before its stream. */
  readonly datagramsDropped: number;
  /** Connections closed because of what the client sent. */
  readonly protocolErrors: number;
}

const transportHelp: Readonly<Record<Exclude<keyof TransportStats, "sessions">, string>> = {
  sessionsOpened: "WebTransport sessions opened",
  datagramsSent: "Datagrams sent",
  datagramsReceived: "Datagrams received",
  datagramsSkipped: "Datagrams not sent because too many of the session waited",
  datagramsWithheld: "Datagrams not sent because the client's sign of life was late",
  datagramsTooLarge: "Messages too large for a datagram of a session without a stream",
  datagramsRefused: "Datagrams that QUIC refused",
  datagramsDropped: "Datagrams received and dropped",
  protocolErrors: "QUIC connections closed because of what the client sent",
};

/** A metric in the form in which the workers of a node add theirs up. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly values: readonly [{ readonly value: number; readonly labels: object }];
  readonly aggregator: "sum";
}

export interface WorkerStatsOptions {
  readonly handlers: Pick<WorkerHandlers, "method">;
  readonly counters: Counters;
  transport(): TransportStats;
  /** Its link to NATS, where it has one. */
  readonly mesh?: MeshBroker | undefined;
}

/** Answers the workers that are asked for the figures of the whole node. */
export function answerStats({ handlers, counters, transport, mesh }: WorkerStatsOptions): void {
  handlers.method("stats", () => ({
    ok: true,
    hub: { ...counters },
    publisher: { requests: 0, refusals: {}, replays: 0 },
    webtransport: transport(),
  }));
  handlers.method("metrics", () => [
    ...metricsOf(counters, transport()),
    ...(mesh === undefined ? [] : linkMetrics(mesh)),
  ]);
}

function metricsOf(counters: Counters, transport: TransportStats): readonly Metric[] {
  const totals = Object.keys(totalHelp) as TotalName[];
  const names = Object.keys(transportHelp) as (keyof typeof transportHelp)[];
  return [
    metric("gauge", "starling_connections", "Connections open now", counters.connections),
    ...totals.map((name) =>
      metric("counter", totalMetricName(name), totalHelp[name], counters[name]),
    ),
    metric(
      "gauge",
      "starling_webtransport_sessions",
      "WebTransport sessions open now",
      transport.sessions,
    ),
    ...names.map((name) => {
      const full = totalMetricName(`webtransport_${name}`);
      return metric("counter", full, transportHelp[name], transport[name]);
    }),
  ];
}

function linkMetrics(mesh: MeshBroker): readonly Metric[] {
  return meshMetrics.map(({ type, name, help, read }) => metric(type, name, help, read(mesh)));
}

function metric(type: Metric["type"], name: string, help: string, value: number): Metric {
  return { name, help, type, values: [{ value, labels: {} }], aggregator: "sum" };
}
