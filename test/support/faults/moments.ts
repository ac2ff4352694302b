import { BEAT_MS, type Moment } from "./history.ts";

/**
 * How long before an orderly end something may already have been told to others, or not any more to that client, in
 * milliseconds: the close may have been on its way then.
 */
export const ORDERLY_GRACE_MS = 1_500;

/**
 * What lies so long before a moment, not counting the time in which the run had no turn: an answer and a close that came
 * one right after the other are taken down with all of that between them.
 */
export function before(until: Moment, ms: number, beats: readonly Moment[] = []): Moment {
  if (!Number.isFinite(until)) return until;
  const next = beats.findIndex((at) => at > until);
  const last = next === -1 ? beats.length : next;
  return Math.min(until - ms, beats[Math.max(0, last - Math.ceil(ms / BEAT_MS))] ?? until);
}
