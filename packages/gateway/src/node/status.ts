import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";
import type { HistoryCounts } from "../publish/node-stats.ts";
import type { WorkerState } from "./worker.ts";
import type { SlotName } from "./worker-process.ts";

/** One worker, or a slot that has none at the moment. */
export interface WorkerStatus {
  /** `gateway` serves TCP, `quic` WebTransport. */
  readonly kind: "gateway" | "quic";
  readonly slot: SlotName;
  readonly worker: number | null;
  readonly pid: number | null;
  /** `waiting` has no worker until the next try, `given up` will have none. */
  readonly state: WorkerState | "waiting" | "given up";
  readonly connections: number;
  /** Resident memory. */
  readonly memoryBytes: number;
  /** Share of one core that it has used in the last seconds, from 0 to 1. */
  readonly cpu: number;
  readonly uptimeMs: number;
  /** Its connection to NATS, as far as it has told of it; absent where none is configured. */
  readonly nats?: LinkReport;
  /** Why there is none, or was none until this one came; undefined where that is not known. */
  readonly reason?: string;
  /** How often the slot got another worker. */
  readonly restarts: number;
}

/** What `starling status` shows. */
export interface NodeStatus {
  readonly version: string;
  /** The process that `starling start` runs. */
  readonly pid: number;
  readonly uptimeMs: number;
  /** Whether workers are processes of their own. */
  readonly cluster: boolean;
  /** Whether `starling restart` is under way. */
  readonly restarting: boolean;
  /** Resident memory of the process that `starling start` runs. */
  readonly memoryBytes: number;
  readonly publisherUrl: string;
  readonly subscriberUrl: string;
  /** The connection to NATS over which nodes tell one another who is present; absent where none is configured. */
  readonly nats?: LinkReport;
  /** What all channels keep. */
  readonly history: HistoryCounts;
  readonly workers: readonly WorkerStatus[];
}
