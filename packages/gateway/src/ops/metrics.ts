import type { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { meshMetrics } from "@starling/core/broker/nats/mesh-metrics.ts";
import { type TotalName, totalHelp, totalMetricName } from "@starling/core/hub/counter-metrics.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from "prom-client";
import type {
  BanCounts,
  HistoryCounts,
  PresenceCounts,
  ReachedCounts,
  SharedCounts,
} from "../publish/node-stats.ts";
import { hookMetrics, meshHookMetrics } from "./hook-metrics.ts";

/** What a Prometheus server scrapes: the core's counters and the round-trip times of pings. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #roundTrip: Histogram;

  /** `mesh` is the worker's link to NATS, where it has one. */
  constructor(counters: Counters, mesh?: MeshBroker) {
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
    if (mesh !== undefined) addMeshMetrics(mesh, registers);
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
   * The text exposition format; `others` are the `values` of other workers, to be added, and `shared`
   * is what the node counts for all of them.
   */
  async text(
    others: readonly unknown[],
    {
      history,
      hooks,
      meshHooks,
      bans,
      presence,
      reach,
    }: Pick<SharedCounts, "history" | "hooks" | "meshHooks" | "bans" | "presence" | "reach">,
  ): Promise<string> {
    const all = [
      await this.values(),
      ...(others as readonly (readonly object[])[]),
      await historyMetrics(history).getMetricsAsJSON(),
      await hookMetrics(hooks).getMetricsAsJSON(),
      ...(meshHooks === undefined ? [] : [await meshHookMetrics(meshHooks).getMetricsAsJSON()]),
      ...(presence === undefined ? [] : [await presenceMetrics(presence).getMetricsAsJSON()]),
      await banMetrics(bans).getMetricsAsJSON(),
      ...(reach === undefined ? [] : [await reachMetrics(reach).getMetricsAsJSON()]),
    ];
    return AggregatorRegistry.aggregate(all).metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

function addMeshMetrics(mesh: MeshBroker, registers: Registry[]): void {
  for (const { type, name, help, read } of meshMetrics) {
    if (type === "gauge") {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read(mesh));
        },
      });
      continue;
    }
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(mesh));
      },
    });
  }
}

const historyHelp = {
  bytes: "Bytes that the histories of all channels take, about",
  channels: "Channels of which something is kept, or was",
  publications: "Publications kept so far",
  evictions: "Channels whose history was forgotten to make room for others",
} as const satisfies Record<keyof HistoryCounts, string>;

const presenceHelp = {
  sent: "Messages of members sent to other nodes",
  dropped: "Messages of members not sent, since too much waited for NATS",
  oversized: "States and payloads of members that were too large to be told to other nodes",
  received: "Messages of members that came from other nodes",
  invalid: "Messages of NATS that say nothing of members, and were dropped",
  repaired: "Channels asked for again since something of their members was missing",
  lost: "Nodes that were silent for the lease, or began anew",
  refused: "Nodes and questions not taken note of, since there were too many",
  nodes: "Other nodes of the mesh",
  namesakes:
    "Other nodes that share their MESH_ID with one more, or with this one: 0 where all is well",
  channels: "Channels whose members on other nodes are known",
  links: "1 while the node's own link to NATS is up, over which nodes tell one another of members",
  waitingBytes: "Bytes said of members that NATS may not have taken yet",
} as const satisfies Record<keyof PresenceCounts, string>;

function presenceMetrics(counts: PresenceCounts): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const [name, help] of Object.entries(presenceHelp) as [keyof PresenceCounts, string][]) {
    const prefix = "starling_mesh_presence_";
    if (["nodes", "namesakes", "channels", "links"].includes(name)) {
      new Gauge({ name: `${prefix}${name}`, help, registers }).set(counts[name]);
    } else if (name === "waitingBytes") {
      new Gauge({ name: `${prefix}waiting_bytes`, help, registers }).set(counts[name]);
    } else {
      new Counter({ name: `${prefix}${name}_total`, help, registers }).inc(counts[name]);
    }
  }
  return registry;
}

const reachHelp = {
  questions: "Questions to other nodes that wait for their answers",
  questionsLate: "Questions that other nodes did not answer in time",
  questionsRefused: "Questions that were not asked, since too many were open",
  keys: "Idempotency keys that nodes have reserved at this one, and have no answer yet",
  users: "Users whose connections on all nodes are counted here, each as often as nodes have some",
  keysForgottenEarly: "Answers of idempotency keys that were forgotten before their time",
  invalid: "Messages of NATS that are none of a node, and were dropped",
} as const satisfies Record<keyof ReachedCounts, string>;

function reachMetrics(counts: ReachedCounts): Registry {
  const registry = new Registry();
  const registers = [registry];
  const metric = (key: keyof ReachedCounts, name: string) => {
    return { name: `starling_mesh_${name}`, help: reachHelp[key], registers };
  };
  new Gauge(metric("questions", "questions")).set(counts.questions);
  new Gauge(metric("keys", "keys")).set(counts.keys);
  new Gauge(metric("users", "users")).set(counts.users);
  for (const [key, name] of [
    ["questionsLate", "questions_late"],
    ["questionsRefused", "questions_refused"],
    ["keysForgottenEarly", "keys_forgotten_early"],
    ["invalid", "questions_invalid"],
  ] as const) {
    new Counter(metric(key, `${name}_total`)).inc(counts[key]);
  }
  return registry;
}

function banMetrics({ known, refused }: BanCounts): Registry {
  const registry = new Registry();
  const registers = [registry];
  const help = "Bans that are known, lifted ones that have to be remembered as well";
  new Gauge({ name: "starling_bans", help, registers }).set(known);
  const refusedHelp = "Bans that were not taken note of, since there were too many";
  new Counter({ name: "starling_bans_refused_total", help: refusedHelp, registers }).inc(refused);
  return registry;
}

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
