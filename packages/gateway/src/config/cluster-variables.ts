import { flag, instances, wholeNumber } from "./value-types.ts";
import type { Variable } from "./variable.ts";

const HOUR_MS = 3_600_000;

/** The variables of one node's processes. */
export const clusterVariables = {
  clusterMode: {
    name: "CLUSTER_MODE",
    group: "Cluster",
    type: flag(),
    default: "0",
    description:
      "1 serves with several processes on the same ports, which one more process supervises; see " +
      "[several processes](../guide/running.md#several-processes). 0 is one process.",
    source: "the documented earlier generation",
  },
  clusterInstances: {
    name: "CLUSTER_INSTANCES",
    group: "Cluster",
    type: instances(),
    default: "max",
    description:
      "How many processes serve where `CLUSTER_MODE` is 1. Cores are those that the process may " +
      "use; there is one process at least.",
    source: "the documented earlier generation",
  },
  presenceLeaseMs: {
    name: "PRESENCE_LEASE",
    group: "Cluster",
    type: wholeNumber(1_000, HOUR_MS),
    unit: "milliseconds",
    default: "10000",
    description:
      "How long a process of the cluster may be silent. One that hangs for longer is killed and " +
      "replaced, and the members that it had leave their channels. The same holds for a node of a mesh, " +
      "whose members leave on the others.",
    source: "Starling",
  },
} as const satisfies Record<string, Variable>;
