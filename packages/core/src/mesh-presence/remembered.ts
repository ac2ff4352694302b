import { LEASE_TICKS } from "./heartbeat.ts";
import { type Interest, knownOf, type Replica } from "./interest.ts";
import type { Peer } from "./peer.ts";
import type { Roster } from "./roster.ts";

/** Ticks for which a silent node is remembered. */
const KEPT_TICKS = 60 * LEASE_TICKS;
/** Members and channels of all silent nodes that are remembered. */
const MAX_KEPT = 100_000;

/** What was known of a node when it fell silent. */
interface Kept {
  readonly node: string;
  readonly until: number;
  readonly rosters: Map<Interest, Roster>;
}

/**
 * What was known of nodes that are silent, in the channels that are wanted here. Nobody is shown it, but what a start
 * has said stays true: when it is back, it is asked only for what has happened since.
 */
export class Remembered {
  /** By start; who fell silent first comes first, and is forgotten first. */
  readonly #nodes = new Map<string, Kept>();
  #size = 0;

  /** Members and channels that are remembered. */
  get size(): number {
    return this.#size;
  }

  keep({ node, start }: Peer, replicas: Iterable<Replica>, tick: number): void {
    const rosters = new Map<Interest, Roster>();
    for (const replica of replicas) {
      const roster = knownOf(replica);
      const size = sizeOf(roster);
      for (const oldest of this.#nodes.keys()) {
        if (this.#size + size <= MAX_KEPT) break;
        this.#forget(oldest);
      }
      if (this.#size + size > MAX_KEPT) continue;
      rosters.set(replica.interest, roster);
      this.#size += size;
    }
    if (rosters.size > 0) this.#nodes.set(start, { node, until: tick + KEPT_TICKS, rosters });
  }

  /** A node is there: what is remembered of this start, which is forgotten here, like other starts of the node. */
  take({ node, start }: Peer): ReadonlyMap<Interest, Roster> | undefined {
    const rosters = this.#nodes.get(start)?.rosters;
    for (const [other, kept] of this.#nodes) {
      if (other === start || (node !== "" && kept.node === node)) this.#forget(other);
    }
    return rosters;
  }

  /** A channel is not wanted any more. */
  unwanted(interest: Interest): void {
    for (const { rosters } of this.#nodes.values()) {
      const roster = rosters.get(interest);
      if (roster === undefined) continue;
      rosters.delete(interest);
      this.#size -= sizeOf(roster);
    }
  }

  expire(tick: number): void {
    for (const [start, { until }] of this.#nodes) {
      if (until <= tick) this.#forget(start);
    }
  }

  #forget(start: string): void {
    for (const roster of this.#nodes.get(start)?.rosters.values() ?? []) {
      this.#size -= sizeOf(roster);
    }
    this.#nodes.delete(start);
  }
}

function sizeOf(roster: Roster): number {
  return 1 + roster.size;
}
