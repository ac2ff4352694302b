import type { Clock, Log, TimerHandle } from "@starling/core/ports.ts";
import { readCertificate } from "./inspect.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Days before the end, which leave a weekend to act. */
const WARNED_BEFORE_MS = 3 * DAY_MS;

/**
 * Warns each day, from three days before the certificate that a process serves with is over: the
 * process goes on with it, whatever its file has become.
 */
export class ExpiryWatch {
  readonly #notAfter: number | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #timer: TimerHandle | undefined;

  /** @param cert PEM text of the certificate, with or without its chain */
  constructor(cert: string, clock: Clock, log: Log) {
    this.#notAfter = readCertificate(cert)?.notAfter;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#look();
      this.start();
    }, HOUR_MS);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = this.#clock.now();
    if (this.#notAfter === undefined || this.#notAfter - now > WARNED_BEFORE_MS) return;
    if (now - this.#warnedAt < DAY_MS) return;
    this.#warnedAt = now;
    const notAfter = new Date(this.#notAfter).toISOString();
    this.#log.warn(
      { notAfter },
      "the certificate in force is soon over, or is already: another one takes a restart",
    );
  }
}
