import { bareQuic } from "./bare-quic.ts";
import { nats } from "./nats.ts";
import { nchan, nchanTwoWorkers } from "./nchan.ts";
import type { HttpPeer, Peer, PresencePeer, Server } from "./peer.ts";
import type { QuicPeer } from "./quic-peer.ts";
import { rawBun, rawBunPresence } from "./raw-bun.ts";
import { socketIo } from "./socketio.ts";
import { starling } from "./starling.ts";
import { type ClusterPeer, oneProcess, oneWorker, twoWorkers } from "./starling-cluster.ts";

export { historyPeers, meshHistoryPeers } from "./starling-history.ts";

import { starlingConflating, starlingPresence } from "./starling-presence.ts";
import { starlingQuic } from "./starling-quic.ts";

/** Every server that takes as many publish requests as `wrk` can send. */
export const httpPeers: readonly HttpPeer[] = [starling, socketIo, rawBun];

/** Every server that has subscribers. */
export const peers: readonly Peer[] = [...httpPeers, nchan, nchanTwoWorkers, nats];

/** Starling alone, with more and more processes. */
export const clusterPeers: readonly ClusterPeer[] = [oneProcess, oneWorker, twoWorkers];

/** Every server that has members. */
export const presencePeers: readonly PresencePeer[] = [
  starlingPresence,
  starlingConflating,
  rawBunPresence,
];

/** Every server that speaks WebTransport. */
export const quicPeers: readonly QuicPeer[] = [starlingQuic, bareQuic];

/** Finds a peer by its name; throws with the known names. */
export function peerNamed<S extends Server>(known: readonly S[], name: string): S {
  const found = known.find((peer) => peer.name === name);
  if (found !== undefined) return found;
  const names = known.map((peer) => peer.name).join(", ");
  throw new Error(`unknown peer "${name}"; known: ${names}`);
}
