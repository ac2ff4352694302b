/**
 * A place in the stream of publications that keep history: behind the one with this offset, and
 * before the next.
 */
export interface Position {
  /** Names the stream; another one after what was kept has been lost. */
  readonly epoch: string;
  /**
   * Number of a publication, from 1; 0 is the beginning. All channels of a stream share its numbers,
   * so those of one channel grow, and have gaps.
   */
  readonly offset: number;
}

/** Longest text of a position; whatever is longer is none. */
const MAX_TEXT_CHARACTERS = 100;

/** A position as one word, for protocols that carry text: `EPOCH.OFFSET`. */
export function positionText({ epoch, offset }: Position): string {
  return `${epoch}.${offset}`;
}

/** Undefined where the text is no position. */
export function parsePosition(text: string): Position | undefined {
  if (text.length > MAX_TEXT_CHARACTERS) return undefined;
  const [, epoch, digits] = /^([\w-]+)\.(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  const offset = Number(digits);
  if (epoch === undefined || !Number.isSafeInteger(offset)) return undefined;
  return { epoch, offset };
}
