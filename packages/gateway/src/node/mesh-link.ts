import type { Broker } from "@starling/core/broker/broker.ts";
import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import type { Node } from "@starling/core/broker/node.ts";
import type { Log, TimerHandle } from "@starling/core/ports.ts";
import type { Config } from "../config/config.ts";
import type { Health } from "../ops/health.ts";
import { connectToNats } from "../runtime/nats.ts";
import { afterTurn, systemClock, systemRandom } from "../runtime/system.ts";
import { nodeName } from "./node-name.ts";

/** Milliseconds that NATS may be away before the worker is not ready; publications wait for as long. */
const PATIENCE_MS = 5_000;

export interface MeshLinkOptions {
  readonly inner: Broker;
  readonly handlers: WorkerHandlers;
  readonly health: Health;
  readonly log: Log;
}

/** What operators see in the list of clients of NATS. */
function natsName(meshId: string): string {
  return `starling ${meshId}`;
}

/**
 * Makes the presence of a node that of the mesh, before any worker joins it; undefined where no NATS is
 * configured.
 */
export function joinPresence(
  { nats, meshId, presenceLeaseMs }: Pick<Config, "nats" | "meshId" | "presenceLeaseMs">,
  { presence }: Pick<Node<unknown>, "presence">,
  log: Log,
): NatsPresence | undefined {
  if (nats === undefined) return undefined;
  const clock = systemClock;
  const joined = new NatsPresence({
    node: meshId,
    start: nodeName(),
    since: clock.now(),
    connect: () => connectToNats(nats, `${natsName(meshId)} presence`),
    showing: presence,
    clock,
    random: systemRandom,
    afterTurn,
    log,
    leaseMs: presenceLeaseMs,
    prefix: nats.prefix,
  });
  presence.join(joined.mesh);
  return joined;
}

/** Puts the mesh around the broker of a node; undefined where no NATS is configured. */
export function joinMesh(
  { nats, apps, meshId }: Pick<Config, "nats" | "apps" | "meshId">,
  { inner, handlers, health, log }: MeshLinkOptions,
): MeshBroker | undefined {
  if (nats === undefined) return undefined;
  const clock = systemClock;
  let timer: TimerHandle | undefined;
  health.set("nats", "NATS has not been reached yet");
  return new MeshBroker({
    inner,
    handler: handlers,
    node: nodeName(),
    meshId,
    connect: () => connectToNats(nats, natsName(meshId)),
    clock,
    random: systemRandom,
    afterTurn,
    log,
    apps,
    prefix: nats.prefix,
    streams: nats.streams,
    linkChanged(isUp) {
      if (timer !== undefined) clock.clearTimeout(timer);
      timer = undefined;
      if (isUp) health.set("nats", undefined);
      else timer = clock.setTimeout(() => health.set("nats", "NATS is away"), PATIENCE_MS);
    },
  });
}
