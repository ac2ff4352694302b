import type { Answer } from "../../answer.ts";
import type { AfterTurn, Clock, Log, Random } from "../../ports.ts";
import type { Cancellation, WorkerId } from "../broker.ts";
import type { NodeMember, NodeSeat } from "../seat.ts";

/** Who asks the node a question of its own, such as for its status. */
export interface NodeQuestion {
  /** The worker that asks; undefined for the command line. */
  readonly worker: WorkerId | undefined;
  readonly cancellation: Cancellation;
  /** Sends news to the command line while the answer is made: anything that MessagePack can say. */
  progress(value: unknown): void;
}

export interface IpcServerOptions {
  readonly node: {
    join(member: NodeMember<Uint8Array>, worker: WorkerId): NodeSeat<Uint8Array>;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
  /** Answers what workers and the command line ask the node itself; may throw StarlingError. */
  readonly answer: (method: string, argument: unknown, question: NodeQuestion) => Answer<unknown>;
  /** Called when a worker has joined, and when its seat is given up, whatever the reason. */
  readonly joined?: (worker: WorkerId) => void;
  readonly left?: (worker: WorkerId) => void;
  /** Milliseconds for which a worker may be silent; default 10,000. */
  readonly leaseMs?: number;
  /** Bytes that may wait for one worker; default 16 MiB. */
  readonly maxQueuedBytes?: number;
}

/** What the node knows of a worker. */
export interface WorkerView {
  readonly worker: WorkerId;
  readonly bytesWaiting: number;
}
