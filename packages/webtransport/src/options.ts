import type { Counters } from "./counters.ts";
import type { WebTransportRequest } from "./request.ts";
import type { Timers } from "./timers.ts";

/** Limits to what a client may make the server keep. */
export interface Limits {
  /** Bytes of a request's headers, counted as RFC 9114, section 4.2.2, does. Default 16,384. */
  readonly maxFieldSectionSize: number;
  /** Milliseconds for a connection to ask for a session, from its first packet on. Default 10,000. */
  readonly requestTimeoutMs: number;
  /**
   * Milliseconds that a client has to answer the end of its session, or to ask again when it was
   * refused. Default 3,000.
   */
  readonly closeTimeoutMs: number;
  /**
   * Milliseconds from a client's answer to the end of the connection, which Chromium needs to tell its
   * page the code and reason: without them some pages learn only that the connection was lost. Default
   * 250.
   */
  readonly lingerMs: number;
  /** Datagrams of a session that QUIC may have been given and not yet taken. Default 16. */
  readonly maxPendingDatagrams: number;
  /** Streams of a session, each kind for itself, that the application has not taken. Default 64. */
  readonly maxWaitingStreams: number;
}

export const defaultLimits: Limits = {
  maxFieldSectionSize: 16_384,
  requestTimeoutMs: 10_000,
  closeTimeoutMs: 3_000,
  lingerMs: 250,
  maxPendingDatagrams: 16,
  maxWaitingStreams: 64,
};

export interface ConnectionOptions {
  readonly timers: Timers;
  readonly limits: Limits;
  readonly counters: Counters;
  /** Decides about a request, now or later; what it throws rejects it with 500. */
  handle(request: WebTransportRequest): void | Promise<void>;
  /** Is told what the application threw, or what went wrong in here. */
  report(error: unknown): void;
}
