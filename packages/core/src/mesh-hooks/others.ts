import { LEASE_TICKS } from "../mesh-presence/heartbeat.ts";
import type { Candidate } from "./election.ts";
import type { Beat } from "./messages.ts";

/** Ticks after which a node that is silent is known no more. */
const FORGET_TICKS = 3 * LEASE_TICKS;

/** What is known of another node that has hooks. */
export interface Other extends Candidate {
  /** The tick at which it was heard last. */
  heardAt: number;
  readonly isLeaving: boolean;
  /** Its last record. */
  readonly last: number;
}

/** The other nodes that say how far they are with hooks, and those that the presence of the mesh says are there. */
export class Others {
  readonly #heard = new Map<string, Other>();
  readonly #present = new Set<string>();
  /** Those that have gone while the link was up. */
  readonly #departed = new Set<string>();

  arrived(start: string): void {
    this.#present.add(start);
    this.#departed.delete(start);
  }

  /** @param isUp whether it is gone, and not this node cut off */
  gone(start: string, isUp: boolean): void {
    this.#present.delete(start);
    if (!isUp) return;
    this.#heard.delete(start);
    this.#departed.add(start);
  }

  /** The link is up again: all have the time of a lease from now on. */
  linkUp(tick: number): void {
    this.#departed.clear();
    for (const other of this.#heard.values()) other.heardAt = tick;
  }

  heard(start: string, { since, isLeaving, last, log }: Beat, tick: number): Other {
    const other = { start, since, isLeaving, last, isInformed: log !== "", heardAt: tick };
    this.#heard.set(start, other);
    return other;
  }

  get(start: string): Other | undefined {
    return this.#heard.get(start);
  }

  /** Whether nothing was heard of it for the time of a lease. */
  isSilent(start: string, tick: number): boolean {
    return tick - (this.#heard.get(start)?.heardAt ?? Number.NEGATIVE_INFINITY) > LEASE_TICKS;
  }

  isPresent(start: string): boolean {
    return this.#present.has(start);
  }

  hasDeparted(start: string): boolean {
    return this.#departed.has(start);
  }

  /** Those that could send. */
  candidates(): Other[] {
    return [...this.#heard.values()].filter(({ start, isLeaving }) => {
      return !isLeaving && this.#present.has(start);
    });
  }

  forgetSilent(tick: number): void {
    for (const [start, { heardAt }] of this.#heard) {
      if (tick - heardAt > FORGET_TICKS) this.#heard.delete(start);
    }
  }
}
