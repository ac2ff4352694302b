import type { TimerHandle } from "../ports.ts";
import { Dots } from "./dots.ts";
import type { Place } from "./messages.ts";
import type { Delta } from "./own-channel.ts";
import type { Peer } from "./peer.ts";
import { Roster } from "./roster.ts";

/** The members that one other node has in one channel, as far as this node knows. */
export interface Replica {
  readonly interest: Interest;
  /** What is shown of them. */
  readonly roster: Roster;
  /**
   * What is known of a node that was silent, together with all that was heard since; shown as soon as nothing is
   * missing, since some of those members may have left meanwhile.
   */
  remembered: Roster | undefined;
  /** An event of the other node up to which the channel has to be known. */
  wanted: number;
  /** The answer in several parts that is arriving, if one is. */
  arriving: Arriving | undefined;
}

/** What has arrived of an answer. */
interface Arriving {
  readonly answer: number;
  readonly parts: Dots;
  /** The last part, and what it says was heard. */
  last: { readonly index: number; readonly heard: Dots } | undefined;
}

/** A channel whose members on other nodes are wanted here. */
export interface Interest {
  readonly app: string;
  readonly channel: string;
  readonly hash: number;
  readonly replicas: Map<Peer, Replica>;
  /** Whether somebody watches. */
  isWatched: boolean;
  /** The tick at which it ends where nobody watches. */
  endsAt: number;
  /** Whoever waits until all other nodes have answered, or it takes too long. */
  waiting: PromiseWithResolvers<void> | undefined;
  deadline: TimerHandle | undefined;
}

/** Whether all is shown that should be. */
export function isComplete({ roster, wanted }: Replica): boolean {
  return reaches(roster, wanted);
}

/** What nobody has to be asked for. */
export function knownOf({ roster, remembered }: Replica): Roster {
  return remembered ?? roster;
}

/** What was remembered, once nothing of it is missing; it is shown from now on. */
export function takeRemembered(replica: Replica): Roster | undefined {
  const { remembered, wanted } = replica;
  if (remembered === undefined || !reaches(remembered, wanted)) return undefined;
  replica.remembered = undefined;
  return remembered;
}

function reaches(roster: Roster, wanted: number): boolean {
  return roster.isWhole && roster.floor >= wanted;
}

/** What is told, without what was heard as long as parts of it are missing. */
export function assembled(replica: Replica, place: Place | undefined, delta: Delta): Delta {
  if (place === undefined) return delta;
  const { answer, index, isLast } = place;
  if (replica.arriving?.answer !== answer) {
    replica.arriving = { answer, parts: Dots.none(), last: undefined };
  }
  const { arriving } = replica;
  arriving.parts.addAll(Dots.range(index, index));
  if (isLast) arriving.last = { index, heard: delta.heard };
  const { last } = arriving;
  const isAll = last !== undefined && arriving.parts.floor === last.index;
  if (isAll) replica.arriving = undefined;
  return { ...delta, heard: isAll ? last.heard : Dots.none() };
}

export function replicaOf(interest: Interest, peer: Peer): Replica {
  let replica = interest.replicas.get(peer);
  if (replica === undefined) {
    // Even of one that nothing has happened at yet it is to be known.
    replica = {
      interest,
      roster: new Roster(),
      remembered: undefined,
      wanted: Math.max(1, peer.now),
      arriving: undefined,
    };
    interest.replicas.set(peer, replica);
  }
  return replica;
}
