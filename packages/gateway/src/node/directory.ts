import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";
import type { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { type ListedNode, listedNodes } from "@starling/core/mesh-directory/listed-nodes.ts";
import {
  decodeNotice,
  encodeNotice,
  type NodeNotice,
} from "@starling/core/mesh-directory/notice.ts";
import type { Config } from "../config/config.ts";
import type { MeshReport } from "./mesh-report.ts";
import type { WorkerStatus } from "./status.ts";

/** What whoever runs a node says of it. */
export type DirectoryConfig = Pick<Config, "meshId" | "publicUrls" | "region">;

/** The part of the link between nodes that the directory needs. */
export type NodesLink = Pick<NatsPresence, "linkReport"> & {
  readonly mesh: Pick<NatsPresence["mesh"], "others" | "aboutChanged">;
  readonly pings: Pick<NatsPresence["pings"], "roundTripMs">;
};

/** What the process that holds a node says of it to others, and hears of them. */
export class Directory {
  readonly #workers: () => readonly WorkerStatus[];
  #config: DirectoryConfig;
  #link: NodesLink | undefined;
  #isDraining = false;

  constructor(config: DirectoryConfig, workers: () => readonly WorkerStatus[]) {
    this.#config = config;
    this.#workers = workers;
  }

  /** Who the other nodes are is known by that link; without one the node is alone. */
  use(link: NodesLink): void {
    this.#link = link;
  }

  /** From now on the node is said to be what is configured there. */
  configure(config: DirectoryConfig): void {
    this.#config = config;
    this.#link?.mesh.aboutChanged();
  }

  /** The node lets its clients go: the others are to hear of it soon. */
  drain(): void {
    this.#isDraining = true;
    this.#link?.mesh.aboutChanged();
  }

  /** What the others are told; nothing while no worker takes clients, or has them to let go. */
  about(): string {
    const isServing = this.#isDraining || this.#workers().some(({ state }) => state === "ready");
    return isServing ? encodeNotice(this.#notice()) : "";
  }

  /** What clients are told. */
  list(): ListedNode[] {
    return listedNodes(this.#config.meshId, this.#notice(), this.#link?.mesh.others() ?? []);
  }

  /** What whoever runs the node is told; takes as long as the slowest node's answer. */
  async report(): Promise<MeshReport> {
    const own = { id: this.#config.meshId, isOwn: true, rttMs: null, ...this.#notice() };
    const link = this.#link;
    if (link === undefined) return { nats: null, nodes: [own] };
    const others = await Promise.all(
      [...link.mesh.others()].map(async ({ node, start, about }) => ({
        id: node,
        isOwn: false,
        rttMs: (await link.pings.roundTripMs(start)) ?? null,
        ...decodeNotice(about),
      })),
    );
    others.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { nats: link.linkReport(), nodes: [own, ...others] };
  }

  #notice(): NodeNotice {
    const { publicUrls: addresses, region } = this.#config;
    const workers = this.#workers();
    const links = [this.#link?.linkReport(), ...workers.map(({ nats }) => nats)];
    return {
      ...(region === undefined ? {} : { region }),
      addresses,
      connections: workers.reduce((sum, worker) => sum + worker.connections, 0),
      load: loadOf(workers),
      draining: this.#isDraining,
      ...linksOf(links.filter((each) => each !== undefined)),
    };
  }
}

/** Clients come to any gateway worker, and over WebTransport to the quic worker: whichever is busier counts. */
function loadOf(workers: readonly WorkerStatus[]): number {
  const serving = workers.filter(({ state }) => state === "ready");
  const meanOf = (kind: WorkerStatus["kind"]) => {
    const shares = serving.filter((worker) => worker.kind === kind).map(({ cpu }) => cpu);
    return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  };
  return Math.round(Math.max(meanOf("gateway"), meanOf("quic")) * 100) / 100;
}

function linksOf(reports: readonly LinkReport[]): Pick<NodeNotice, "links" | "linksUp" | "lagMs"> {
  const lags = reports.map(({ lagMs }) => lagMs).filter((lagMs) => lagMs !== null);
  return {
    links: reports.length,
    linksUp: reports.filter(({ downMs }) => downMs === null).length,
    ...(lags.length === 0 ? {} : { lagMs: Math.max(...lags) }),
  };
}
