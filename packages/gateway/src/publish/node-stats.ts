import type { Answer } from "@starling/core/answer.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { HookCounters, type HookCounts } from "@starling/core/hooks/counters.ts";
import type { MeshHookCounts } from "@starling/core/mesh-hooks/counters.ts";
import type { MeshPresenceCounters } from "@starling/core/mesh-presence/counters.ts";
import type { ReachCounts } from "@starling/core/reach/mesh-reach.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { Stats } from "./schemas.ts";

/** What the node counts for its workers. */
export interface SharedCounts {
  /** Answers of idempotency keys that were forgotten before their time. */
  readonly idempotencyForgottenEarly: number;
  /** Requests that the rate limit let pass unremembered because it knew too many callers. */
  readonly rateLimitUntracked: number;
  readonly history: HistoryCounts;
  readonly bans: BanCounts;
  /** Of each hook. */
  readonly hooks: readonly HookCounts[];
  /** Absent where no NATS is configured. */
  readonly meshHooks?: MeshHookCounts;
  /** Absent where no NATS is configured. */
  readonly presence?: PresenceCounts;
  /** Absent where no NATS is configured. */
  readonly reach?: ReachedCounts;
}

/** What the node tells and hears of members over NATS. */
export interface PresenceCounts extends Readonly<MeshPresenceCounters> {
  /** Other nodes that are there. */
  readonly nodes: number;
  /** Whether the link to NATS is up: 1 or 0. */
  readonly links: number;
  /** Those of them that share their `MESH_ID` with another one, or with this node. */
  readonly namesakes: number;
  /** Channels whose members on other nodes are known. */
  readonly channels: number;
  /** Bytes that NATS may not have taken yet. */
  readonly waitingBytes: number;
}

/** Who may not connect. */
export interface BanCounts {
  /** Bans, those that were lifted and have to be remembered as well. */
  readonly known: number;
  /** Bans that were not taken note of, since there were too many. */
  readonly refused: number;
}

/** What the node asks other nodes. */
export interface ReachedCounts extends ReachCounts {
  /** Messages that were not understood. */
  readonly invalid: number;
}

/** What the channels of the node keep. */
export type HistoryCounts = Stats["history"];

export interface NodeStatsOptions {
  readonly broker: Pick<Broker, "gather">;
  readonly handlers: Pick<WorkerHandlers, "method">;
  readonly metrics: Metrics;
  /** What this worker has counted. */
  own(): WorkerStats;
  shared(): Answer<SharedCounts>;
}

/** The part of what is counted that each worker counts for itself. */
export type WorkerStats = Omit<Stats, "publisher" | "history" | "hooks"> & {
  readonly publisher: Omit<Stats["publisher"], keyof SharedCounts>;
};

/** The workers' questions to each other. */
const STATS = "stats";
const METRICS = "metrics";

/** What all workers of the node have counted together; one that does not answer is left out. */
export class NodeStats {
  readonly #options: NodeStatsOptions;

  constructor(options: NodeStatsOptions) {
    this.#options = options;
    options.handlers.method(STATS, () => options.own());
    options.handlers.method(METRICS, () => options.metrics.values());
  }

  async stats(): Promise<Stats> {
    const { broker, own, shared } = this.#options;
    const others = (await broker.gather(STATS, null)) as readonly WorkerStats[];
    const { hub, publisher, webtransport } = others.reduce(added, own());
    const {
      history,
      hooks,
      bans: _bans,
      presence: _presence,
      reach: _reach,
      meshHooks: _meshHooks,
      ...more
    } = await shared();
    const whole = {
      ok: true,
      hub,
      publisher: { ...publisher, ...more },
      history,
      hooks: hookTotals(hooks),
    } as const;
    return webtransport === undefined ? whole : { ...whole, webtransport };
  }

  /** The text exposition format. */
  async metrics(): Promise<string> {
    const { broker, metrics } = this.#options;
    const [others, shared] = await Promise.all([
      broker.gather(METRICS, null),
      this.#options.shared(),
    ]);
    return metrics.text(others, shared);
  }
}

function hookTotals(hooks: readonly HookCounts[]): Stats["hooks"] {
  const totals = { circuitsOpen: 0, queued: 0, queuedBytes: 0, ...new HookCounters() };
  for (const { app: _app, hook: _hook, isCircuitOpen, ...counts } of hooks) {
    if (isCircuitOpen) totals.circuitsOpen++;
    for (const [name, count] of Object.entries(counts))
      totals[name as keyof typeof counts] += count;
  }
  return totals;
}

function added(a: WorkerStats, b: WorkerStats): WorkerStats {
  // One worker at most has any.
  const { webtransport = b.webtransport } = a;
  return {
    ...(webtransport === undefined ? {} : { webtransport }),
    ok: true,
    hub: sum(a.hub, b.hub),
    publisher: {
      requests: a.publisher.requests + b.publisher.requests,
      refusals: sum(a.publisher.refusals, b.publisher.refusals),
      replays: a.publisher.replays + b.publisher.replays,
    },
  };
}

function sum<Counts extends Readonly<Record<string, number>>>(a: Counts, b: Counts): Counts {
  const total: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) total[name] = (total[name] ?? 0) + count;
  return total as Counts;
}
