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

/** Asks for the counters; answered with `Counters`. */
export interface CountCommand {
  readonly kind: "count";
}

export type LoadCommand = ConnectCommand | PublishCommand | CountCommand;

export interface Counters {
  /** Publications received by all connections together since they were opened. */
  readonly deliveries: number;
  /** WebSocket payload bytes of these publications. */
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
  | ({ readonly kind: "published" } & Published)
  | ({ readonly kind: "counted" } & Counters);
