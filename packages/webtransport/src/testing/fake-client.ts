import { Http3Connection } from "../connection.ts";
import { newCounters } from "../counters.ts";
import { encodeFrame, FrameType } from "../http3/frames.ts";
import { defaultLimits, type Limits } from "../options.ts";
import { encodeFieldSection } from "../qpack/encoder.ts";
import type { Field } from "../qpack/static-table.ts";
import { concatenate } from "../records.ts";
import type { WebTransportRequest } from "../request.ts";
import type { WebTransportSession } from "../session.ts";
import { encodeVarint } from "../varint.ts";
import { hex, settle } from "./bytes.ts";
import { FakeConnection, type FakeSource, type FakeStream } from "./fake-quic.ts";
import { FakeTimers } from "./fake-timers.ts";

/** The beginning of a browser's control stream: its type, and settings with datagrams. */
export const CONTROL = hex("00 04 0b 3301 ab603742 01 0100 0700");

/** What a browser asks with. */
export const CONNECT_FIELDS: readonly Field[] = [
  [":method", "CONNECT"],
  [":scheme", "https"],
  [":authority", "example.org"],
  [":path", "/chat?x=1"],
  [":protocol", "webtransport"],
  ["sec-webtransport-http3-draft02", "1"],
  ["origin", "https://example.org"],
];

export function headersFrame(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  return encodeFrame(FrameType.HEADERS, encodeFieldSection(fields));
}

export function capsule(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = concatenate([encodeVarint(type), encodeVarint(value.length), value]);
  return encodeFrame(FrameType.DATA, bytes);
}

export interface FakeClientOptions {
  readonly handle?: (request: WebTransportRequest) => void | Promise<void>;
  readonly chunkSize?: () => number;
  readonly limits?: Partial<Limits>;
  /** Whether the handshake is over. Default: true. */
  readonly isOpen?: boolean;
}

/** A connection of the server with a client in the test's hands. */
export class FakeClient {
  readonly quic: FakeConnection;
  readonly timers = new FakeTimers();
  readonly counters = newCounters();
  readonly connection: Http3Connection;
  /** What the server reported as faults of the application or of itself. */
  readonly reports: unknown[] = [];
  readonly requests: WebTransportRequest[] = [];
  readonly sessions: WebTransportSession[] = [];
  hasEnded = false;

  /** Requests are accepted unless `handle` says otherwise. */
  constructor({ handle, chunkSize, limits, isOpen = true }: FakeClientOptions = {}) {
    this.quic = new FakeConnection(chunkSize);
    if (isOpen) this.quic.open();
    this.connection = new Http3Connection(this.quic, {
      timers: this.timers,
      limits: { ...defaultLimits, ...limits },
      counters: this.counters,
      report: (error) => this.reports.push(error),
      handle: (request) => {
        this.requests.push(request);
        if (handle !== undefined) return handle(request);
        const session = request.accept();
        if (session !== undefined) this.sessions.push(session);
      },
    });
    void this.connection.run().then(() => {
      this.hasEnded = true;
    });
  }

  /** The code with which the server closed the connection. */
  get closeCode(): number | undefined {
    return this.quic.closedWith?.code;
  }

  control(...more: readonly Uint8Array[]): FakeSource {
    return this.quic.unidirectional().send(CONTROL, ...more);
  }

  request(fields: readonly Field[] = CONNECT_FIELDS): FakeStream {
    const stream = this.quic.bidirectional();
    stream.receive.send(headersFrame(fields));
    return stream;
  }

  /** Sends settings and a request; the session, and the stream that carries it. */
  async connect(): Promise<{ session: WebTransportSession; stream: FakeStream }> {
    this.control();
    const stream = this.request();
    await settle();
    const session = this.sessions[0];
    if (session === undefined)
      throw new Error(`no session: ${JSON.stringify(this.quic.closedWith)}`);
    return { session, stream };
  }
}
