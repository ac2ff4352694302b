import { Http3Connection } from "./connection.ts";
import { type Counters, newCounters } from "./counters.ts";
import { ErrorCode } from "./http3/errors.ts";
import { defaultLimits, type Limits } from "./options.ts";
import type { QuicAddress, QuicEndpoint, QuicIncoming } from "./quic.ts";
import type { WebTransportRequest } from "./request.ts";
import type { CloseInfo } from "./session.ts";
import type { Timers } from "./timers.ts";

export interface ServerOptions {
  /** The socket, which the server closes when it is closed. */
  readonly endpoint: QuicEndpoint;
  readonly timers: Timers;
  /** Decides about each request, at once or later; what it throws rejects it with 500. */
  handle(request: WebTransportRequest): void | Promise<void>;
  /** Whether a client may connect, asked before its handshake. Default: everybody. */
  admit?(address: QuicAddress): boolean;
  /** Is told what the application's functions throw. */
  report(error: unknown): void;
  /** Connections at a time; more are refused. Default 10,000. */
  readonly maxConnections?: number;
  readonly limits?: Partial<Limits>;
}

const DEFAULT_MAX_CONNECTIONS = 10_000;

/** Takes the connections of an endpoint and serves WebTransport on each. */
export class WebTransportServer {
  readonly counters: Counters = newCounters();
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #maxConnections: number;
  readonly #connections = new Map<Http3Connection, Promise<void>>();
  #isClosing = false;
  #closed: Promise<void> | undefined;

  /** Begins to serve at once. */
  constructor(options: ServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    void this.#acceptAll();
  }

  get address(): QuicAddress {
    return this.#options.endpoint.address;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Resolves when the connections that are open now have ended, whoever comes meanwhile. */
  async ended(): Promise<void> {
    await Promise.all(this.#connections.values());
  }

  /**
   * Ends all sessions, waits until the clients have answered or have not done so for too long, and
   * closes the endpoint. New connections are refused meanwhile.
   */
  close(info: Partial<CloseInfo> = {}): Promise<void> {
    this.#closed ??= this.#close(info);
    return this.#closed;
  }

  async #close(info: Partial<CloseInfo>): Promise<void> {
    this.#isClosing = true;
    for (const connection of this.#connections.keys()) connection.shutdown(info);
    await this.ended();
    await this.#options.endpoint.close();
  }

  async #acceptAll(): Promise<void> {
    const { endpoint } = this.#options;
    for (;;) {
      const incoming = await endpoint.incoming();
      if (incoming === undefined) return;
      this.#accept(incoming);
    }
  }

  /** Waits for nothing: a client that leaves its handshake half done must not hold up others. */
  #accept(incoming: QuicIncoming): void {
    if (this.#isClosing || this.#connections.size >= this.#maxConnections) {
      this.counters.connectionsRefused++;
      incoming.refuse();
      return;
    }
    const quic = incoming.accept();
    if (quic === undefined) return;
    if (!this.#admits(quic.remoteAddress)) {
      this.counters.connectionsRefused++;
      quic.close(ErrorCode.H3_EXCESSIVE_LOAD, "not admitted");
      return;
    }
    this.counters.connections++;
    const { timers } = this.#options;
    const connection = new Http3Connection(quic, {
      timers,
      limits: this.#limits,
      counters: this.counters,
      handle: (request) => this.#options.handle(request),
      report: (error) => this.#options.report(error),
    });
    this.#connections.set(connection, this.#run(connection));
  }

  #admits(address: QuicAddress): boolean {
    try {
      return this.#options.admit?.(address) ?? true;
    } catch (error) {
      this.#options.report(error);
      return false;
    }
  }

  async #run(connection: Http3Connection): Promise<void> {
    await connection.run();
    this.#connections.delete(connection);
  }
}
