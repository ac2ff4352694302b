/** What the core asks of the world; each runtime adapter brings its own. */

/** The fields of a log line beside its message. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** An opaque handle of a timer that is set. */
export type TimerHandle = object | number;

export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
  /** Runs `callback` once after `delayMs`; a timer alone does not keep the process alive. */
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  clearTimeout(timer: TimerHandle): void;
}

export interface Random {
  /** `length` bytes from a cryptographically strong source. */
  bytes(length: number): Uint8Array;
}

/**
 * One message-preserving link to a client, such as a WebSocket.
 *
 * Its shape is that of Bun's `ServerWebSocket`, so that the native object is the port and no
 * wrapper is allocated for a connection.
 */
export interface MessageSocket {
  /** Bytes queued, `-1` when queued behind backpressure, `0` when the message was dropped. */
  send(message: string | Uint8Array): number;
  /** Bytes accepted by `send` or native fan-out that the peer has not yet taken. */
  getBufferedAmount(): number;
  /** `Fanout.publish` to everybody in the topic but this socket. */
  publish(topic: string, message: string | Uint8Array): number;
  /** The same as `send` and `publish` for what may be lost; absent where nothing ever is. */
  sendUnreliable?(message: string | Uint8Array): number;
  publishUnreliable?(topic: string, message: string | Uint8Array): number;
  /** Sends a protocol-level ping (RFC 6455 section 5.5.2); its pong brings `payload` back. */
  ping(payload: Uint8Array): number;
  /** Joins a native fan-out topic. */
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Sends a close frame and ends the link. */
  close(code: number, reason: string): void;
  /** Ends the link at once and frees what is buffered. */
  terminate(): void;
}

/** The runtime's native fan-out: one call hands a message to every socket in a topic. */
export interface Fanout {
  /**
   * A positive number when every socket took the message, `-1` when some buffered it, `0` when
   * at least one dropped it or nobody is in the topic.
   */
  publish(topic: string, message: string | Uint8Array): number;
  /** The same for what may be lost on the way; absent where nothing ever is. */
  publishUnreliable?(topic: string, message: string | Uint8Array): number;
}

/** A connected stream of bytes, such as a unix socket. */
export interface ByteStream {
  /**
   * Answers how many of the bytes were taken, from the front, to be copied or sent before it
   * returns; the rest has to be written again after `drained`.
   */
  write(bytes: Uint8Array): number;
  /** Ends the stream at once; `closed` follows. */
  end(): void;
}

/** What happens on a stream of bytes. */
export interface ByteStreamHandler {
  /** The bytes are the handler's only until it returns. */
  data(bytes: Uint8Array): void;
  /** The stream takes bytes again. */
  drained(): void;
  /** Called once, whichever side ended it. */
  closed(): void;
}

/** Opens a stream; the promise is rejected where nobody answers. */
export type OpenStream = (handler: ByteStreamHandler) => Promise<ByteStream>;

/** Calls back once what is under way in this turn of the event loop is done. */
export type AfterTurn = (callback: () => void) => void;

/** An HTTP answer, whatever its status. */
export interface HttpResponse {
  readonly status: number;
  /** The body as text, read as UTF-8. */
  readonly body: string;
  /** The header `Retry-After`, where there is one. */
  readonly retryAfter?: string | undefined;
}

export interface HttpRequestOptions {
  /** Milliseconds until the whole answer must be there. */
  readonly timeoutMs: number;
  /** Bytes that the body of the answer may have; `unread` leaves it, and then it is empty. */
  readonly maxBodyBytes: number | "unread";
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Asks other servers.
 *
 * Redirects are not followed: the answer is then the redirect. A promise is rejected where there is
 * no answer: the server cannot be reached, is too slow, or (a RangeError) sends more than is wanted.
 */
export interface HttpClient {
  get(url: string, options: HttpRequestOptions): Promise<HttpResponse>;
  post(url: string, body: string, options: HttpRequestOptions): Promise<HttpResponse>;
}
