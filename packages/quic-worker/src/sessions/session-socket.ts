import type { Clock, Log, MessageSocket } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { WebTransportSession } from "@starling/webtransport/session.ts";
import type { TransportCounters } from "../counters.ts";
import type { DatagramBatches } from "./datagram-batches.ts";
import { DatagramQueue } from "./datagram-queue.ts";
import type { Receiver, SessionFanout } from "./fanout.ts";
import { type Outgoing, outgoing } from "./outgoing.ts";
import type { Paced, Pacer } from "./pacer.ts";

/** What the sockets of a worker share. */
export interface SocketContext {
  readonly fanout: SessionFanout;
  readonly pacer: Pacer;
  readonly batches: DatagramBatches;
  readonly counters: TransportCounters;
  readonly clock: Clock;
  readonly log: Log;
  /** Bytes that may wait for one client; what comes then is dropped. */
  readonly slowConsumerBytes: number;
  /** Bytes of the largest message of a client. */
  readonly maxMessageBytes: number;
  /** Milliseconds that a client has to open its stream. */
  readonly openTimeoutMs: number;
}

/** What is used of a session. */
export type Session = Pick<WebTransportSession, "sendDatagram" | "close" | "terminate" | "events">;

export interface SocketOptions {
  readonly session: Session;
  readonly handler: SocketHandler;
  /** Milliseconds in which the client has promised to send something; 0 where it has not. */
  readonly heartbeatMs: number;
}

/** What `ponged` is told, since nothing was measured. */
const NO_PAYLOAD = new Uint8Array(0);

/** A WebTransport session as the core knows connections. */
export abstract class SessionSocket implements MessageSocket, Receiver, Paced {
  protected readonly context: SocketContext;
  protected readonly session: Session;
  protected readonly handler: SocketHandler;
  protected readonly datagrams: DatagramQueue;
  /** Whether the pacer will flush it. */
  #isPaced = false;

  /** @param batches of a client that takes several messages in one datagram */
  constructor(
    { session, handler, heartbeatMs }: SocketOptions,
    context: SocketContext,
    batches?: DatagramBatches,
  ) {
    this.context = context;
    this.session = session;
    this.handler = handler;
    const { counters, clock } = context;
    this.datagrams = new DatagramQueue({ session, counters, clock, heartbeatMs, batches });
  }

  abstract enqueue(message: Outgoing, mayBeLost: boolean): number;
  abstract getBufferedAmount(): number;
  abstract close(code: number, reason: string): void;

  get hasMore(): boolean {
    return !this.datagrams.isEmpty;
  }

  flush(): number {
    const packets = this.datagrams.flush();
    this.#isPaced = this.hasMore;
    return packets;
  }

  send(message: string | Uint8Array): number {
    return this.enqueue(outgoing(message), false);
  }

  sendUnreliable(message: string | Uint8Array): number {
    return this.enqueue(outgoing(message), true);
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.context.fanout.hand(topic, message, false, this);
  }

  publishUnreliable(topic: string, message: string | Uint8Array): number {
    return this.context.fanout.hand(topic, message, true, this);
  }

  subscribe(topic: string): void {
    this.context.fanout.subscribe(topic, this);
  }

  unsubscribe(topic: string): void {
    this.context.fanout.unsubscribe(topic, this);
  }

  /** QUIC itself asks for signs of life, and ends the session of a client that gives none. */
  ping(): number {
    this.handler.ponged?.(this, NO_PAYLOAD);
    return 1;
  }

  terminate(): void {
    this.session.terminate();
  }

  /** Has the message sent as a datagram. */
  protected putDatagram(message: Outgoing): void {
    this.datagrams.put(message);
    if (this.#isPaced) return;
    this.#isPaced = true;
    this.context.pacer.add(this);
  }
}
