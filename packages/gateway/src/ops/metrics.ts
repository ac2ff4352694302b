import type { Counters } from "@starling/core/hub/counters.ts";
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from "prom-client";

type CounterName = Exclude<keyof Counters, "connections">;

const help: Readonly<Record<CounterName, string>> = {
  publications: "Publications accepted for delivery",
  deliveries: "Publications times the subscribers that each was handed to",
  slowConsumers: "Connections cut because they read too slowly",
  volatileDrops: "Messages of volatile namespaces dropped for subscribers that were not ready",
  pingTimeouts: "Connections closed because a heartbeat was not answered",
  authenticationTimeouts: "Connections closed because they did not authenticate in time",
  malformedPackets: "Connections closed because a packet broke the protocol",
  droppedSignals: "Signals dropped: undecodable, unknown, not allowed, or not joined",
  floods: "Connections cut because they sent too many messages a second",
  limitsExceeded: "Connections cut for too large a message, or too many channels",
  refusedHandshakes: "Handshakes refused: origin, rate by address, budget, credentials",
  refusedConnects: "Connects refused: token, user id, or rate by user",
  requestsPassedOn: "Long-polling requests passed on to the worker that has the session",
  requestsNotPassedOn: "Long-polling requests for another worker that were not answered",
  sessionsMoved: "Sessions of other workers that came with their WebSocket",
  failedMoves: "Sessions given up on their way from another worker",
};

/** `slowConsumers` as `starling_slow_consumers_total`. */
function metricName(name: CounterName): string {
  return `starling_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`;
}

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
    for (const name of Object.keys(help) as CounterName[]) {
      new Counter({
        name: metricName(name),
        help: help[name],
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
