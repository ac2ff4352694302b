import type { Fanout } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { Server, WebSocketHandler } from "bun";

export interface SocketOptions {
  /** Bytes of the largest message a client may send. */
  readonly maxPayloadBytes: number;
  /** Bytes that may wait for one client before messages to it are dropped. */
  readonly slowConsumerBytes: number;
}

/**
 * What one turn of the event loop may add to a buffer before the hub looks at it. Above its limit
 * the runtime drops what was published without a word, so the limit must never be reached first.
 */
const TURN_BYTES = 16_777_216;

/** Hands the events of every native socket to the session behind it. */
export function socketHandlers(options: SocketOptions): WebSocketHandler<SocketHandler> {
  return {
    open: (socket) => socket.data.opened(socket),
    message: (socket, message) => socket.data.message(socket, message),
    drain: (socket) => socket.data.drained(socket),
    pong: (socket, payload) => socket.data.ponged?.(socket, payload),
    close: (socket, code) => socket.data.closed(socket, code),
    maxPayloadLength: options.maxPayloadBytes,
    backpressureLimit: options.slowConsumerBytes + TURN_BYTES,
    closeOnBackpressureLimit: false,
    // The heartbeats of the protocols find dead peers, in time and with the right close code.
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
  };
}

/** Native fan-out over the servers that listen at the moment. */
export class BunFanout implements Fanout {
  #servers: readonly Server<SocketHandler>[] = [];

  /** The servers whose sockets the next publish reaches. */
  use(...servers: readonly Server<SocketHandler>[]): void {
    this.#servers = servers;
  }

  publish(topic: string, message: string | Uint8Array): number {
    const [server, ...others] = this.#servers;
    if (server === undefined) return 0;
    if (others.length === 0) return server.publish(topic, message);
    return Math.min(...this.#servers.map((each) => each.publish(topic, message)));
  }
}
