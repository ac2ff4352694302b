import type { StockWay } from "./socket-io-client.ts";

/** Who takes part in a run; each number is one of clients or publishers. */
export interface Plan {
  readonly stock?: Readonly<Partial<Record<StockWay, number>>>;
  readonly streams?: number;
  /** Members with version 2 of the signalling protocol, every second of which publishes. */
  readonly members?: number;
  readonly oldMembers?: number;
  /** Members over WebTransport, every second of which publishes. */
  readonly quicMembers?: number;
  /** Members that take WebSocket or WebTransport, another one perhaps whenever they come back. */
  readonly switchingMembers?: number;
  /** Backends of each kind: with and without a kept connection, with and without keys. */
  readonly publishers?: number;
  /** Backends that publish straight over NATS. */
  readonly backends?: number;
  /** The namespace of the channels; default `demo`. */
  readonly namespace?: string;
  /** Whether nobody publishes as fast as he can, or much at a time: what a line far away can carry. */
  readonly isCalm?: boolean;
  /** Whether clients begin at one node after the other, and not anywhere. */
  readonly isSpread?: boolean;
  /** Whether clients go to another node whenever they come back. */
  readonly isRoaming?: boolean;
  /** What the channels keep; then clients ask for what they missed when they come back. */
  readonly history?: KeptHistory;
  /**
   * How long a client over WebTransport hears nothing before it takes the server for gone, ms; by
   * default QUIC finds that out.
   */
  readonly quicSilentMs?: number;
}

/** The options of a namespace that say what its channels keep. */
export interface KeptHistory {
  readonly historySize: number;
  readonly historyTtl: number;
}

/** Of a run that says nothing else. */
export const USUAL = {
  stock: { polling: 6, "polling-kept": 4, websocket: 12, upgrade: 8 },
  streams: 6,
  members: 6,
  oldMembers: 2,
  quicMembers: 4,
  switchingMembers: 2,
  publishers: 2,
  backends: 0,
  quicSilentMs: Number.POSITIVE_INFINITY,
} as const satisfies Plan;

/** Whether anybody connects over WebTransport. */
export function usesQuic(plan: Plan): boolean {
  const { quicMembers, switchingMembers } = { ...USUAL, ...plan };
  return quicMembers + switchingMembers > 0;
}
