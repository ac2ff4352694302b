import { CapsuleReader } from "./capsules.ts";
import { EarlyDatagrams } from "./early-datagrams.ts";
import { deliver, EarlyStreams, type SessionStream } from "./early-streams.ts";
import { ErrorCode, Http3Error } from "./http3/errors.ts";
import { StreamType } from "./http3/frames.ts";
import { fieldSectionSize, type RequestFields, readRequestFields } from "./http3/request-fields.ts";
import { RequestStream } from "./http3/request-stream.ts";
import { encodeServerSettings, type PeerSettings } from "./http3/settings.ts";
import type { ConnectionOptions } from "./options.ts";
import { decodeFieldSection } from "./qpack/decoder.ts";
import type { Field } from "./qpack/static-table.ts";
import type { QuicBidirectionalStream, QuicConnection } from "./quic.ts";
import { concatenate } from "./records.ts";
import { encodeResponse, WebTransportRequest } from "./request.ts";
import { type CloseInfo, WebTransportSession } from "./session.ts";
import type { TimerHandle } from "./timers.ts";
import { UnidirectionalStreams } from "./unidirectional.ts";
import { encodeVarint, VarintParser } from "./varint.ts";

/** Bytes that are read at once from requests: one of a browser has 100 to 300. */
const READ_BYTES = 512;
/** Quarter stream ids are smaller: RFC 9297, section 2.1. */
const QUARTER_IDS = 2 ** 60;

const SESSION_ENDED = "the session has ended";

/** Reads the beginning of each datagram in turn. */
const quarterId = new VarintParser();

/** The server's side of an HTTP/3 connection (RFC 9114) that carries one WebTransport session. */
export class Http3Connection {
  readonly #quic: QuicConnection;
  readonly #options: ConnectionOptions;
  readonly #settings = Promise.withResolvers<PeerSettings | undefined>();
  readonly #early: EarlyStreams;
  /** As they came, from before the session. */
  readonly #earlyDatagrams = new EarlyDatagrams();
  /** Streams in use, referred to because a runtime may end those that nobody refers to. */
  readonly #held = new Set<object>();
  /** Whether a request is being decided, or was accepted. */
  #hasRequest = false;
  #session: WebTransportSession | undefined;
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(quic: QuicConnection, options: ConnectionOptions) {
    this.#quic = quic;
    this.#options = options;
    this.#early = new EarlyStreams(options.limits.maxWaitingStreams, options.counters);
  }

  /** Serves the connection to its end; never rejects. */
  run(): Promise<void> {
    this.#setTimer(this.#options.limits.requestTimeoutMs, "no session was asked for");
    this.#guard(this.#serve());
    return this.#quic.closed.then(({ reason }) => this.#release(reason));
  }

  /** Ends the session, or the connection where there is none. */
  shutdown(info: Partial<CloseInfo>): void {
    if (this.#session === undefined) this.#close(ErrorCode.H3_NO_ERROR, "the server stops");
    else this.#session.close(info);
  }

  async #serve(): Promise<void> {
    const quic = this.#quic;
    // Data that come earlier could be a replay of somebody else's.
    await quic.handshake;
    if (this.#isClosed) return;
    quic.receiveDatagrams((datagram) => this.#received(datagram));
    this.#guard(this.#openControlStream());
    this.#guard(this.#acceptUnidirectional());
    for (;;) {
      const stream = await quic.acceptBidirectional();
      if (stream === undefined) return;
      this.#hold(stream, this.#bidirectional(stream));
    }
  }

  async #openControlStream(): Promise<void> {
    const stream = await this.#quic.openUnidirectional();
    if (stream === undefined) {
      throw new Http3Error("H3_STREAM_CREATION_ERROR", "a control stream is not allowed");
    }
    this.#held.add(stream);
    const settings = encodeServerSettings(this.#options.limits.maxFieldSectionSize);
    await stream.write(concatenate([encodeVarint(StreamType.CONTROL), settings]));
  }

  async #acceptUnidirectional(): Promise<void> {
    const streams = new UnidirectionalStreams({
      settings: (settings) => this.#settings.resolve(settings),
      sessionStream: (session, stream) => this.#sessionStream(session, stream),
    });
    for (;;) {
      const stream = await this.#quic.acceptUnidirectional();
      if (stream === undefined) return;
      this.#hold(stream, streams.serve(stream));
    }
  }

  async #bidirectional(stream: QuicBidirectionalStream): Promise<void> {
    const { receive, send } = stream;
    const frames = new RequestStream(this.#options.limits.maxFieldSectionSize);
    let bytes = await receive.read(new Uint8Array(READ_BYTES));
    while (typeof bytes !== "string") {
      const rest = bytes.subarray(frames.push(bytes));
      const { start } = frames;
      if (start?.kind === "session stream") {
        return this.#sessionStream(start.session, { receive, send, early: rest });
      }
      if (start?.kind === "request") {
        const session = await this.#request(stream, start.fieldSection);
        if (session === undefined) return;
        this.#hold([stream, session], this.#readCapsules(stream, frames, session, rest));
        return;
      }
      bytes = await receive.read(new Uint8Array(bytes.buffer));
    }
    if (bytes === "finished") frames.finish();
    await send.finish();
  }

  /** Answers a request; the session where it is accepted. */
  async #request(
    stream: QuicBidirectionalStream,
    fieldSection: Uint8Array,
  ): Promise<WebTransportSession | undefined> {
    const fields = decodeFieldSection(fieldSection);
    if (fieldSectionSize(fields) > this.#options.limits.maxFieldSectionSize) {
      return this.#reject(stream, 431);
    }
    const request = readRequestFields(fields);
    // Before them it is not known what the client supports: draft-ietf-webtrans-http3, section 3.1.
    const settings = await this.#settings.promise;
    if (settings === undefined) return;
    if (request.method !== "CONNECT") return this.#reject(stream, 405, [["allow", "CONNECT"]]);
    if (request.protocol !== "webtransport") return this.#reject(stream, 501);
    if (this.#hasRequest) return this.#reject(stream, 429);
    this.#hasRequest = true;
    this.#clearTimer();
    return this.#decision(stream, request, settings);
  }

  /** What the application makes of a request. */
  #decision(
    stream: QuicBidirectionalStream,
    fields: RequestFields,
    settings: PeerSettings,
  ): Promise<WebTransportSession | undefined> {
    const { promise, resolve } = Promise.withResolvers<WebTransportSession | undefined>();
    const request = new WebTransportRequest(fields, {
      remoteAddress: this.#quic.remoteAddress,
      isOpen: () => !this.#isClosed,
      accept: (headers) => {
        const session = this.#accept(stream, settings, headers);
        resolve(session);
        return session;
      },
      reject: (status, headers) => {
        this.#hasRequest = false;
        this.#dropEarly();
        this.#setTimer(this.#options.limits.closeTimeoutMs, "the request was refused");
        resolve(this.#reject(stream, status, headers));
      },
    });
    this.#guard(this.#handle(request));
    return promise;
  }

  async #handle(request: WebTransportRequest): Promise<void> {
    try {
      await this.#options.handle(request);
    } catch (error) {
      this.#options.report(error);
      if (!request.isDecided) request.reject(500);
    }
  }

  #accept(
    { send }: QuicBidirectionalStream,
    settings: PeerSettings,
    headers: readonly Field[],
  ): WebTransportSession | undefined {
    if (this.#isClosed) return undefined;
    const { limits, counters } = this.#options;
    counters.sessions++;
    void send.write(encodeResponse(200, headers));
    const session = new WebTransportSession({
      quic: this.#quic,
      connect: send,
      takesDatagrams: settings.takesDatagrams,
      maxPendingDatagrams: limits.maxPendingDatagrams,
      maxWaitingStreams: limits.maxWaitingStreams,
      counters,
      closing: () => this.#setTimer(limits.closeTimeoutMs, "the session's end was not answered"),
    });
    this.#session = session;
    this.#early.giveTo(session);
    for (const datagram of this.#earlyDatagrams.takeAll()) this.#datagram(datagram);
    return session;
  }

  async #reject(
    { receive, send }: QuicBidirectionalStream,
    status: number,
    headers: readonly Field[] = [],
  ): Promise<undefined> {
    this.#options.counters.requestsRefused++;
    const written = send.write(encodeResponse(status, headers));
    receive.cancel();
    await written;
    await send.finish();
  }

  /** Reads the stream of the session to its end, with which the connection ends too. */
  async #readCapsules(
    { receive }: QuicBidirectionalStream,
    frames: RequestStream,
    session: WebTransportSession,
    rest: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const capsules = new CapsuleReader(session);
    frames.content = (bytes) => capsules.push(bytes);
    let bytes: Uint8Array<ArrayBuffer> | string = rest;
    while (typeof bytes !== "string") {
      const wasOpen = session.isOpen;
      frames.push(bytes);
      if (wasOpen && !session.isOpen) {
        this.#setTimer(this.#options.limits.closeTimeoutMs, "the session's stream did not end");
      }
      bytes = await receive.read(new Uint8Array(bytes.buffer));
    }
    if (bytes === "finished") {
      frames.finish();
      capsules.finish();
      const wasClosing = session.isClosing;
      session.receiveClose(0, "");
      if (wasClosing) return this.#setTimer(this.#options.limits.lingerMs, SESSION_ENDED);
    } else {
      session.lost("the client broke the session off");
    }
    // A browser would let the connection linger.
    this.#close(ErrorCode.H3_NO_ERROR, SESSION_ENDED);
  }

  /** A stream says that it belongs to a session. */
  #sessionStream(id: number, stream: SessionStream): void {
    if (id % 4 !== 0 || !Number.isSafeInteger(id)) {
      throw new Http3Error("H3_ID_ERROR", `${id} is the id of no session`);
    }
    if (this.#isClosed) this.#early.discard(stream);
    else if (this.#session === undefined) this.#early.keep(id, stream);
    else if (this.#session.id === id) deliver(stream, this.#session);
    else this.#early.discard(stream);
  }

  #received(datagram: Uint8Array): void {
    try {
      this.#datagram(datagram);
    } catch (error) {
      this.#fail(error);
    }
  }

  #datagram(datagram: Uint8Array): void {
    let at = 0;
    while (!quarterId.push(datagram[at++] ?? 0));
    if (at > datagram.length || quarterId.value >= QUARTER_IDS) {
      throw new Http3Error("H3_DATAGRAM_ERROR", "a datagram without a stream id");
    }
    const session = this.#session;
    if (session?.id === quarterId.value * 4) session.receiveDatagram(datagram.subarray(at));
    else if (session !== undefined || !this.#earlyDatagrams.keep(datagram)) {
      this.#options.counters.datagramsDropped++;
    }
  }

  /** There is no session for what came early. */
  #dropEarly(): void {
    this.#early.drop();
    this.#options.counters.datagramsDropped += this.#earlyDatagrams.takeAll().length;
  }

  /** Refers to a stream until the work on it is done. */
  #hold(stream: object, work: Promise<void>): void {
    this.#held.add(stream);
    this.#guard(work.finally(() => this.#held.delete(stream)));
  }

  #setTimer(delayMs: number, reason: string): void {
    this.#clearTimer();
    if (this.#isClosed) return;
    const { timers } = this.#options;
    const expired = () => this.#close(ErrorCode.H3_NO_ERROR, reason);
    this.#timer = timers.setTimeout(expired, delayMs);
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#options.timers.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (error instanceof Http3Error) {
      if (this.#isClosed) return;
      this.#options.counters.protocolErrors++;
      this.#close(error.code, error.message);
    } else {
      this.#options.report(error);
      this.#close(ErrorCode.H3_INTERNAL_ERROR, "internal error");
    }
  }

  #close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#quic.close(code, reason);
    this.#release(reason);
  }

  /** The connection has ended; all that it kept is let go. */
  #release(reason: string): void {
    this.#isClosed = true;
    this.#clearTimer();
    this.#settings.resolve(undefined);
    this.#dropEarly();
    try {
      this.#session?.lost(reason);
    } catch (error) {
      this.#options.report(error);
    }
  }
}
