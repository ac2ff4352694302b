import { type TotalName, totalHelp, totalMetricName } from "@starling/core/hub/counter-metrics.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from "prom-client";

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

  /** The text exposition format; `others` are the `values` of other workers, to be added. */
  async text(others: readonly unknown[] = []): Promise<string> {
    if (others.length === 0) return this.#registry.metrics();
    const all = [await this.values(), ...(others as readonly (readonly object[])[])];
    return AggregatorRegistry.aggregate(all).metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
