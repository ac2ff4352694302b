/** What a node's part of the presence of the mesh counts since its start; each field only grows. */
export class MeshPresenceCounters {
  /** Messages sent to other nodes. */
  sent = 0;
  /** Messages not sent, since too much waited for NATS; what they said is asked for again. */
  dropped = 0;
  /** States and payloads that were too large for other nodes to be told. */
  oversized = 0;
  /** Messages of other nodes. */
  received = 0;
  /** Messages that could not be read. */
  invalid = 0;
  /** Channels asked for since something of them was missing. */
  repaired = 0;
  /** Nodes that were silent for the lease, or began anew. */
  lost = 0;
  /** Questions and nodes not taken note of, since there were too many. */
  refused = 0;
}
