import type { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import type { Node } from "@starling/core/broker/node.ts";
import type { Hooks } from "@starling/core/hooks/hooks.ts";
import type { MeshHooks } from "@starling/core/mesh-hooks/mesh-hooks.ts";
import type { PresenceCounts, SharedCounts } from "../publish/node-stats.ts";

/** What a node counts for publishers, whichever worker they ask, and what its hooks do. */
export function sharedCountsOf(
  node: Pick<Node<unknown>, "idempotencyForgottenEarly" | "rate" | "history">,
  hooks: Pick<Hooks, "counts"> & Partial<Pick<MeshHooks, "meshCounts">>,
  others?: NatsPresence,
): SharedCounts {
  const { bytes, channels, evicted, position } = node.history;
  return {
    idempotencyForgottenEarly: node.idempotencyForgottenEarly,
    rateLimitUntracked: node.rate("api").untracked,
    history: { bytes, channels, publications: position.offset, evictions: evicted },
    hooks: hooks.counts,
    ...(hooks.meshCounts === undefined ? {} : { meshHooks: hooks.meshCounts }),
    ...(others === undefined ? {} : { presence: presenceCounts(others) }),
  };
}

function presenceCounts({ mesh, waitingBytes }: NatsPresence): PresenceCounts {
  const { counters, nodes, interests } = mesh;
  return { ...counters, nodes, channels: interests, waitingBytes };
}
