import { maxBitText } from "./bit-text.ts";
import type { Position } from "./position.ts";
import { Seen, WINDOW } from "./seen.ts";

/** Streams that a cursor names at most. */
export const MAX_STREAMS = 16;
/** Longest text of a cursor; whatever is longer is none. */
const MAX_TEXT_CHARACTERS = 5_000;

const PART =
  /^([\w-]{1,80})\.(0|[1-9]\d{0,15})(?:([~!])([\w-]*)(?:\.([1-9]\d{0,15})(?:\.([1-9]\d{0,15}))?)?)?$/;
const MAX_MISSING = maxBitText(WINDOW);

/**
 * What a client has seen when it saw a publication, of all streams that its channels may be of: for
 * clients that remember one text for all of them.
 *
 * As text the streams are joined by commas. Each is `EPOCH.OFFSET`, where it has not been seen in the order of
 * its numbers followed by `~` and what is missing below, or by `!` and that where more may be missing, and then by
 * `.` and of how many numbers below nobody knows, if there are any; if others lie between that have been seen, also
 * by `.` and how many they are.
 */
export class Cursor {
  /** No place in any stream: from there nothing can be recovered. */
  static readonly nowhere = new Cursor([]);
  readonly streams: readonly Seen[];

  /** Of different streams. */
  constructor(streams: readonly Seen[]) {
    this.streams = streams;
  }

  /** Behind one position. */
  static behind(position: Position): Cursor {
    return new Cursor([Seen.upTo(position)]);
  }

  of(epoch: string): Seen | undefined {
    return this.streams.find((stream) => stream.epoch === epoch);
  }
}

/** One stream of a cursor. */
export function seenText(seen: Seen): string {
  const { epoch, offset } = seen;
  if (seen.isPlain) return `${epoch}.${offset}`;
  const { isSure, missing, floor, settled, unknownTo } = seen;
  const unknown = settled < unknownTo ? `.${unknownTo - settled}` : "";
  const between = unknownTo < floor ? `.${floor - unknownTo}` : "";
  return `${epoch}.${offset}${isSure ? "~" : "!"}${missing}${unknown}${between}`;
}

/** The text of a cursor that says of these positions, too, that they have been seen. */
export function cursorWith(text: string, seen: readonly Position[]): string {
  const cursor = parseCursor(text);
  if (cursor === undefined) return text;
  for (const { epoch, offset } of seen) cursor.of(epoch)?.mark(offset);
  return cursor.streams.map(seenText).join(",");
}

/** Undefined where the text is no cursor. */
export function parseCursor(text: string): Cursor | undefined {
  if (text.length > MAX_TEXT_CHARACTERS) return undefined;
  const parts = text.split(",");
  if (parts.length > MAX_STREAMS) return undefined;
  const streams = parts.map(parseSeen).filter((seen) => seen !== undefined);
  const epochs = new Set(streams.map(({ epoch }) => epoch));
  return epochs.size === parts.length ? new Cursor(streams) : undefined;
}

function parseSeen(text: string): Seen | undefined {
  const [, epoch, digits, kind, missing = "", unknown = "0", seen = "0"] = PART.exec(text) ?? [];
  const offset = Number(digits);
  if (epoch === undefined || !Number.isSafeInteger(offset)) return undefined;
  if (missing.length > MAX_MISSING) return undefined;
  // There is one text for each cursor.
  if (kind === "~" && missing === "" && unknown === "0") return undefined;
  const below = { unknown: Number(unknown), seen: Number(seen) };
  const parsed = Seen.parse({ epoch, offset }, missing, below);
  if (parsed !== undefined) parsed.isSure = kind !== "!";
  return parsed;
}
