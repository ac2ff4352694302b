import { bytesOf } from "../own-channel.ts";
import { SimulatedNetwork, type SimulatedNode } from "./simulated-mesh.ts";

export const STATE = new Uint8Array(62);
/** Longer than anything that a node waits for but the lease. */
export const SOON_MS = 2_500;

/** Nodes that know one another. */
export function mesh(...names: string[]) {
  const network = new SimulatedNetwork(7);
  const nodes = names.map((name) => network.start(name));
  network.clock.advance(SOON_MS);
  return {
    network,
    clock: network.clock,
    nodes: nodes as [SimulatedNode, SimulatedNode, SimulatedNode],
  };
}

/** A member comes to a node; answers its connection. */
export function join(node: SimulatedNode, channel: string, id: string): string {
  const joined = member(node, id);
  const { connection } = joined;
  node.present(channel, { type: "join", member: joined });
  node.present(channel, { type: "online", connection });
  return connection;
}

/** Bytes that a member takes in a message, about. */
export function stateBytes(node: SimulatedNode, id: string): number {
  return bytesOf({ dot: 1, member: member(node, id), isOnline: true });
}

function member(node: SimulatedNode, id: string) {
  const connection = `${node.start}:${id}`;
  return { connection, clientId: id, user: undefined, state: STATE, since: 1 };
}
