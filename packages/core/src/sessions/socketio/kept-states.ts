import type { Counters } from "../../hub/counters.ts";
import { DeadlineQueue } from "../../limits/deadline-queue.ts";
import type { Clock } from "../../ports.ts";
import type { StandingState } from "./standing.ts";

/** A connection that has ended, and whose client may come back to it. */
export interface KeptState {
  /** The id of the connection, which its client had as `socket.id`. */
  readonly id: string;
  readonly app: string;
  readonly user: string | undefined;
  readonly standing: StandingState;
}

/** Who comes back, and to what. */
export interface Claim {
  readonly pid: string;
  readonly app: string;
  readonly user: string | undefined;
}

export interface KeptStatesOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  /** Milliseconds for which each is kept. */
  readonly ttlMs: number;
}

/** States that are kept at a time, and the bytes that they may take together, about. */
export const MAX_STATES = 100_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** What a state costs beside its names, and a channel of it: about that, in bytes. */
const STATE_BYTES = 400;
const CHANNEL_BYTES = 150;

/** The states of connections that have ended at this worker, for a while. */
export class KeptStates {
  readonly #counters: Counters;
  readonly #states = new Map<string, KeptState>();
  readonly #deadlines: DeadlineQueue<KeptState>;
  #bytes = 0;

  constructor({ clock, counters, ttlMs }: KeptStatesOptions) {
    this.#counters = counters;
    this.#deadlines = new DeadlineQueue(clock, ttlMs, (state) => this.#remove(state));
  }

  get size(): number {
    return this.#states.size;
  }

  /** Where that is too much, those that ended first go. */
  add(state: KeptState): void {
    const { pid } = state.standing;
    const known = this.#states.get(pid);
    if (known !== undefined) this.#remove(known);
    this.#states.set(pid, state);
    this.#bytes += bytesOf(state);
    this.#deadlines.add(state);
    for (const oldest of this.#states.values()) {
      if (this.#states.size <= MAX_STATES && this.#bytes <= MAX_BYTES) return;
      this.#remove(oldest);
      this.#counters.statesDropped++;
    }
  }

  /** The state, which is the claimant's from now on; nothing where it is another's. */
  take({ pid, app, user }: Claim): KeptState | undefined {
    const state = this.#states.get(pid);
    if (state === undefined || state.app !== app || state.user !== user) return undefined;
    this.#remove(state);
    return state;
  }

  /** So many of those that ended first, which are the caller's from now on. */
  takeSome(count: number): readonly KeptState[] {
    const some = [...this.#states.values().take(count)];
    for (const state of some) this.#remove(state);
    return some;
  }

  #remove(state: KeptState): void {
    this.#states.delete(state.standing.pid);
    this.#deadlines.remove(state);
    this.#bytes -= bytesOf(state);
  }
}

function bytesOf({ user = "", standing: { starts } }: KeptState): number {
  return starts.reduce(
    (sum, [channel]) => sum + CHANNEL_BYTES + channel.length,
    STATE_BYTES + user.length,
  );
}
