/** What a worker's part of the mesh counts since its start; each field only grows. */
export class MeshCounters {
  /** Messages sent to NATS, and those that were sent once more. */
  sent = 0;
  repeated = 0;
  /** Messages of other nodes and back ends that were delivered. */
  received = 0;
  /** Messages that were seen before, and dropped. */
  duplicates = 0;
  /** Messages that were no publication, and dropped. */
  invalid = 0;
  /** Publications refused since NATS did not take them in time, or too much waited for it. */
  refused = 0;
  /** Times that publications of other nodes may have been lost, and subscribers were told. */
  missed = 0;
  /** Gaps in channels with history that were filled from the stream. */
  filled = 0;
  /** Publications that came so far behind others of their stream that cursors could not say so. */
  late = 0;
}
