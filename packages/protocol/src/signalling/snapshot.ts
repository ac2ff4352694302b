import type { SignalLimits } from "./limits.ts";
import type { Snapshot, SnapshotMember } from "./messages.ts";
import { utf8Length } from "./utf8.ts";

/** Bytes that a snapshot takes beside its channel and its members, at most. */
const ENVELOPE_BYTES = 64;
/** Bytes that a member takes beside its id and its state, at most: keys, heads and the time. */
const MEMBER_BYTES = 32;

/**
 * The snapshot signals that tell a newcomer of `members`, each small enough for a message; one when
 * nobody is there.
 */
export function snapshotPages(
  c: string,
  members: Iterable<SnapshotMember>,
  { messageBytes }: SignalLimits,
): Snapshot[] {
  const room = messageBytes - ENVELOPE_BYTES - utf8Length(c);
  const pages: SnapshotMember[][] = [];
  let page: SnapshotMember[] = [];
  let used = 0;
  for (const member of members) {
    const bytes = MEMBER_BYTES + utf8Length(member.p) + (member.pl?.length ?? 0);
    if (page.length > 0 && used + bytes > room) {
      pages.push(page);
      page = [];
      used = 0;
    }
    page.push(member);
    used += bytes;
  }
  const first = pages.map((ms) => ({ t: "control", op: "snapshot", c, ms, more: true }) as const);
  return [...first, { t: "control", op: "snapshot", c, ms: page }];
}
