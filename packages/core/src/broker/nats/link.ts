import {
  AuthorizationError,
  type NatsConnection,
  UserAuthenticationExpiredError,
} from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { AfterTurn, Clock, Log, TimerHandle } from "../../ports.ts";

/** Milliseconds until another attempt to reach NATS for the first time. */
const RETRY_MS = 500;
/** Different complaints of servers that are told apart over one link; whatever is more is not said. */
const MAX_COMPLAINTS = 100;

/** What happens on the link. */
export interface LinkHandler {
  /** It is up, for the first time or again; subscriptions are in order. */
  up(connection: NatsConnection): void;
  /** Nothing arrives any more, and what was not confirmed may be lost. */
  down(): void;
}

export interface MeshLinkOptions {
  /**
   * Connects; rejected where no server can be reached. A connection that is lost connects again by itself,
   * for ever.
   */
  connect(): Promise<NatsConnection>;
  readonly clock: Clock;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
}

/** A worker's connection to NATS, and what has arrived there. */
export class MeshLink {
  readonly #options: MeshLinkOptions;
  readonly #handlers: LinkHandler[] = [];
  #connect: () => Promise<NatsConnection>;
  #connection: NatsConnection | undefined;
  #isUp = false;
  #isClosed = false;
  #downSince: number | undefined;
  #wentDownAt: number;
  #retry: TimerHandle | undefined;
  /** Resolved with whether everything before it has arrived. */
  #nextFlush: PromiseWithResolvers<boolean> | undefined;
  readonly #beforeFlush: (() => void)[] = [];
  #isFlushing = false;
  /** What has been said of this link, or of the attempts to have one: all of it comes again and again. */
  readonly #said = new Set<string>();
  /** How often the link has come up. */
  number = 0;

  constructor(options: MeshLinkOptions) {
    this.#options = options;
    this.#connect = options.connect;
    this.#wentDownAt = options.clock.now();
    this.#downSince = this.#wentDownAt;
  }

  /** The connection while it is up. */
  get connection(): NatsConnection | undefined {
    return this.#isUp ? this.#connection : undefined;
  }

  /** The connection, which takes subscriptions also while it is down; undefined until the first is up. */
  get subscriber(): NatsConnection | undefined {
    return this.#connection;
  }

  /** Since when it has been down, ms since the epoch; undefined while it is up. */
  get downSince(): number | undefined {
    return this.#downSince;
  }

  /** When it went down for the last time, also where it is up again; ms since the epoch. */
  get wentDownAt(): number {
    return this.#wentDownAt;
  }

  /** Whether it has been down for so many milliseconds: then nobody is to wait for it any more. */
  hasBeenDownFor(ms: number, now: number): boolean {
    return this.#downSince !== undefined && now - this.#downSince >= ms;
  }

  use(handler: LinkHandler): void {
    this.#handlers.push(handler);
  }

  start(): void {
    void this.#dial();
  }

  /**
   * Answers whether what has been sent up to now has arrived; false where the link broke before that.
   * `before` is called at the last moment: what was sent by then has arrived, too.
   */
  flushed(before?: () => void): Promise<boolean> {
    if (!this.#isUp) return Promise.resolve(false);
    if (before !== undefined) this.#beforeFlush.push(before);
    if (this.#nextFlush === undefined) {
      this.#nextFlush = Promise.withResolvers();
      if (!this.#isFlushing) this.#options.afterTurn(() => void this.#flush());
    }
    return this.#nextFlush.promise;
  }

  /**
   * Connects in another way, from now on. The new connection is there before the old one is left; what comes in
   * between is lost, as where a link breaks.
   *
   * Rejected where it does not come about: then all is as it was.
   */
  async renew(connect: () => Promise<NatsConnection>): Promise<void> {
    const connection = await connect();
    this.#connect = connect;
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    const old = this.#connection;
    this.#connection = undefined;
    this.#down();
    await old?.close();
    await this.#adopt(connection, connect);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    this.#nextFlush?.resolve(false);
    await this.#connection?.close();
  }

  async #dial(): Promise<void> {
    const connect = this.#connect;
    try {
      await this.#adopt(await connect(), connect);
    } catch (error) {
      if (this.#isClosed || connect !== this.#connect) return;
      this.#complain(error, "NATS cannot be reached; trying again");
      this.#retry = this.#options.clock.setTimeout(() => void this.#dial(), RETRY_MS);
    }
  }

  /** Goes on with a connection, unless meanwhile none is wanted any more, or one that is made otherwise. */
  async #adopt(connection: NatsConnection, connect: () => Promise<NatsConnection>): Promise<void> {
    if (this.#isClosed || connect !== this.#connect) {
      await connection.close();
      return;
    }
    this.#connection = connection;
    void this.#watch(connection);
    void connection.closed().then(() => this.#lost(connection));
    this.#options.log.info({ server: connection.getServer() }, "connected to NATS");
    this.#up(connection);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    const { log } = this.#options;
    for await (const status of connection.status()) {
      // Whoever leaves the loop is waited for by the connection when it closes.
      if (this.#isClosed || connection !== this.#connection) continue;
      if (status.type === "disconnect") {
        log.warn({ server: status.server }, "the link to NATS is down");
        this.#down();
      } else if (status.type === "reconnect") {
        log.info({ server: status.server }, "the link to NATS is up again");
        this.#up(connection);
      } else if (status.type === "error") {
        this.#complain(status.error, "NATS reports an error");
      }
    }
  }

  #lost(connection: NatsConnection): void {
    if (this.#isClosed || this.#connection !== connection) return;
    this.#down();
    void this.#dial();
  }

  #complain(cause: unknown, otherwise: string): void {
    const isRefused =
      cause instanceof AuthorizationError || cause instanceof UserAuthenticationExpiredError;
    const message = isRefused ? "NATS refuses what this node says it is; trying again" : otherwise;
    const key = `${message} ${isRefused ? "" : String(cause)}`;
    if (this.#said.has(key) || this.#said.size >= MAX_COMPLAINTS) return;
    this.#said.add(key);
    const error = new StarlingError("broker_unavailable", String(cause), { cause });
    this.#options.log.error({ error, code: error.code }, message);
  }

  #up(connection: NatsConnection): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#said.clear();
    this.#downSince = undefined;
    this.number++;
    for (const handler of this.#handlers) handler.up(connection);
  }

  #down(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    // A connection that is closed for good never answers.
    this.#isFlushing = false;
    this.#wentDownAt = this.#options.clock.now();
    this.#downSince = this.#wentDownAt;
    const waiting = this.#nextFlush;
    this.#nextFlush = undefined;
    waiting?.resolve(false);
    for (const handler of this.#handlers) handler.down();
  }

  /** One at a time, so that under load each confirms more. */
  async #flush(): Promise<void> {
    const { afterTurn } = this.#options;
    const [flush, connection] = [this.#nextFlush, this.connection];
    if (flush === undefined || connection === undefined) return;
    this.#nextFlush = undefined;
    this.#isFlushing = true;
    for (const before of this.#beforeFlush.splice(0)) before();
    const hasArrived = await connection.flush().then(
      () => true,
      () => false,
    );
    this.#isFlushing = false;
    flush.resolve(hasArrived);
    if (this.#nextFlush !== undefined) afterTurn(() => void this.#flush());
  }
}
