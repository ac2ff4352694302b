/** Starts that are remembered; the one that went first is forgotten first. */
const MAX_STARTS = 1_024;
/** A beat that was under way while another start took the place is no sign of life, several are. */
const LATE_BEATS = 2;

/** Starts of nodes that are gone, so that what comes late of them does not bring them back. */
export class Departed {
  /** The last beat that is no sign of life. */
  readonly #starts = new Map<string, number>();

  /** It was silent for too long. */
  silent(start: string, sequence: number): void {
    this.#remember(start, sequence);
  }

  /** Another start of the same node was heard. */
  superseded(start: string, sequence: number): void {
    this.#remember(start, sequence + LATE_BEATS);
  }

  /** It said that it ends. */
  ended(start: string): void {
    this.#remember(start, Number.POSITIVE_INFINITY);
  }

  has(start: string): boolean {
    return this.#starts.has(start);
  }

  /** Whether a beat is a sign of life; then the start is departed no more. */
  returns(start: string, sequence: number): boolean {
    const last = this.#starts.get(start);
    if (last !== undefined && sequence <= last) return false;
    this.#starts.delete(start);
    return true;
  }

  #remember(start: string, sequence: number): void {
    this.#starts.delete(start);
    this.#starts.set(start, sequence);
    const [oldest] = this.#starts.keys();
    if (this.#starts.size > MAX_STARTS && oldest !== undefined) this.#starts.delete(oldest);
  }
}
