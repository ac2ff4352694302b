import type { History, Membership, Moment, Sight } from "./history.ts";
import type { Violation } from "./violation.ts";

/** From, and up to. */
type Interval = readonly [Moment, Moment];

/** What the presence of a node allows, in milliseconds. */
export interface PresenceLimits {
  /** How long a member may be listed after it has gone. */
  readonly leaseMs: number;
  /** How long news may take. */
  readonly slackMs: number;
}

/** Finds members that are seen after they went, that are not seen, and that come or go more often than they did. */
export function checkPresence(history: History, limits: PresenceLimits): Violation[] {
  const byChannel = Map.groupBy(history.memberships, ({ channel }) => channel);
  return [...byChannel.values()].flatMap((memberships) => {
    const byMember = Map.groupBy(memberships, ({ member }) => member);
    return memberships.flatMap((observer) => {
      const seen = Map.groupBy(observer.sights, ({ member }) => member);
      return [...byMember]
        .filter(([member]) => member !== observer.member)
        .flatMap(([member, theirs]) => {
          const sights = seen.get(member) ?? [];
          return checkPair({ ...observer, sights }, member, theirs, history.end, limits);
        });
    });
  });
}

function checkPair(
  observer: Membership,
  member: string,
  theirs: readonly Membership[],
  end: Moment,
  limits: PresenceLimits,
): Violation[] {
  const { leaseMs, slackMs } = limits;
  const { from } = observer;
  if (from === undefined) return [];
  const until = observer.until ?? end;
  const { sights } = observer;
  const listed = listedIn(sights, until);
  const there = theirs.flatMap((each) => presentIn(each, end));
  const who = `${observer.member} in ${observer.channel} from ${from.toFixed(1)} to ${until.toFixed(1)}`;
  const violations: Violation[] = [];
  const perhapsThere = theirs.flatMap((each) => perhapsPresentIn(each, end));
  for (const [gone, back] of gapsOf(perhapsThere, end)) {
    const ghost = overlap(listed, [gone + leaseMs + slackMs, back]);
    if (ghost === undefined) continue;
    const text = `${who} still saw ${member} at ${ghost.toFixed(1)}, gone at ${gone.toFixed(1)}`;
    violations.push({ kind: "ghost", text });
  }
  const unlisted = gapsOf([[Number.NEGATIVE_INFINITY, from], ...listed], until);
  for (const [came, left] of there) {
    const owed: Interval = [Math.max(came, from) + slackMs, Math.min(left, until) - slackMs];
    const missing = overlap(unlisted, owed);
    if (missing === undefined) continue;
    const text = `${who} did not see ${member} at ${missing.toFixed(1)}, there since ${came.toFixed(1)}`;
    violations.push({ kind: "missing member", text });
  }
  return [...violations, ...repetitions(who, { ...observer, from, sights }, theirs, limits)];
}

/**
 * What was told once more than it can have happened. Each connection comes and goes once; one that went before it was
 * announced is told of as well, so that two may go in a row.
 */
function repetitions(
  who: string,
  { from, sights }: { readonly from: Moment; readonly sights: readonly Sight[] },
  theirs: readonly Membership[],
  { leaseMs, slackMs }: PresenceLimits,
): Violation[] {
  const violations: Violation[] = [];
  /** When the observer last heard the opposite, and how often it has heard the same since. */
  const since = { online: from, offline: from };
  const times = { online: 0, offline: 0 };
  for (const { what, member, at } of sights) {
    if (what === "offline") {
      since.online = at;
      times.online = 0;
    } else {
      since.offline = at;
      times.offline = 0;
    }
    if (what !== "online" && what !== "offline") continue;
    times[what]++;
    const possible = theirs.filter(
      ({ askedAt, from: joinedAt, until }) =>
        (askedAt ?? joinedAt ?? at) < at &&
        (until ?? (what === "online" ? at : Number.NEGATIVE_INFINITY)) + leaseMs + slackMs >=
          since[what],
    );
    if (times[what] <= Math.max(1, possible.length)) continue;
    const stays = theirs.map(({ askedAt, until }) => `${askedAt?.toFixed(1)}-${until?.toFixed(1)}`);
    const text = `${who} was told at ${at.toFixed(1)} again that ${member} is ${what}, there ${stays}`;
    violations.push({ kind: `double ${what}`, text });
  }
  return violations;
}

/** When an observer has a member on its list. */
function listedIn(sights: readonly Sight[], until: Moment): Interval[] {
  const intervals: Interval[] = [];
  let since: Moment | undefined;
  for (const { what, at } of sights) {
    if (what !== "offline") since ??= at;
    else if (since !== undefined) {
      intervals.push([since, at]);
      since = undefined;
    }
  }
  if (since !== undefined) intervals.push([since, until]);
  return intervals;
}

function presentIn({ from, until }: Membership, end: Moment): Interval[] {
  return from === undefined ? [] : [[from, until ?? end]];
}

/** The same from the moment at which the join was on its way. */
function perhapsPresentIn({ askedAt, from = askedAt, until }: Membership, end: Moment): Interval[] {
  return from === undefined ? [] : [[Math.min(askedAt ?? from, from), until ?? end]];
}

/** What lies between the intervals and after them; nothing before the first. */
function gapsOf(intervals: readonly Interval[], end: Moment): Interval[] {
  const gaps: Interval[] = [];
  let covered: Moment | undefined;
  for (const [from, until] of intervals.toSorted(([a], [b]) => a - b)) {
    if (covered !== undefined && from > covered) gaps.push([covered, from]);
    covered = Math.max(covered ?? until, until);
  }
  if (covered !== undefined && covered < end) gaps.push([covered, end]);
  return gaps;
}

/** The first moment of `within` that an interval covers. */
function overlap(intervals: readonly Interval[], [from, until]: Interval): Moment | undefined {
  const hit = intervals.find(([a, b]) => Math.max(a, from) < Math.min(b, until));
  return hit === undefined ? undefined : Math.max(hit[0], from);
}
