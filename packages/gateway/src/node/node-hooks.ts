import { NatsHooks } from "@starling/core/broker/nats/nats-hooks.ts";
import type { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import type { NodeObserver } from "@starling/core/broker/observer.ts";
import { Hooks } from "@starling/core/hooks/hooks.ts";
import type { MeshHooks } from "@starling/core/mesh-hooks/mesh-hooks.ts";
import type { Log } from "@starling/core/ports.ts";
import type { Config } from "../config/config.ts";
import { bunHttpClient } from "../runtime/http-client.ts";
import { afterTurn, systemClock, systemRandom } from "../runtime/system.ts";
import { nodeName } from "./node-name.ts";

/** The hooks of a node, in the process that has the node. */
export interface NodeHooks {
  readonly hooks: Hooks | MeshHooks;
  readonly observer: NodeObserver;
  /** Shares them with the other nodes; before any worker has joined. */
  join(others: NatsPresence): void;
}

/** Those of a node alone, or of one of a mesh, of which one sends for all. */
export function nodeHooks(
  {
    hooks,
    hookSettings: settings,
    meshId,
    nats,
    presenceLeaseMs,
  }: Pick<Config, "hooks" | "hookSettings" | "meshId" | "nats" | "presenceLeaseMs">,
  log: Log,
): NodeHooks {
  const options = {
    ...{ hooks, settings, log, node: meshId },
    http: bunHttpClient,
    clock: systemClock,
    random: systemRandom,
  };
  if (nats === undefined) {
    const alone = new Hooks(options);
    return { hooks: alone, observer: alone, join() {} };
  }
  const shared = new NatsHooks({
    ...options,
    start: nodeName(),
    since: systemClock.now(),
    afterTurn,
    leaseMs: presenceLeaseMs,
    prefix: nats.prefix,
  });
  const { mesh } = shared;
  return { hooks: mesh, observer: mesh.observer, join: (others) => shared.join(others) };
}
