import type { Random } from "../ports.ts";
import { fraction } from "../random-fraction.ts";

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;
/** A receiver that asks for more is asked again anyway: it may have said so by mistake. */
const MAX_RETRY_AFTER_MS = 600_000;

/**
 * Milliseconds to wait after so many failures in a row: doubled with each up to a minute, of which the
 * second half is chance, so that senders that failed together do not come back together.
 */
export function pauseMs(failures: number, random: Random): number {
  const longest = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  return longest / 2 + (longest / 2) * fraction(random);
}

/**
 * Milliseconds that the header `Retry-After` (RFC 9110 section 10.2.3) asks for, as seconds or as a
 * date; ten minutes at most, and 0 where it asks for nothing that can be read.
 */
export function retryAfterMs(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const text = header.trim();
  const wanted = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(wanted) ? 0 : Math.min(Math.max(wanted, 0), MAX_RETRY_AFTER_MS);
}
