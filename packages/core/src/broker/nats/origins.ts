import type { Stamp } from "./envelope.ts";

/** Workers that are remembered; the one that was silent for the longest time is forgotten first. */
const MAX_ORIGINS = 4_096;

interface Origin {
  link: number;
  first: number;
  last: number;
}

/**
 * Tells messages from those that were sent again: a worker that loses its link to NATS repeats what nobody has
 * confirmed. Over one link all of its messages arrive in order, so a few numbers of each worker are enough.
 */
export class Origins {
  readonly #origins = new Map<string, Origin>();

  /** Whether a message has not been seen before. */
  isNew({ origin, link, first, sequence }: Stamp): boolean {
    const known = this.#origins.get(origin);
    if (known === undefined) {
      this.#origins.set(origin, { link, first, last: sequence });
      const [oldest] = this.#origins.keys();
      if (this.#origins.size > MAX_ORIGINS && oldest !== undefined) this.#origins.delete(oldest);
      return true;
    }
    if (link < known.link) {
      // It came late, by a slower way: what was not confirmed has been repeated since.
      return sequence < known.first;
    }
    if (link > known.link) {
      known.link = link;
      known.first = first;
      this.#origins.delete(origin);
      this.#origins.set(origin, known);
    }
    if (sequence <= known.last) return false;
    known.last = sequence;
    return true;
  }
}
