import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";

/** What a worker listens on; twice the same where publishers and subscribers share a port. */
export interface Listening {
  readonly publisherPort: number;
  readonly subscriberPort: number;
  /** `https://host:port` of the publisher API. */
  readonly publisherUrl: string;
  /** `https://host:port` of the subscribers. */
  readonly subscriberUrl: string;
}

/** A place in a node: gateway workers have numbers, and the worker of the UDP port has a name. */
export type SlotName = number | "quic";

/** What a worker has to know beside the configuration. */
export interface WorkerSeat {
  /** Its place among the workers of its node, from 0; whoever takes over has the same. */
  readonly slot: SlotName;
  readonly worker: WorkerId;
  /** Path of the node's socket. */
  readonly socket: string;
  /** What the other workers listen on; undefined for the first, which binds what is configured. */
  readonly listening: Listening | undefined;
}

/** What a worker tells of itself, again and again. */
export interface WorkerReport {
  readonly connections: number;
  /** Resident memory. */
  readonly memoryBytes: number;
  /** Share of one core that it has used in the last seconds, from 0 to 1. */
  readonly cpu: number;
  /** Its connection to NATS; absent where none is configured. */
  readonly nats?: LinkReport;
}

export type WorkerMessage =
  | { readonly type: "ready"; readonly listening: Listening }
  | ({ readonly type: "report" } & WorkerReport)
  /** All clients are gone; what is left to do is for other workers. */
  | { readonly type: "drained" };

export type WorkerCommand =
  /** The whole node stops: drain. */
  | { readonly type: "stop" }
  /** Another worker has taken over: stop listening at once, drain. */
  | { readonly type: "leave" }
  /** Nobody needs a drained worker any more: exit. */
  | { readonly type: "end" }
  /** Why the node is not ready, though this worker may be; undefined when it is again. */
  | { readonly type: "degraded"; readonly reason: string | undefined };

/** How a process ended. */
export interface WorkerEnd {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last lines that it wrote to standard error; empty when there are none. */
  readonly lastWords: string;
}

/** A process that was started. */
export interface WorkerProcess {
  readonly pid: number;
  /** Commands to a process that is gone, or hangs, are dropped. */
  send(command: WorkerCommand): void;
  kill(): void;
}

export interface WorkerProcessEvents {
  message(message: WorkerMessage): void;
  /** Called once, after every message. */
  ended(end: WorkerEnd): void;
}

/** Starts a worker; no event comes before it has returned. */
export type SpawnWorker = (seat: WorkerSeat, events: WorkerProcessEvents) => WorkerProcess;

/** `signal SIGKILL` or `exit code 70`. */
export function describeEnd({ exitCode, signal }: WorkerEnd): string {
  return signal === null ? `exit code ${exitCode ?? "unknown"}` : `signal ${signal}`;
}
