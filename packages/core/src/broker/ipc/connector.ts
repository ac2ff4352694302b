import type { ByteStream, Clock, Log, OpenStream, Random, TimerHandle } from "../../ports.ts";
import { type Hello, helloFrame, readWelcome, type Welcome } from "./handshake.ts";
import type { Link } from "./link.ts";
import { LinkStream } from "./link-stream.ts";

const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 1_000;

export interface ConnectorOptions {
  readonly open: OpenStream;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Milliseconds for which the node may let a greeting wait. */
  readonly patienceMs: number;
  hello(): Hello;
  /** The node has answered; gives the link that goes on over the stream. */
  welcomed(welcome: Welcome, stream: ByteStream): Link;
  /** What came is not what a node may send. */
  faulty(): void;
  /** The stream of a link is no more; another one will be opened. */
  lost(): void;
}

/** Opens a stream to the node, and another one whenever it ends. */
export class Connector {
  readonly #options: ConnectorOptions;
  #delayMs = FIRST_DELAY_MS;
  #timer: TimerHandle | undefined;
  #current: LinkStream | undefined;
  #isEnded = false;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** Connects for the first time. */
  start(): void {
    void this.#connect();
  }

  /** Ends the stream, and opens no other one. */
  end(): void {
    this.#isEnded = true;
    this.#clearTimer();
    this.#current?.end();
  }

  async #connect(): Promise<void> {
    const { open, clock, log, patienceMs } = this.#options;
    const stream = new LinkStream({
      log,
      greeted: (greeting, opened) => this.#welcomed(readWelcome(greeting), opened),
      faulty: () => this.#options.faulty(),
      closed: (link) => this.#closed(link),
    });
    this.#current = stream;
    let opened: ByteStream;
    try {
      opened = await open(stream);
    } catch (error) {
      log.debug({ err: error }, "the node of the broker cannot be reached");
      stream.closed();
      return;
    }
    if (stream.isClosed) {
      opened.end();
      return;
    }
    this.#timer = clock.setTimeout(() => stream.end(), patienceMs);
    stream.opened(opened, helloFrame(this.#options.hello()));
  }

  #welcomed(welcome: Welcome, stream: ByteStream): Link {
    this.#clearTimer();
    this.#delayMs = FIRST_DELAY_MS;
    return this.#options.welcomed(welcome, stream);
  }

  #closed(link: Link | undefined): void {
    this.#clearTimer();
    if (link !== undefined) this.#options.lost();
    if (this.#isEnded) return;
    // Workers that lost their node together must not come back together.
    const chance = (this.#options.random.bytes(1)[0] ?? 0) / 255;
    const delayMs = this.#delayMs * (0.5 + chance / 2);
    this.#delayMs = Math.min(LAST_DELAY_MS, 2 * this.#delayMs);
    this.#timer = this.#options.clock.setTimeout(() => void this.#connect(), delayMs);
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
