import type { Counters } from "./counters.ts";
import { IncomingQueue } from "./incoming-queue.ts";
import type { QuicConnection } from "./quic.ts";
import { concatenate } from "./records.ts";
import { encodeVarint, varintLength } from "./varint.ts";

/**
 * What became of a datagram: handed to QUIC, which may still lose it; not sent because too many of
 * the session wait; not sent because it is too large, or the session takes none.
 */
export type DatagramOutcome = "accepted" | "skipped" | "refused";

/** Datagrams that the application has not read; then the oldest goes, as the W3C has it. */
const MAX_WAITING = 64;

/** One payload for many sessions, put into its frame once and not once a session. */
export class SharedDatagram {
  readonly payload: Uint8Array;
  #session: number | undefined;
  #frame = new Uint8Array(0);

  constructor(payload: Uint8Array) {
    this.payload = payload;
  }

  /** The QUIC datagram for a session (RFC 9297, section 2.1). */
  frameFor(session: number): Uint8Array {
    if (session !== this.#session) {
      this.#session = session;
      this.#frame = concatenate([encodeVarint(session / 4), this.payload]);
    }
    return this.#frame;
  }
}

export interface DatagramsOptions {
  readonly quic: QuicConnection;
  readonly session: number;
  /** Whether the client takes any. */
  readonly isEnabled: boolean;
  /** Datagrams that QUIC may have been given and not yet taken. */
  readonly maxPending: number;
  readonly counters: Counters;
}

/** The datagrams of a session, both ways. */
export class Datagrams {
  readonly #options: DatagramsOptions;
  readonly #incoming: IncomingQueue<Uint8Array>;
  #writable: WritableStream<Uint8Array> | undefined;
  #pending = 0;
  #isEnded = false;

  constructor(options: DatagramsOptions) {
    this.#options = options;
    this.#incoming = new IncomingQueue(MAX_WAITING, "oldest", () => {
      options.counters.datagramsDropped++;
    });
  }

  /** Bytes that one can carry now; 0 where the client takes none. Changes with the path. */
  get maxDatagramSize(): number {
    const { quic, session, isEnabled } = this.#options;
    if (!isEnabled || this.#isEnded) return 0;
    return Math.max(0, quic.maxDatagramSize - varintLength(encodeVarint(session / 4)[0] ?? 0));
  }

  /** Sends one, without waiting for anything. */
  send(datagram: Uint8Array | SharedDatagram): DatagramOutcome {
    const { quic, session, isEnabled, maxPending, counters } = this.#options;
    const shared = datagram instanceof SharedDatagram ? datagram : new SharedDatagram(datagram);
    if (this.#isEnded || !isEnabled) {
      counters.datagramsRefused++;
      return "refused";
    }
    if (this.#pending >= maxPending) {
      counters.datagramsSkipped++;
      return "skipped";
    }
    const frame = shared.frameFor(session);
    if (frame.length > quic.maxDatagramSize) {
      counters.datagramsRefused++;
      return "refused";
    }
    this.#pending++;
    quic.sendDatagram(frame, this.#done);
    return "accepted";
  }

  /** Those of the client; while there is a listener for them it gets none. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#incoming.readable;
  }

  /** Sends each chunk; one that cannot be sent is lost, as any datagram may be. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream({
      write: (datagram) => {
        this.send(datagram);
      },
    });
    return this.#writable;
  }

  /** @internal */
  set listener(listener: ((datagram: Uint8Array) => void) | undefined) {
    this.#incoming.listener = listener;
  }

  /** @internal */
  receive(payload: Uint8Array): void {
    this.#options.counters.datagramsReceived++;
    this.#incoming.push(payload);
  }

  /** @internal */
  end(): void {
    this.#isEnded = true;
    this.#incoming.end();
  }

  readonly #done = (isTaken: boolean): void => {
    this.#pending--;
    if (isTaken) this.#options.counters.datagramsSent++;
    else this.#options.counters.datagramsRefused++;
  };
}
