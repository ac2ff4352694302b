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
import { LinkWatch, type LinkWatchOptions } from "./link-watch.ts";
import { nodeName } from "./node-name.ts";
import type { WorkerStatus } from "./status.ts";

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
  return `starling ${meshId}`.trimEnd();
}

/**
 * Makes the presence of a node that of the mesh, before any worker joins it; undefined where no NATS is
 * configured.
 */
export function joinPresence(
  { nats, meshId, presenceLeaseMs }: Pick<Config, "nats" | "meshId" | "presenceLeaseMs">,
  { presence }: Pick<Node<unknown>, "presence">,
  { log, about }: { readonly log: Log; about(): string },
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
    about,
    leaseMs: presenceLeaseMs,
    prefix: nats.prefix,
  });
  presence.join(joined.mesh);
  return joined;
}

/** Makes the node's link anew where it is configured otherwise than before; rejected where that fails. */
export type RenewLink = (config: Pick<Config, "nats" | "meshId">) => Promise<void>;

/** @param config by which the link was made */
export function linkRenewal(
  presence: Pick<NatsPresence, "renew"> | undefined,
  config: Pick<Config, "nats">,
): RenewLink {
  let now = config.nats;
  return async ({ nats, meshId }) => {
    if (presence === undefined || nats === undefined || Bun.deepEquals(nats, now)) return;
    await presence.renew(() => connectToNats(nats, `${natsName(meshId)} presence`));
    now = nats;
  };
}

export interface WatchOptions extends Pick<LinkWatchOptions, "changed"> {
  /** The quic worker, if there is one. */
  quic(): readonly WorkerStatus[];
}

/** Watches the links that are none of a gateway worker's; undefined where no NATS is configured. */
export function watchLinks(
  presence: NatsPresence | undefined,
  { quic, changed }: WatchOptions,
): LinkWatch | undefined {
  if (presence === undefined) return undefined;
  const watch = new LinkWatch({
    clock: systemClock,
    patienceMs: PATIENCE_MS,
    links: () => [
      { reason: "the link to NATS for members is down", ...presence.linkReport() },
      ...quic().map(({ nats }) => ({
        reason: "the quic worker's link to NATS is down",
        downMs: nats?.downMs ?? null,
      })),
    ],
    changed,
  });
  watch.start();
  return watch;
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
    answersLate: (isLate) => health.set("lag", isLate ? "NATS answers late" : undefined),
  });
}
