import { HookCounters, type HookCounts } from "@starling/core/hooks/counters.ts";
import { MeshHookCounters, type MeshHookCounts } from "@starling/core/mesh-hooks/counters.ts";
import { Counter, Gauge, Registry } from "prom-client";

/** What each total of a hook counts, in the words of the metrics. */
const totalHelp = {
  delivered: "Events that the receiver of a hook took",
  requests: "Requests of a hook",
  retries: "Requests of a hook that had to be made again: no answer, 429, or 500 and above",
  refused: "Events lost because the receiver of a hook refused them",
  dropped: "Events lost because too many waited for a hook, or the node stopped",
  expired: "Events lost because they waited for a hook for too long",
} as const satisfies Record<keyof HookCounters, string>;

const gauges = {
  queued_events: { help: "Events that wait for a hook", of: ({ queued }: HookCounts) => queued },
  queued_bytes: {
    help: "Bytes of the events that wait for a hook",
    of: ({ queuedBytes }: HookCounts) => queuedBytes,
  },
  circuit_open: {
    help: "1 while a hook fails and is tried with one event at a time",
    of: ({ isCircuitOpen }: HookCounts) => Number(isCircuitOpen),
  },
} as const;

/** The metrics of hooks, each with the labels `app` and `hook`, and what they say. */
export const hookMetricHelp: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(gauges).map(([name, { help }]) => [`starling_hooks_${name}`, help]),
  ),
  ...Object.fromEntries(
    Object.entries(totalHelp).map(([name, help]) => [`starling_hooks_${name}_total`, help]),
  ),
};

const labelNames = ["app", "hook"] as const;

export function hookMetrics(hooks: readonly HookCounts[]): Registry {
  const registry = new Registry();
  // Without hooks there would be names without values.
  if (hooks.length === 0) return registry;
  const registers = [registry];
  for (const [name, { help, of }] of Object.entries(gauges)) {
    const gauge = new Gauge({ name: `starling_hooks_${name}`, help, labelNames, registers });
    for (const hook of hooks) gauge.set(labelsOf(hook), of(hook));
  }
  for (const name of Object.keys(new HookCounters()) as (keyof HookCounters)[]) {
    const help = totalHelp[name];
    const counter = new Counter({
      name: `starling_hooks_${name}_total`,
      help,
      labelNames,
      registers,
    });
    for (const hook of hooks) counter.inc(labelsOf(hook), hook[name]);
  }
  return registry;
}

function labelsOf({ app, hook }: HookCounts) {
  return { app, hook: String(hook) };
}

const meshHelp = {
  sends: "1 on the node of the mesh that sends the hooks",
  informed: "1 where the node could go on if the one that sends were lost",
  facts: "Channels, members and connections of all nodes that hooks have told of",
  pending: "Events that another node would repeat if the one that sends were lost",
  kept: "Changes on this node that are kept since the receivers may not know of them",
  dropped: "Changes on this node that no hook tells of, since too many were kept",
  takeovers: "Times that this node began to send the hooks of the mesh",
  resyncs: "Times that this node asked the one that sends for everything",
  forgotten: "Events that another node would not have repeated, since too many waited",
  invalid: "Messages of NATS that say nothing of hooks, and were dropped",
} as const satisfies Record<keyof MeshHookCounts, string>;

const meshTotals: ReadonlySet<string> = new Set([
  "dropped",
  ...Object.keys(new MeshHookCounters()),
]);

export function meshHookMetrics(counts: MeshHookCounts): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const [name, help] of Object.entries(meshHelp) as [keyof MeshHookCounts, string][]) {
    if (meshTotals.has(name)) {
      const counter = { name: `starling_mesh_hooks_${name}_total`, help, registers };
      new Counter(counter).inc(counts[name]);
    } else {
      new Gauge({ name: `starling_mesh_hooks_${name}`, help, registers }).set(counts[name]);
    }
  }
  return registry;
}
