import type { Broker } from "@starling/core/broker/broker.ts";
import type { WorkerHandlers } from "@starling/core/broker/handlers.ts";
import { MeshBroker } from "@starling/core/broker/nats/mesh.ts";
import { NatsBans } from "@starling/core/broker/nats/nats-bans.ts";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { NatsReach } from "@starling/core/broker/nats/nats-reach.ts";
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
  return `starling ${meshId}`;
}

/** What a node has to do with the others of its mesh. */
export interface OtherNodes {
  readonly presence: NatsPresence;
  readonly reach: NatsReach;
  /** Says that the node ends, and leaves NATS. */
  close(): Promise<void>;
}

/**
 * Makes the presence of a node that of the mesh, and what it is told hold on all nodes, before any worker joins it;
 * undefined where no NATS is configured.
 */
export function joinNodes(
  {
    nats,
    apps,
    meshId,
    presenceLeaseMs: leaseMs,
    idempotencyWindowMs,
  }: Pick<Config, "nats" | "apps" | "meshId" | "presenceLeaseMs" | "idempotencyWindowMs">,
  node: Pick<Node<unknown>, "presence" | "bans" | "disconnect" | "joinMesh" | "takeUser" | "users">,
  { log, about }: { readonly log: Log; about(): string },
): OtherNodes | undefined {
  if (nats === undefined) return undefined;
  const clock = systemClock;
  const { presence: showing } = node;
  const own = { node: meshId, start: nodeName() };
  const presence = new NatsPresence({
    ...own,
    since: clock.now(),
    connect: () => connectToNats(nats, `${natsName(meshId)} presence`),
    showing,
    clock,
    random: systemRandom,
    afterTurn,
    log,
    about,
    leaseMs,
    prefix: nats.prefix,
    nodes: {
      came: (other) => reach.mesh.came(other),
      gone: (other) => reach.mesh.gone(other),
    },
  });
  const reach: NatsReach = new NatsReach({
    ...{ own, node, clock, random: systemRandom, log, prefix: nats.prefix },
    ...{ leaseMs, idempotencyWindowMs, link: presence.link },
    nodes: () => [...presence.mesh.others()],
  });
  const bans = new NatsBans({
    ...{ link: presence.link, clock, random: systemRandom, log },
    ...{ prefix: nats.prefix, settings: nats.streams },
    needsJetStream: [...apps.values()].some(({ namespaces }) =>
      [...namespaces.values()].some(({ history }) => history !== undefined),
    ),
    learn: (found) => node.bans.learn(found),
  });
  node.bans.keepIn(bans);
  showing.join(presence.mesh);
  node.joinMesh(reach.mesh);
  return {
    presence,
    reach,
    async close() {
      bans.close();
      reach.close();
      await presence.close();
    },
  };
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
    answersLate: (isLate) => health.set("lag", isLate ? "NATS answers late" : undefined),
  });
}
