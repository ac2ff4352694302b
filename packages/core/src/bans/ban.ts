/**
 * Whether a user may connect to an app, as it was last said. Of two statements the newer holds, so that they can be put
 * together in any order.
 */
export interface Ban {
  readonly app: string;
  readonly user: string;
  /** When it ends, ms since the epoch; 0 where it was lifted. */
  readonly until: number;
  /** Until when it has to be remembered, since an older one may come that would end only then. */
  readonly keptUntil: number;
  /** Counts what is said of the user: about the time, but always more than what was known before. */
  readonly stamp: number;
  /** Who said it, where two said something at the same time. */
  readonly by: string;
}

function isNewer(a: Ban, b: Ban): boolean {
  if (a.stamp !== b.stamp) return a.stamp > b.stamp;
  if (a.by !== b.by) return a.by > b.by;
  return a.until > b.until;
}

/** What two statements about the same user come to: commutative, associative and idempotent. */
export function mergedBan(a: Ban, b: Ban): Ban {
  const [newer, older] = isNewer(a, b) ? [a, b] : [b, a];
  if (newer.keptUntil >= older.keptUntil) return newer;
  return { ...newer, keptUntil: older.keptUntil };
}
