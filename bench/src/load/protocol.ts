/** Opens subscribers; answered with `Connected`. */
export interface ConnectCommand {
  readonly kind: "connect";
  readonly peer: string;
  readonly url: string;
  readonly count: number;
  /** All subscribers in the room of this user; absent: each has an id of its own. */
  readonly user?: string;
  /** Connections that may be in the making at the same time. */
  readonly window: number;
  readonly timeoutMs: number;
}

/** Opens long-polling subscribers in the room of one user; answered with `Connected`. */
export interface PollCommand {
  readonly kind: "poll";
  readonly url: string;
  /** A multiple of `workers`, so that each has as many. */
  readonly count: number;
  readonly user: string;
  /** Workers of the node; 0 or 1: the one process that listens. */
  readonly workers: number;
  /** Whether the polls of a session land at the worker that it belongs to, or at another one. */
  readonly place: "own" | "other";
  /** Connections that may be in the making at the same time. */
  readonly window: number;
}

/** Closes all subscribers and forgets what was counted; answered with `left`. */
export interface LeaveCommand {
  readonly kind: "leave";
}

/** Publishes to the room `channel` tick by tick and awaits every delivery; answered with `Published`. */
export interface PublishCommand {
  readonly kind: "publish";
  readonly peer: string;
  readonly url: string;
  readonly channel: string;
  readonly ticks: number;
  /** The least time between two ticks. */
  readonly tickMs: number;
  /** Messages in one tick; more than one are sent as one batch. */
  readonly perTick: number;
  readonly payloadBytes: number;
  /** How long a tick's deliveries may take before they count as lost. */
  readonly timeoutMs: number;
}

/** Lets members join one channel as fast as the server takes them; answered with `Entered`. */
export interface EnterCommand {
  readonly kind: "enter";
  readonly peer: string;
  readonly url: string;
  readonly channel: string;
  readonly count: number;
  /** Members that may be joining at the same time. */
  readonly window: number;
  readonly timeoutMs: number;
  /**
   * What a member says after it has joined: nothing; that it is there, and its state; or that, and
   * its state once more whenever another says that it is there, as published clients do.
   */
  readonly dance: "none" | "announced" | "answered";
}

/** Lets members of a channel send states; answered with `Moved`. */
export interface MoveCommand {
  readonly kind: "move";
  readonly channel: string;
  /** Members that send at a time; every second it is the turn of others. */
  readonly active: number;
  /** States a second of each of them. */
  readonly rate: number;
  /** Whether all of them send at the same moment; else evenly spread. */
  readonly atOnce: boolean;
  readonly seconds: number;
}

/** What members have heard. */
export interface HeardCounts {
  /** `peer_online` and `peer_state`, all members together. */
  readonly deliveries: number;
  /** WebSocket payload bytes of these. */
  readonly bytes: number;
  /** Signals that came twice, out of order, or back to their sender. */
  readonly wrong: number;
  /** Connections that the server ended. */
  readonly closed: number;
}

export interface Entered extends HeardCounts {
  /** Until the last one has joined. */
  readonly joinedSeconds: number;
  /** Until the last signal was heard. */
  readonly seconds: number;
  /** Pairs of members who do not know of one another as they should. */
  readonly strangers: number;
}

export interface Moved extends HeardCounts {
  readonly sent: number;
  /** States that were due, but the sender's connection was gone or took nothing. */
  readonly unsent: number;
  /** From the first state to the last delivery. */
  readonly seconds: number;
  /** Pairs of connected members of which one lacks the latest state of the other. */
  readonly outdated: number;
  /** Milliseconds from sending to hearing. */
  readonly delay: { readonly median: number; readonly p99: number };
}

/** Asks for the counters; answered with `Counters`. */
export interface CountCommand {
  readonly kind: "count";
}

export type LoadCommand =
  | ConnectCommand
  | PollCommand
  | LeaveCommand
  | PublishCommand
  | CountCommand
  | EnterCommand
  | MoveCommand;

export interface Counters {
  /** Publications received by all connections together since they were opened. */
  readonly deliveries: number;
  /** Bytes of the messages that carried these publications, without the framing around them. */
  readonly bytes: number;
  readonly open: number;
  /** Connections that the server ended. */
  readonly closed: number;
}

export interface Published {
  readonly sent: number;
  readonly seconds: number;
  /** Deliveries and bytes of this run alone. */
  readonly deliveries: number;
  readonly bytes: number;
}

export type LoadAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "connected"; readonly seconds: number }
  | { readonly kind: "left" }
  | ({ readonly kind: "published" } & Published)
  | ({ readonly kind: "counted" } & Counters)
  | ({ readonly kind: "entered" } & Entered)
  | ({ readonly kind: "moved" } & Moved);
