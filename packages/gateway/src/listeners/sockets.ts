import { TURN_BYTES } from "@starling/core/limits/connection-limits.ts";
import type { Fanout } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { Server, WebSocketHandler } from "bun";

export interface SocketOptions {
  /** Bytes of the largest message a client may send. */
  readonly maxPayloadBytes: number;
  /** Bytes that may wait for one client before messages to it are dropped. */
  readonly slowConsumerBytes: number;
}

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

/** Native fan-out over the server that listens. */
export class BunFanout implements Fanout {
  #server: Server<SocketHandler> | undefined;

  /** The server whose sockets the next publish reaches. */
  use(server: Server<SocketHandler>): void {
    this.#server = server;
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.#server?.publish(topic, message) ?? 0;
  }
}
