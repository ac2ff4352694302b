import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { IpcServerOptions } from "@starling/core/broker/ipc/server-options.ts";
import { WireError } from "@starling/core/broker/ipc/wire-error.ts";

/**
 * The node as its own workers may join it: those that a dead supervisor left behind find its socket,
 * and what they have is none of this node's.
 */
export function forOwnWorkers(
  node: IpcServerOptions["node"],
  isOwn: (worker: WorkerId) => boolean,
): IpcServerOptions["node"] {
  return {
    join(member, worker) {
      if (!isOwn(worker)) throw new WireError(`there is no worker ${worker}`);
      return node.join(member, worker);
    },
  };
}
