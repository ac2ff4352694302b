import type { Node } from "@starling/core/broker/node.ts";
import type { Hooks } from "@starling/core/hooks/hooks.ts";
import type { SharedCounts } from "../publish/node-stats.ts";

/** What a node counts for publishers, whichever worker they ask, and what its hooks do. */
export function sharedCountsOf(
  node: Pick<Node<unknown>, "idempotencyForgottenEarly" | "rate" | "history">,
  hooks: Pick<Hooks, "counts">,
): SharedCounts {
  const { bytes, channels, evicted, position } = node.history;
  return {
    idempotencyForgottenEarly: node.idempotencyForgottenEarly,
    rateLimitUntracked: node.rate("api").untracked,
    history: { bytes, channels, publications: position.offset, evictions: evicted },
    hooks: hooks.counts,
  };
}
