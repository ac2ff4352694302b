import { httpPublisher } from "../load/http-publisher.ts";
import type { HttpPeer } from "./peer.ts";
import { starling, startGateway } from "./starling.ts";

/** The gateway with so many worker processes. */
export interface ClusterPeer extends HttpPeer {
  /** 0: the one process listens itself, and there is no supervisor. */
  readonly workers: number;
}

function cluster(name: string, workers: number): ClusterPeer {
  const mode: Record<string, string> =
    workers === 0
      ? { CLUSTER_MODE: "0" }
      : { CLUSTER_MODE: "1", CLUSTER_INSTANCES: String(workers) };
  const peer: ClusterPeer = {
    ...starling,
    name,
    workers,
    start: ({ directory }) => startGateway(directory, mode),
    publisher: (url) => httpPublisher(url, peer),
    endpoints: [starling.endpoints[0]],
  };
  return peer;
}

export const oneProcess = cluster("one-process", 0);
export const oneWorker = cluster("1-worker", 1);
export const twoWorkers = cluster("2-workers", 2);
