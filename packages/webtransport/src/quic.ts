/**
 * What the server asks of a QUIC implementation (RFC 9000, and RFC 9221 for datagrams).
 *
 * Nothing here rejects or throws because of what a peer does: outcomes are values, so that no peer
 * can cause an unhandled rejection. Resetting a stream is no part of it, because not every
 * implementation can.
 */

/** Where a peer is. */
export interface QuicAddress {
  readonly hostname: string;
  readonly port: number;
}

/** How a connection ended. */
export interface QuicClose {
  /** The application's error code; 0 where the connection was lost. */
  readonly code: number;
  readonly reason: string;
}

/** How the peer's side of a stream ended: with all of its data, or broken off. */
export type StreamEnd = "finished" | "reset";

/** The receiving side of a stream. One read at a time. */
export interface QuicReceiveStream {
  /** RFC 9000, section 2.1; exact below 2^53. */
  readonly id: number;
  /**
   * Reads at least one byte into `into`, whose buffer it takes over: the bytes of the answer lie in
   * the same memory, and its `buffer` is good for the next read.
   */
  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | StreamEnd>;
  /** Wants no more data (STOP_SENDING); a read that is under way ends. */
  cancel(): void;
}

/** The sending side of a stream. Writes may overlap and keep their order. */
export interface QuicSendStream {
  readonly id: number;
  /** Answers, once QUIC has taken the bytes, whether it did: not if the peer wants no more of them. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Ends the stream after what was written (FIN). */
  finish(): Promise<void>;
}

export interface QuicBidirectionalStream {
  readonly receive: QuicReceiveStream;
  readonly send: QuicSendStream;
}

/** A connection that a peer opened. */
export interface QuicConnection {
  readonly remoteAddress: QuicAddress;
  /** Settles when the handshake is over, or has failed: then `closed` settles too. */
  readonly handshake: Promise<void>;
  readonly closed: Promise<QuicClose>;
  /** Bytes that one datagram can carry now; 0 where the peer takes none. */
  readonly maxDatagramSize: number;
  /** The next stream that the peer opened; undefined once the connection has ended. */
  acceptBidirectional(): Promise<QuicBidirectionalStream | undefined>;
  acceptUnidirectional(): Promise<QuicReceiveStream | undefined>;
  /** Opens a stream; undefined where the peer allows no more, or the connection has ended. */
  openBidirectional(): Promise<QuicBidirectionalStream | undefined>;
  openUnidirectional(): Promise<QuicSendStream | undefined>;
  /** Calls back with each datagram from now on. To be called once. */
  receiveDatagrams(receive: (datagram: Uint8Array) => void): void;
  /**
   * Sends a datagram and calls back, never before it returns, when QUIC has taken or refused it.
   * The bytes are read before it returns.
   */
  sendDatagram(datagram: Uint8Array, done: (isTaken: boolean) => void): void;
  /** Ends the connection at once, and all that is under way with it. */
  close(code: number, reason: string): void;
}

/** A connection that waits to be accepted. One of the two methods is called, once. */
export interface QuicIncoming {
  /** Begins the handshake and does not wait for it. Undefined where the peer has gone already. */
  accept(): QuicConnection | undefined;
  refuse(): void;
}

/** A UDP socket that takes connections. */
export interface QuicEndpoint {
  readonly address: QuicAddress;
  /** The next connection; undefined once the endpoint has closed. */
  incoming(): Promise<QuicIncoming | undefined>;
  /** Ends every connection; settles when the peers have been told. */
  close(): Promise<void>;
}
