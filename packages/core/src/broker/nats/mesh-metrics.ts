import { MeshCounters } from "./counters.ts";
import type { MeshBroker } from "./mesh.ts";

/** The part of a worker's broker that metrics are read from. */
type MeasuredMesh = Pick<MeshBroker, "counters" | "waitingBytes" | "downSince" | "heard">;

/** What a worker of a mesh exports; those of all workers are added up. */
export interface MeshMetric {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  read(mesh: MeasuredMesh): number;
}

const totalHelp = {
  sent: "Messages sent to NATS",
  repeated: "Messages sent to NATS once more, since nothing had confirmed them",
  received: "Publications of NATS that were delivered",
  duplicates: "Messages of NATS that were dropped since they had come before",
  invalid: "Messages of NATS that were dropped since they are no publications",
  refused: "Publications refused since NATS did not take them in time, or too much waited for it",
  missed: "Times that publications of other nodes may have been lost, and subscribers were told",
  filled: "Gaps in channels with history that were filled from the stream",
  late: "Publications that came so far behind others of their stream that clients were not told",
} as const satisfies Record<keyof MeshCounters, string>;

export const meshMetrics: readonly MeshMetric[] = [
  ...(Object.keys(new MeshCounters()) as (keyof MeshCounters)[]).map(
    (name): MeshMetric => ({
      type: "counter",
      name: `starling_nats_${name}_total`,
      help: totalHelp[name],
      read: ({ counters }) => counters[name],
    }),
  ),
  {
    type: "gauge",
    name: "starling_nats_waiting_bytes",
    help: "Bytes that wait for NATS to take them",
    read: ({ waitingBytes }) => waitingBytes,
  },
  {
    type: "gauge",
    name: "starling_nats_links",
    help: "Workers whose link to NATS is up",
    read: ({ downSince }) => (downSince === undefined ? 1 : 0),
  },
  {
    type: "gauge",
    name: "starling_nats_heard",
    help: "Workers of other nodes that were heard over NATS of late",
    read: ({ heard }) => heard,
  },
];
