import { httpsCall } from "../https.ts";

/**
 * Connections under way. They are always that many on a machine that is too busy, and each waits for all the others:
 * 64 of them took up to four seconds each, where eight took one and were no fewer in all.
 */
const MAX_OPEN = 8;

/** Opens a fresh connection to each address every few milliseconds, though others wait. */
export class Prober {
  served = 0;
  readonly failures: string[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #open = new Set<Promise<void>>();

  /** Every address is expected to answer with 200. */
  constructor(urls: readonly string[], ca: string, intervalMs: number) {
    this.#timer = setInterval(() => {
      for (const url of urls) if (this.#open.size < MAX_OPEN) this.#probe(url, ca);
    }, intervalMs);
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
  }

  #probe(url: string, ca: string): void {
    const since = performance.now();
    const probe = httpsCall(url, ca, { headers: { connection: "close" } }).then(
      ({ status }) => {
        if (status === 200) this.served++;
        else this.failures.push(`${url} at ${since.toFixed(1)}: ${status}`);
      },
      (error: unknown) => void this.failures.push(`${url} at ${since.toFixed(1)}: ${error}`),
    );
    this.#open.add(probe);
    void probe.finally(() => this.#open.delete(probe));
  }
}
