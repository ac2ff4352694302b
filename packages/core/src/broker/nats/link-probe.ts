import type { Clock } from "../../ports.ts";
import type { MeshLink } from "./link.ts";

/** How a connection to NATS stands. */
export interface LinkReport {
  /** Milliseconds for which it has been down; null while it is up. */
  readonly downMs: number | null;
  /**
   * Milliseconds that it is behind: what a PING took whose answer came after all that the server had for this
   * connection when it got there. Null where nothing is known yet.
   */
  readonly lagMs: number | null;
}

/** Measures how far a link is behind, each time that somebody wants to know how it was the last time. */
export class LinkProbe {
  readonly #link: Pick<MeshLink, "connection" | "downSince" | "number">;
  readonly #clock: Clock;
  /** The PING that is under way; one of an earlier link is never answered. */
  #asked: { readonly at: number; readonly link: number } | undefined;
  #lagMs: number | null = null;

  constructor(link: Pick<MeshLink, "connection" | "downSince" | "number">, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  report(): LinkReport {
    const { downSince, connection, number } = this.#link;
    const now = this.#clock.now();
    if (downSince !== undefined || connection === undefined) {
      this.#lagMs = null;
      return { downMs: Math.max(0, now - (downSince ?? now)), lagMs: null };
    }
    if (this.#asked?.link !== number) this.#ask(number, () => connection.flush());
    const waitedMs = now - (this.#asked?.at ?? now);
    // Where no answer comes, the link is behind by what it has been waited for at least.
    const isLate = waitedMs > (this.#lagMs ?? 0);
    return { downMs: null, lagMs: isLate ? waitedMs : this.#lagMs };
  }

  #ask(link: number, ping: () => Promise<void>): void {
    const asked = { at: this.#clock.now(), link };
    this.#asked = asked;
    const done = (lagMs: number | null) => {
      if (this.#asked !== asked) return;
      this.#asked = undefined;
      this.#lagMs = lagMs;
    };
    ping().then(
      () => done(Math.max(0, this.#clock.now() - asked.at)),
      () => done(null),
    );
  }
}
