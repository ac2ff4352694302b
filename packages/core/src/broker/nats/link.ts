import type { NatsConnection } from "@nats-io/nats-core";
import type { AfterTurn, Clock, Log, TimerHandle } from "../../ports.ts";

/** Milliseconds until another attempt to reach NATS for the first time. */
const RETRY_MS = 500;

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
  #connection: NatsConnection | undefined;
  #isUp = false;
  #isClosed = false;
  #downSince: number | undefined;
  #retry: TimerHandle | undefined;
  /** Resolved with whether everything before it has arrived. */
  #nextFlush: PromiseWithResolvers<boolean> | undefined;
  readonly #beforeFlush: (() => void)[] = [];
  #isFlushing = false;
  #attempts = 0;
  /** How often the link has come up. */
  number = 0;

  constructor(options: MeshLinkOptions) {
    this.#options = options;
    this.#downSince = options.clock.now();
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

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    this.#nextFlush?.resolve(false);
    await this.#connection?.close();
  }

  async #dial(): Promise<void> {
    const { connect, log, clock } = this.#options;
    try {
      const connection = await connect();
      if (this.#isClosed) {
        await connection.close();
        return;
      }
      this.#connection = connection;
      void this.#watch(connection);
      void connection.closed().then(() => this.#lost(connection));
      log.info({ server: connection.getServer() }, "connected to NATS");
      this.#up(connection);
    } catch (error) {
      if (this.#isClosed) return;
      // The first says it; the others would only repeat it.
      if (this.#attempts++ === 0) log.error({ error }, "NATS cannot be reached; trying again");
      this.#retry = clock.setTimeout(() => void this.#dial(), RETRY_MS);
    }
  }

  async #watch(connection: NatsConnection): Promise<void> {
    const { log } = this.#options;
    for await (const status of connection.status()) {
      // Whoever leaves the loop is waited for by the connection when it closes.
      if (this.#isClosed) continue;
      if (status.type === "disconnect") {
        log.warn({ server: status.server }, "the link to NATS is down");
        this.#down();
      } else if (status.type === "reconnect") {
        log.info({ server: status.server }, "the link to NATS is up again");
        this.#up(connection);
      } else if (status.type === "error") {
        log.error({ error: status.error }, "NATS reports an error");
      }
    }
  }

  #lost(connection: NatsConnection): void {
    if (this.#isClosed || this.#connection !== connection) return;
    this.#down();
    this.#attempts = 0;
    void this.#dial();
  }

  #up(connection: NatsConnection): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#downSince = undefined;
    this.number++;
    for (const handler of this.#handlers) handler.up(connection);
  }

  #down(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    // A connection that is closed for good never answers.
    this.#isFlushing = false;
    this.#downSince = this.#options.clock.now();
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
