/** What a node counts of the hooks of its mesh since its start; each field only grows. */
export class MeshHookCounters {
  /** Times that this node began to send. */
  takeovers = 0;
  /** Times that the node had to ask for everything that the sender knows. */
  resyncs = 0;
  /** Events that waited for a receiver and that the next sender would not have repeated, since too many did. */
  forgotten = 0;
  /** Messages of NATS that could not be read. */
  invalid = 0;
}

/** How a node stands among those that share its hooks. */
export interface MeshHookCounts extends Readonly<MeshHookCounters> {
  /** 1 where it is the one that sends. */
  readonly sends: number;
  /** 1 where it could send on what the sender knows. */
  readonly informed: number;
  /** Subscribed channels, members and connections of all nodes that it knows. */
  readonly facts: number;
  /** Events that the next sender would repeat. */
  readonly pending: number;
  /** Own changes that it keeps since the receivers may not know of them. */
  readonly kept: number;
  /** Own changes that nobody is told of, since too many were kept. */
  readonly dropped: number;
}
