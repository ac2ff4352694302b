import { type TotalName, totalHelp, totalMetricName } from "@starling/core/hub/counter-metrics.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { HistoryCounts } from "../publish/node-stats.ts";

/** What a Prometheus server scrapes: the core's counters and the round-trip times of pings. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #roundTrip: Histogram;

  constructor(counters: Counters) {
    const registers = [this.#registry];
    new Gauge({
      name: "starling_connections",
      help: "Connections open now",
      registers,
      collect() {
        this.set(counters.connections);
      },
    });
    for (const name of Object.keys(totalHelp) as TotalName[]) {
      new Counter({
        name: totalMetricName(name),
        help: totalHelp[name],
        registers,
        collect() {
          this.reset();
          this.inc(counters[name]);
        },
      });
    }
    this.#roundTrip = new Histogram({
      name: "starling_ping_round_trip_seconds",
      help: "Time from a ping of the signalling protocol to its pong",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
  }

  /** A ping came back after `ms` milliseconds. */
  roundTrip(ms: number): void {
    this.#roundTrip.observe(ms / 1000);
  }

  /** What another worker needs to add these to its own. */
  values(): Promise<readonly object[]> {
    return this.#registry.getMetricsAsJSON();
  }

  /**
   * The text exposition format; `others` are the `values` of other workers, to be added, and `history`
   * is what the node counts for all of them.
   */
  async text(others: readonly unknown[], history: HistoryCounts): Promise<string> {
    const all = [
      await this.values(),
      ...(others as readonly (readonly object[])[]),
      await historyMetrics(history).getMetricsAsJSON(),
    ];
    return AggregatorRegistry.aggregate(all).metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

const historyHelp = {
  bytes: "Bytes that the histories of all channels take, about",
  channels: "Channels of which something is kept, or was",
  publications: "Publications kept so far",
  evictions: "Channels whose history was forgotten to make room for others",
} as const satisfies Record<keyof HistoryCounts, string>;

function historyMetrics(history: HistoryCounts): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const name of ["bytes", "channels"] as const) {
    const gauge = { name: `starling_history_${name}`, help: historyHelp[name], registers };
    new Gauge(gauge).set(history[name]);
  }
  for (const name of ["publications", "evictions"] as const) {
    const counter = { name: `starling_history_${name}_total`, help: historyHelp[name], registers };
    new Counter(counter).inc(history[name]);
  }
  return registry;
}
