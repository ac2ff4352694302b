/** Opens sessions that join a channel; answered with `opened`. */
export interface OpenCommand {
  readonly kind: "open";
  /** Origin of the server. */
  readonly url: string;
  /** SHA-256 of the server's certificate, base64. */
  readonly hash: string;
  /** Path and query of each session. */
  readonly paths: readonly string[];
  /** The channel of each session. */
  readonly channels: readonly string[];
  /** Whether a session joins by a signal that the server answers; else opening it is joining. */
  readonly speaksSignals: boolean;
  /** Version 2 has a stream for all but the states, several of which may share a datagram. */
  readonly version: 1 | 2;
  /** Sessions that may be in the making at the same time. */
  readonly window: number;
  readonly timeoutMs: number;
}

/** Some sessions send a state each, then the next ones; answered with `heard`. */
export interface FanOutCommand {
  readonly kind: "fan out";
  /** States a second. */
  readonly rate: number;
  /** States that are sent at the same time, each by another session. */
  readonly atOnce: number;
  readonly seconds: number;
}

/** All sessions send states, evenly spread over the time; answered with `sent`. */
export interface SendCommand {
  readonly kind: "send";
  /** States a second of each session. */
  readonly rate: number;
  readonly seconds: number;
}

/** Opens sessions that subscribe and have missed something; answered with `returned`. */
export interface ReturnCommand {
  readonly kind: "return";
  /** Origin of the server. */
  readonly url: string;
  /** SHA-256 of the server's certificate, base64. */
  readonly hash: string;
  /** Path and query of each session. */
  readonly paths: readonly string[];
  /** The channel of each session. */
  readonly channels: readonly string[];
  /** `EPOCH.OFFSET`, behind which they want everything; absent: they want nothing. */
  readonly since?: string | undefined;
  /** Messages that each is to get, numbered from 1. */
  readonly expected: number;
  /** Sessions that may be in the making at the same time. */
  readonly window: number;
  /** What opening one of them may take. */
  readonly timeoutMs: number;
  /** What the messages may take once all are open; what is missing then is lost. */
  readonly doneMs: number;
}

/** Closes all sessions; answered with `left`. */
export interface LeaveCommand {
  readonly kind: "leave";
}

export type QuicLoadCommand =
  | OpenCommand
  | FanOutCommand
  | SendCommand
  | ReturnCommand
  | LeaveCommand;

export interface Opened {
  readonly seconds: number;
}

export interface HeardStates {
  readonly sent: number;
  /** Of these, the states that nobody has heard: lost on their way to the server. */
  readonly unheard: number;
  readonly deliveries: number;
  /** Datagrams that brought them. */
  readonly datagrams: number;
  /** Bytes of the messages. */
  readonly bytes: number;
  /** Heard twice, out of order, or by their sender. */
  readonly wrong: number;
  /** Sessions that have ended. */
  readonly closed: number;
  /** From the first state to the last delivery. */
  readonly seconds: number;
  /** Milliseconds from sending to hearing. */
  readonly delay: { readonly median: number; readonly p99: number };
}

export interface SentStates {
  readonly sent: number;
  readonly closed: number;
}

export interface Returned {
  /** Why sessions were not let in, one for each. */
  readonly refusals: readonly string[];
  readonly lost: number;
  readonly doubled: number;
}

export type QuicLoadAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string }
  | ({ readonly kind: "opened" } & Opened)
  | ({ readonly kind: "heard" } & HeardStates)
  | ({ readonly kind: "sent" } & SentStates)
  | ({ readonly kind: "returned" } & Returned)
  | { readonly kind: "left" };
