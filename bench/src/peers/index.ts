import type { Peer } from "./peer.ts";
import { rawBun } from "./raw-bun.ts";
import { socketIo } from "./socketio.ts";
import { starling } from "./starling.ts";

/** Every server that the bench can start. */
export const peers: readonly Peer[] = [starling, socketIo, rawBun];

/** Finds a peer by its name; throws with the known names. */
export function peerNamed(name: string): Peer {
  const found = peers.find((peer) => peer.name === name);
  if (found !== undefined) return found;
  const known = peers.map((peer) => peer.name).join(", ");
  throw new Error(`unknown peer "${name}"; known: ${known}`);
}
