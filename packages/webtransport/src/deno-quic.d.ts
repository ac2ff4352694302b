/** The part of Deno's QUIC interface (2.9, `--unstable-net`) that src/deno.ts uses. */
declare namespace Deno {
  interface QuicAddr {
    readonly hostname: string;
    readonly port: number;
  }

  interface QuicListenOptions {
    cert: string;
    key: string;
    alpnProtocols: string[];
    keepAliveInterval?: number;
    maxIdleTimeout?: number;
    maxConcurrentBidirectionalStreams?: number;
    maxConcurrentUnidirectionalStreams?: number;
  }

  interface QuicCloseInfo {
    closeCode: number;
    reason: string;
  }

  class QuicEndpoint {
    constructor(options: { hostname: string; port: number });
    readonly addr: QuicAddr;
    listen(options: QuicListenOptions): QuicListener;
    close(info?: QuicCloseInfo): void;
  }

  interface QuicListener {
    incoming(): Promise<QuicIncoming>;
  }

  interface QuicIncoming {
    accept(options: { zeroRtt: true }): QuicConn;
    refuse(): void;
  }

  interface QuicConn {
    readonly remoteAddr: QuicAddr;
    readonly handshake: Promise<void>;
    readonly closed: Promise<QuicCloseInfo>;
    readonly maxDatagramSize: number;
    readonly incomingBidirectionalStreams: ReadableStream<QuicBidirectionalStream>;
    readonly incomingUnidirectionalStreams: ReadableStream<QuicReceiveStream>;
    createBidirectionalStream(): Promise<QuicBidirectionalStream>;
    createUnidirectionalStream(): Promise<QuicSendStream>;
    readDatagram(): Promise<Uint8Array<ArrayBuffer>>;
    sendDatagram(data: Uint8Array): Promise<void>;
    close(info: QuicCloseInfo): void;
  }

  interface QuicBidirectionalStream {
    readonly readable: QuicReceiveStream;
    readonly writable: QuicSendStream;
  }

  interface QuicReceiveStream extends ReadableStream<Uint8Array<ArrayBuffer>> {
    readonly id: bigint;
  }

  interface QuicSendStream extends WritableStream<Uint8Array> {
    readonly id: bigint;
  }
}
