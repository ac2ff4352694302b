import type { Clock } from "@starling/core/ports.ts";
import type { WebTransportSession } from "@starling/webtransport/session.ts";
import type { TransportCounters } from "../counters.ts";
import type { DatagramBatches } from "./datagram-batches.ts";
import type { Outgoing } from "./outgoing.ts";

/** Messages that may wait for their turn. */
const MAX_WAITING = 256;
/** Datagrams of one session in one turn: QUIC is not given more before it has taken them. */
const MAX_AT_ONCE = 16;
/** How much later than promised a client's sign of life may come, in milliseconds. */
const LATE_MS = 1_500;

export interface DatagramQueueOptions {
  readonly session: Pick<WebTransportSession, "sendDatagram">;
  readonly counters: TransportCounters;
  readonly clock: Pick<Clock, "now">;
  /** Milliseconds in which the client has promised to send something; 0 where it has not. */
  readonly heartbeatMs: number;
  /** Puts several messages into one datagram; undefined for a client that knows one in each only. */
  readonly batches: DatagramBatches | undefined;
}

/**
 * The messages that a session is to be sent as datagrams.
 *
 * QUIC keeps a megabyte of them for a client that takes none, so one that has promised signs of life
 * is sent nothing while they are late.
 */
export class DatagramQueue {
  readonly #options: DatagramQueueOptions;
  #waiting: Outgoing[] = [];
  #heardAt: number;

  constructor(options: DatagramQueueOptions) {
    this.#options = options;
    this.#heardAt = options.clock.now();
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** The client has sent something. */
  heard(): void {
    if (this.#options.heartbeatMs > 0) this.#heardAt = this.#options.clock.now();
  }

  put(message: Outgoing): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(message);
    else this.#options.counters.datagramsOverflowed++;
  }

  /** Answers how many were sent. */
  flush(): number {
    const { session, counters, batches } = this.#options;
    if (this.#isLate) {
      counters.datagramsWithheld += this.#waiting.length;
      this.#waiting = [];
      return 0;
    }
    const waiting = this.#waiting;
    let [sent, at] = [0, 0];
    for (; sent < MAX_AT_ONCE && at < waiting.length; sent++) {
      const count = batches === undefined ? 1 : batches.count(waiting, at);
      const alone = count === 1 ? waiting[at] : undefined;
      const datagram = alone?.datagram ?? batches?.of(waiting, at, count);
      if (datagram !== undefined) session.sendDatagram(datagram);
      at += count;
    }
    this.#waiting = at === waiting.length ? [] : waiting.slice(at);
    return sent;
  }

  get #isLate(): boolean {
    const { heartbeatMs, clock } = this.#options;
    return heartbeatMs > 0 && clock.now() - this.#heardAt > heartbeatMs + LATE_MS;
  }
}
