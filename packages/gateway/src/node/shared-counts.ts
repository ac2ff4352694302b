import type { Node } from "@starling/core/broker/node.ts";
import type { SharedCounts } from "../publish/node-stats.ts";

/** What a node counts for publishers, whichever worker they ask. */
export function sharedCountsOf(
  node: Pick<Node<unknown>, "idempotencyForgottenEarly" | "rate">,
): SharedCounts {
  return {
    idempotencyForgottenEarly: node.idempotencyForgottenEarly,
    rateLimitUntracked: node.rate("api").untracked,
  };
}
