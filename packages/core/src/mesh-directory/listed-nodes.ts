import { decodeNotice, type NodeNotice } from "./notice.ts";

/** Nodes of a mesh that clients are told of. */
export const MAX_LISTED = 256;

/** What clients are told of a node: nothing of its private addresses, its links or its version. */
export interface ListedNode {
  readonly id: string;
  readonly region: string | null;
  readonly addresses: readonly string[];
  readonly connections: number;
  readonly load: number;
  readonly draining: boolean;
}

/** A node that says of itself what is in the text. */
export interface NotedNode {
  readonly node: string;
  readonly about: string;
}

/** The node itself comes first, the others follow in the order of their names; who says nothing is left out. */
export function listedNodes(
  own: string,
  notice: NodeNotice,
  others: Iterable<NotedNode>,
): ListedNode[] {
  const listed = [...others]
    .flatMap(({ node, about }) => {
      const told = decodeNotice(about);
      return told === undefined ? [] : [listedNode(node, told)];
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return [listedNode(own, notice), ...listed].slice(0, MAX_LISTED);
}

function listedNode(id: string, notice: NodeNotice): ListedNode {
  const { region = null, addresses, connections, load, draining } = notice;
  return { id, region, addresses, connections, load, draining };
}
