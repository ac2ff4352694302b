import { shouldReconnect } from "@starling/protocol/close-codes.ts";
import { MAX_DATAGRAM_BYTES } from "@starling/protocol/signalling/datagrams.ts";
import type { Outgoing } from "./outgoing.ts";
import { SessionSocket, type SocketContext, type SocketOptions } from "./session-socket.ts";

/** A session of a client of version 1: each message is a datagram, in both directions. */
export class DatagramSocket extends SessionSocket {
  constructor(options: SocketOptions, context: SocketContext) {
    super(options, context);
    const { session, handler } = options;
    handler.opened(this);
    session.events = {
      datagram: (datagram) => {
        this.datagrams.heard();
        handler.message(this, datagram);
      },
      bidirectionalStream: ({ receive, send }) => {
        receive.cancel();
        void send.finish();
      },
      unidirectionalStream: (stream) => stream.cancel(),
      closed: ({ closeCode }) => handler.closed(this, closeCode),
    };
  }

  /** What is lost on its way to a client that was promised nothing is no reason to cut it off. */
  enqueue(message: Outgoing): number {
    const { counters, log } = this.context;
    if (message.length <= MAX_DATAGRAM_BYTES) {
      this.putDatagram(message);
    } else {
      counters.datagramsTooLarge++;
      log.debug({ bytes: message.length }, "a message is too large for a datagram");
    }
    return 1;
  }

  getBufferedAmount(): number {
    return 0;
  }

  /**
   * The published client takes every end that has a code for the one that its page wanted, and comes
   * back only where the connection was lost.
   */
  close(code: number, reason: string): void {
    if (shouldReconnect(code)) this.session.terminate();
    else this.session.close({ closeCode: code, reason });
  }
}
