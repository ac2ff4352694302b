import { clientAddresses, region } from "./value-types.ts";
import type { Variable } from "./variable.ts";

/** What a node says of itself to clients that choose one. */
export const meshVariables = {
  publicUrls: {
    name: "PUBLIC_URLS",
    group: "Cluster",
    type: clientAddresses(),
    default: undefined,
    otherwise: "`GET /v1/nodes` names no address of this node",
    description:
      "Where clients reach the subscribers' port of this very node from outside, the preferred address " +
      "first: `GET /v1/nodes` tells it to anybody. What the node listens on is never guessed from; see " +
      "[the nearest node](../guide/nearest.md).",
    source: "Starling",
  },
  region: {
    name: "MESH_REGION",
    group: "Cluster",
    type: region(),
    default: undefined,
    otherwise: "`GET /v1/nodes` names no region of this node",
    description: "Where this node is, in words of your own, such as `eu-west`: told to anybody.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
