import type { Counters } from "./counters.ts";
import type { QuicReceiveStream, QuicSendStream } from "./quic.ts";
import type { WebTransportSession } from "./session.ts";

/** A stream of a session, behind the bytes that say so. */
export interface SessionStream {
  readonly receive: QuicReceiveStream;
  /** Undefined where only the client writes. */
  readonly send: QuicSendStream | undefined;
  /** What came together with the beginning of the stream. */
  readonly early: Uint8Array<ArrayBuffer>;
}

/**
 * Streams that came before their session was accepted, as QUIC keeps no order between streams:
 * draft-ietf-webtrans-http3, section 4.6.
 */
export class EarlyStreams {
  readonly #limit: number;
  readonly #counters: Counters;
  readonly #streams: { readonly session: number; readonly stream: SessionStream }[] = [];

  constructor(limit: number, counters: Counters) {
    this.#limit = limit;
    this.#counters = counters;
  }

  keep(session: number, stream: SessionStream): void {
    if (this.#streams.length < this.#limit) this.#streams.push({ session, stream });
    else this.discard(stream);
  }

  /** The session is open: it gets its streams, and others have no session. */
  giveTo(session: WebTransportSession): void {
    for (const { session: id, stream } of this.#streams.splice(0)) {
      if (id === session.id) deliver(stream, session);
      else this.discard(stream);
    }
  }

  drop(): void {
    for (const { stream } of this.#streams.splice(0)) this.discard(stream);
  }

  /** Tells the client that nobody wants the stream. */
  discard({ receive, send }: SessionStream): void {
    this.#counters.streamsDropped++;
    receive.cancel();
    void send?.finish();
  }
}

export function deliver({ receive, send, early }: SessionStream, session: WebTransportSession) {
  if (send === undefined) session.receiveUnidirectional(receive, early);
  else session.receiveBidirectional({ receive, send }, early);
}
