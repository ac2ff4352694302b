import { StarlingError } from "@starling/protocol/errors.ts";
import { Cursor, parseCursor } from "../../hub/cursor.ts";
import type { Beginning } from "../../hub/recovery.ts";

/** Positions that a client may name when it connects. */
const MAX_POSITIONS = 1_000;
const MAX_LAST = 1_000_000;

/**
 * What the argument of a `subscribe` wants of the channel's history; `since` goes before `last`.
 *
 * @throws StarlingError `invalid_request`
 */
export function wantedFrom(argument: unknown): Beginning["from"] {
  const { since, last } = membersOf(argument);
  if (since !== undefined) return cursorFrom(since, "since");
  if (last === undefined) return undefined;
  if (typeof last !== "number" || !Number.isInteger(last) || last < 1 || last > MAX_LAST) {
    const message = `last: must be a whole number from 1 to ${MAX_LAST}`;
    throw new StarlingError("invalid_request", message);
  }
  return { last };
}

/**
 * The positions that a client names when it connects, by channel.
 *
 * @throws StarlingError `invalid_request` or `too_many_channels`
 */
export function wantedPositions(auth: unknown): ReadonlyMap<string, Cursor> {
  const { positions } = membersOf(auth);
  if (positions === undefined || positions === null) return new Map();
  if (typeof positions !== "object" || Array.isArray(positions)) {
    throw new StarlingError("invalid_request", "positions: must be an object");
  }
  const entries = Object.entries(membersOf(positions));
  if (entries.length > MAX_POSITIONS) throw new StarlingError("too_many_channels");
  return new Map(
    entries.map(([channel, position]) => [channel, cursorFrom(position, `positions.${channel}`)]),
  );
}

/** Who comes back: its proof, and the cursor of the last event that it saw, if it saw one. */
export interface ReturnWish {
  readonly pid: string;
  readonly cursor: Cursor | undefined;
}

/** Undefined where the client does not come back, `lost` where it does not know where it stood. */
export function returnWish(auth: unknown): ReturnWish | "lost" | undefined {
  const { pid, offset } = membersOf(auth);
  if (pid === undefined || pid === null) return undefined;
  if (typeof pid !== "string") return "lost";
  if (offset === undefined || offset === null) return { pid, cursor: undefined };
  const cursor = typeof offset === "string" ? parseCursor(offset) : undefined;
  return cursor === undefined ? "lost" : { pid, cursor };
}

function cursorFrom(value: unknown, name: string): Cursor {
  if (typeof value === "string") return parseCursor(value) ?? Cursor.nowhere;
  throw new StarlingError("invalid_request", `${name}: must be a string`);
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
