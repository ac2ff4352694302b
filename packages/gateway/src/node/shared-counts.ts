import type { Node } from "@starling/core/broker/node.ts";
import type { Hooks } from "@starling/core/hooks/hooks.ts";
import type { MeshHooks } from "@starling/core/mesh-hooks/mesh-hooks.ts";
import type { PresenceCounts, ReachedCounts, SharedCounts } from "../publish/node-stats.ts";
import type { OtherNodes } from "./mesh-link.ts";

/** What a node counts for publishers, whichever worker they ask, and what its hooks do. */
export function sharedCountsOf(
  node: Pick<Node<unknown>, "idempotencyForgottenEarly" | "rate" | "history" | "bans">,
  hooks: Pick<Hooks, "counts"> & Partial<Pick<MeshHooks, "meshCounts">>,
  others?: OtherNodes,
): SharedCounts {
  const { bytes, channels, evicted, position } = node.history;
  return {
    idempotencyForgottenEarly: node.idempotencyForgottenEarly,
    rateLimitUntracked: node.rate("api").untracked,
    history: { bytes, channels, publications: position.offset, evictions: evicted },
    bans: { known: node.bans.list.size, refused: node.bans.list.refused },
    hooks: hooks.counts,
    ...(hooks.meshCounts === undefined ? {} : { meshHooks: hooks.meshCounts }),
    ...(others === undefined
      ? {}
      : { presence: presenceCounts(others), reach: reachCounts(others) }),
  };
}

function presenceCounts({
  presence: { mesh, waitingBytes, downSince },
}: OtherNodes): PresenceCounts {
  const { counters, nodes, interests, namesakes } = mesh;
  const links = downSince === undefined ? 1 : 0;
  return { ...counters, nodes, namesakes, links, channels: interests, waitingBytes };
}

function reachCounts({ reach: { mesh, invalid } }: OtherNodes): ReachedCounts {
  return { ...mesh.counts, invalid };
}
