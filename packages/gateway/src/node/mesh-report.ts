import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";
import type { NodeNotice } from "@starling/core/mesh-directory/notice.ts";

/** A node as the one that was asked sees it; of one that says nothing of itself only that it is there. */
export interface ReportedNode extends Partial<NodeNotice> {
  /** Its `MESH_ID`. */
  readonly id: string;
  /** Whether it is the one that was asked. */
  readonly isOwn: boolean;
  /** Milliseconds over NATS to it and back; null for the own node, and where no answer came. */
  readonly rttMs: number | null;
}

/** What `starling mesh` shows. */
export interface MeshReport {
  /** The connection over which nodes know of one another; null where no NATS is configured. */
  readonly nats: LinkReport | null;
  /** The own node comes first. */
  readonly nodes: readonly ReportedNode[];
}
