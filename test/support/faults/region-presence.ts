import type { History, Membership, Moment, Sight } from "./history.ts";
import { before, ORDERLY_GRACE_MS } from "./moments.ts";
import type { PresenceLimits } from "./presence-checker.ts";

/** A time in which two regions did not hear one another. */
export interface Partition {
  readonly cutAt: Moment;
  /** When the line was mended, and when every node knew every other again. */
  readonly healedAt: Moment;
  readonly metAt: Moment;
  /** Whether it was longer than the lease, so that members of the other region have to go. */
  readonly isLong: boolean;
}

export interface RegionPresence {
  /** What is wrong, in sentences. */
  readonly faults: readonly string[];
  /** How many times it was seen whether a member of the other region goes and comes. */
  readonly looks: number;
}

type Interval = readonly [Moment, Moment];

/**
 * What members were told of those in the other region, who did not leave: that each went once in a long partition and
 * came back once when it was over, and nothing in a short one. Of members of the own region they hear nothing.
 */
export function checkRegions(
  history: History,
  partitions: readonly Partition[],
  regionOf: (member: string) => number,
  limits: PresenceLimits,
): RegionPresence {
  const faults: string[] = [];
  let looks = 0;
  const byChannel = Map.groupBy(history.memberships, ({ channel }) => channel);
  const { beats } = history;
  for (const partition of partitions) {
    for (const memberships of byChannel.values()) {
      for (const observer of memberships) {
        for (const other of memberships) {
          if (observer.member === other.member) continue;
          const isFar = regionOf(observer.member) !== regionOf(other.member);
          const found = isFar
            ? farFaults({ observer, other, beats }, partition, limits)
            : nearFaults({ observer, other, beats }, partition);
          if (found === undefined) continue;
          if (isFar) looks++;
          const who = `${observer.member} in ${observer.channel} of ${other.member}`;
          faults.push(...found.map((fault) => `${who}: ${fault}`));
        }
      }
    }
  }
  return { faults, looks };
}

interface Pair {
  readonly observer: Membership;
  readonly other: Membership;
  readonly beats: History["beats"];
}

/** Undefined where one of the two was not there all the time. */
function farFaults(
  pair: Pair,
  { cutAt, healedAt, metAt, isLong }: Partition,
  { leaseMs, slackMs }: PresenceLimits,
): readonly string[] | undefined {
  const { observer, other } = pair;
  if (!areThere([observer, other], [cutAt, healedAt])) return undefined;
  // Who came a moment before may not have been heard of yet.
  if (!wasSeen(observer, other.member, cutAt)) return undefined;
  const away = newsOf(observer, other.member, [cutAt, healedAt]);
  if (!isLong) {
    const after = areThere([observer, other], [cutAt, metAt])
      ? newsOf(observer, other.member, [healedAt, metAt])
      : [];
    return [...away, ...after].map(({ what, at }) => `${what} at ${at.toFixed(1)}`);
  }
  const faults: string[] = [];
  const [gone, ...more] = away;
  const latest = cutAt + leaseMs + slackMs;
  if (gone?.what !== "offline") faults.push(`still there, cut off at ${cutAt.toFixed(1)}`);
  else if (gone.at > latest) faults.push(`gone at ${gone.at.toFixed(1)}, after the lease`);
  faults.push(...more.map(({ what, at }) => `${what} at ${at.toFixed(1)}, cut off`));
  const until = endOf(pair);
  // Who is closed then comes back by itself.
  if (until <= metAt + slackMs) return faults;
  const back = newsOf(observer, other.member, [healedAt, until]);
  const [first, ...rest] = back;
  if (first?.what !== "online" || first.at > metAt + slackMs) {
    faults.push(`not back by ${(metAt + slackMs).toFixed(1)}`);
  }
  faults.push(...rest.map(({ what, at }) => `${what} at ${at.toFixed(1)}, back already`));
  return faults;
}

function nearFaults(pair: Pair, { cutAt, metAt }: Partition): readonly string[] | undefined {
  const { observer, other } = pair;
  const until = Math.min(endOf(pair), metAt);
  if (!areThere([observer, other], [cutAt, until])) return undefined;
  const news = newsOf(observer, other.member, [cutAt, until]);
  return news.map(({ what, at }) => `${what} at ${at.toFixed(1)}, in the same region`);
}

/** Until when nobody was about to end: who sees the other go may know of that before the other one does. */
function endOf({ observer, other, beats }: Pair): Moment {
  const ends = [observer, other].map(({ until = Number.POSITIVE_INFINITY }) => until);
  return before(Math.min(...ends), ORDERLY_GRACE_MS, beats);
}

function wasSeen({ sights }: Membership, whose: string, by: Moment): boolean {
  const last = sights.findLast(({ member, at }) => member === whose && at < by);
  return last !== undefined && last.what !== "offline";
}

function areThere(memberships: readonly Membership[], [since, until]: Interval): boolean {
  return memberships.every((each) => {
    const { from = Number.POSITIVE_INFINITY, until: end = Number.POSITIVE_INFINITY } = each;
    return from < since && end >= until;
  });
}

/** Comings and goings; a state by itself is neither. */
function newsOf(
  { sights }: Membership,
  member: string,
  [since, until]: Interval,
): readonly Sight[] {
  return sights.filter(
    ({ what, member: whose, at }) =>
      whose === member && (what === "online" || what === "offline") && at > since && at < until,
  );
}
