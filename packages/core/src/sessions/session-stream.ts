import type { Clock, TimerHandle } from "../ports.ts";
import { type OutgoingStream, type Pacer, StreamOutbox } from "./stream-outbox.ts";

/** A session that carries streams; its shape is that of @starling/webtransport. */
export interface StreamSession {
  /** Tells the client; what its streams have not sent may be lost. */
  close(info: { readonly closeCode: number; readonly reason: string }): void;
  /** Breaks the connection off. */
  terminate(): void;
}

export interface SessionStreamOptions {
  readonly clock: Clock;
  readonly pacer: Pacer;
  readonly session: StreamSession;
  readonly stream: OutgoingStream;
  /** Told whenever all that was sent has left, until the session ends. */
  drained(): void;
}

/** How long what was sent may take to leave before the session is ended all the same. */
const FLUSH_MS = 5_000;
/** How long the client has to read the last of its stream, which ends with its session. */
const LINGER_MS = 500;

/** What is sent over the one stream of a session, until both end. */
export class SessionStream {
  readonly #options: SessionStreamOptions;
  readonly #outbox: StreamOutbox;
  /** How the session ends; from then on nothing more is sent. */
  #ending: { readonly closeCode: number; readonly reason: string } | undefined;
  #timer: TimerHandle | undefined;

  constructor(options: SessionStreamOptions) {
    this.#options = options;
    const { stream, pacer } = options;
    this.#outbox = new StreamOutbox(stream, pacer, (isTaken) => this.#emptied(isTaken));
  }

  /** Bytes that the transport has not taken. */
  get bytes(): number {
    return this.#outbox.bytes;
  }

  /** Whether what is sent now waits for what was sent before. */
  get isBusy(): boolean {
    return this.#outbox.isBusy;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** The bytes are not to be changed afterwards. */
  push(bytes: Uint8Array): void {
    if (!this.isEnding) this.#outbox.push(bytes);
  }

  /** Ends the session once everything that was sent has left and the client had time to read it. */
  close(closeCode: number, reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = { closeCode, reason };
    if (this.#outbox.bytes > 0) this.#endAfter(FLUSH_MS);
    else this.#linger();
  }

  terminate(): void {
    this.ended();
    this.#options.session.terminate();
  }

  /** The client writes no more: it has read everything, or has gone without a word. */
  finished(): void {
    if (this.#ending === undefined) this.terminate();
    else this.#endNow();
  }

  /** The session is over, whoever ended it. */
  ended(): void {
    this.#ending ??= { closeCode: 0, reason: "" };
    this.#outbox.end();
    this.#stopTimer();
  }

  #emptied(isTaken: boolean): void {
    if (!isTaken) this.terminate();
    else if (this.#ending !== undefined) this.#linger();
    else this.#options.drained();
  }

  #linger(): void {
    void this.#options.stream.finish();
    this.#endAfter(LINGER_MS);
  }

  #endAfter(delayMs: number): void {
    this.#stopTimer();
    this.#timer = this.#options.clock.setTimeout(() => this.#endNow(), delayMs);
  }

  #endNow(): void {
    this.ended();
    if (this.#ending !== undefined) this.#options.session.close(this.#ending);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
