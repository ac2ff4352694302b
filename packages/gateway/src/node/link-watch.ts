import type { Clock, TimerHandle } from "@starling/core/ports.ts";

/** Milliseconds from one look to the next. */
const LOOK_MS = 1_000;

/** A connection to NATS that the gateway workers of the node know nothing of. */
export interface WatchedLink {
  /** What the readiness check says once it has been down for too long. */
  readonly reason: string;
  /** Milliseconds for which it has been down; null while it is up. */
  readonly downMs: number | null;
}

export interface LinkWatchOptions {
  readonly clock: Clock;
  /** Milliseconds for which a link may be down. */
  readonly patienceMs: number;
  links(): readonly WatchedLink[];
  /** Why the node is not ready; undefined when it is again. */
  changed(reason: string | undefined): void;
}

/** Makes the node unready while a connection is down that it needs beside those of its gateway workers. */
export class LinkWatch {
  readonly #options: LinkWatchOptions;
  #timer: TimerHandle | undefined;
  #reason: string | undefined;

  constructor(options: LinkWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#look();
      this.start();
    }, LOOK_MS);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  #look(): void {
    const { links, patienceMs, changed } = this.#options;
    const down = links().filter(({ downMs }) => downMs !== null && downMs >= patienceMs);
    const reason = down.length === 0 ? undefined : down.map((link) => link.reason).join("; ");
    if (reason === this.#reason) return;
    this.#reason = reason;
    changed(reason);
  }
}
