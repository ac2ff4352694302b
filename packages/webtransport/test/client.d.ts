/** The part of the W3C's client, as Deno has it, that deno-client.ts uses. */
declare class WebTransport {
  constructor(
    url: string,
    options: { serverCertificateHashes: { algorithm: string; value: Uint8Array }[] },
  );
  readonly ready: Promise<void>;
  readonly closed: Promise<unknown>;
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array>;
  };
  readonly incomingBidirectionalStreams: ReadableStream<ClientStream>;
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>;
  createBidirectionalStream(): Promise<ClientStream>;
  createUnidirectionalStream(): Promise<WritableStream<Uint8Array>>;
  close(info: { closeCode: number; reason: string }): void;
}

interface ClientStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

declare namespace Deno {
  /** The end of a QUIC connection that opens it. */
  function connectQuic(options: {
    hostname: string;
    port: number;
    alpnProtocols: string[];
    caCerts: string[];
  }): Promise<QuicConn>;
}
