import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { OtherNode } from "./transport.ts";

/** A node by the hash of its name, since whoever it has been told of is asked about for each key. */
interface Ranked {
  readonly node: OtherNode;
  readonly hash: number;
}

/**
 * Which nodes are to know of a key: those with the highest weights for it (rendezvous hashing), so that a node
 * that comes or goes changes nothing about the keys of the others.
 *
 * Weights are those of the `MESH_ID`: a node that is started again has its keys back.
 */
export class Homes {
  #ranked: readonly Ranked[] = [];

  /** @param nodes all that there are, this one as well */
  set(nodes: readonly OtherNode[]): void {
    this.#ranked = nodes.map((node) => ({ node, hash: hashOf(node.node) }));
  }

  /** The first is the one that decides. */
  of(key: string, count: number): readonly OtherNode[] {
    const hash = hashOf(key);
    return this.#ranked
      .map((each) => ({ node: each.node, weight: mixed(hash, each.hash) }))
      .sort((a, b) => b.weight - a.weight || (a.node.start < b.node.start ? -1 : 1))
      .slice(0, count)
      .map(({ node }) => node);
  }
}

/** Clients choose keys, so it has to be a good hash. */
function hashOf(text: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8ToBytes(text));
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** The finalizer of MurmurHash3, by which every bit of both changes about half of the weight. */
function mixed(key: number, node: number): number {
  let bits = key ^ node;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
