import { type Answer, whenAnswered } from "../answer.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { Cursor } from "./cursor.ts";
import type { Position } from "./position.ts";
import type { Publication } from "./publication.ts";
import { type Seen, WINDOW } from "./seen.ts";

/** Pages that are looked through at most for what has been seen; they are large where this is reached. */
const MAX_PAGES = 16;
/** Numbers that are looked through first, and twice as many each time. */
const FIRST_NUMBERS = 8;

const NOWHERE: Position = { epoch: "", offset: 0 };

type Page = HistoryPage<Publication>;

export interface BehindOptions {
  /** The stream that the channel is thought to be of; another one costs one more question. */
  readonly epoch?: string | undefined;
  /** What lies up to it is not wanted in any case. */
  readonly least?: number | undefined;
  /** Of the channel. */
  ask(request: HistoryRequest): Answer<Page>;
}

/** The first page of what a cursor's owner has not seen of a channel. */
export interface Behind {
  readonly page: Page;
  /** Everything of the channel up to it has been seen, and nothing behind it; of no use where the page is not complete. */
  readonly since: Position;
}

/**
 * Looks for what of one channel lies behind a cursor. A channel is seen in order, so the newest of its
 * publications that has been seen says which are missing; and while that one is kept, so is all behind it.
 */
export function behind(
  cursor: Cursor,
  request: Pick<HistoryRequest, "limit" | "maxBytes">,
  options: BehindOptions,
): Answer<Behind> {
  const { epoch = "" } = options;
  const guess = cursor.of(epoch) ?? cursor.streams[0];
  if (guess === undefined) return behindPosition(NOWHERE, request, options);
  return whenAnswered(behindSeen(guess, request, options), (found) => {
    const { position } = found.page;
    const right = position.epoch === guess.epoch ? undefined : cursor.of(position.epoch);
    return right === undefined ? found : behindSeen(right, request, options);
  });
}

function behindSeen(
  seen: Seen,
  request: Pick<HistoryRequest, "limit" | "maxBytes">,
  options: BehindOptions,
): Answer<Behind> {
  const { least = 0 } = options;
  const { epoch, offset } = seen;
  if (offset > least && !seen.isPlain) return behindWindow(seen, request, options);
  return behindPosition({ epoch, offset: Math.max(offset, least) }, request, options);
}

function behindPosition(
  since: Position,
  request: Pick<HistoryRequest, "limit" | "maxBytes">,
  { ask }: BehindOptions,
): Answer<Behind> {
  return whenAnswered(ask({ ...request, since }), (page) => ({ page, since }));
}

async function behindWindow(
  seen: Seen,
  request: Pick<HistoryRequest, "limit" | "maxBytes">,
  options: BehindOptions,
): Promise<Behind> {
  const { epoch, offset, isSure, unknownTo, settled } = seen;
  const { least = 0, ask } = options;
  // Mostly the channel is that of the very publication that the cursor came with.
  const first = await ask({
    ...request,
    limit: request.limit + 1,
    since: { epoch, offset: offset - 1 },
  });
  const end = { epoch, offset };
  if (first.position.epoch !== epoch || first.position.offset < offset) return lost(first, end);
  if (first.entries[0]?.offset === offset) {
    return { page: { ...first, entries: first.entries.slice(1), isComplete: true }, since: end };
  }
  const found = await lookThrough(seen, request, options);
  if (found === "unknown") return lost(first, end);
  if (found !== undefined) return behindPosition({ epoch, offset: found }, request, options);
  if (!isSure) return lost(first, end);
  const start = Math.max(least, settled);
  const some = { ...request, limit: Math.max(1, request.limit) };
  const rest = await behindPosition({ epoch, offset: start }, some, options);
  const [oldest] = rest.page.entries;
  return oldest !== undefined && oldest.offset <= unknownTo ? lost(first, end) : rest;
}

/**
 * The channel's newest that has been seen, where it is known of each number; undefined where there is none. It lies
 * mostly just below the cursor's, so it is looked for from there downwards.
 */
async function lookThrough(
  seen: Seen,
  { maxBytes }: Pick<HistoryRequest, "maxBytes">,
  { least = 0, ask }: BehindOptions,
): Promise<number | "unknown" | undefined> {
  const { epoch, offset, unknownTo } = seen;
  const lowest = Math.max(least, unknownTo);
  let pages = 0;
  let high = offset - 1;
  for (let count = FIRST_NUMBERS; ; count *= 2) {
    while (high > lowest && !seen.has(high)) high--;
    if (high <= lowest) return undefined;
    const low = Math.max(lowest, high - count);
    let newest: number | undefined;
    for (let since = low; since < high; ) {
      if (pages++ === MAX_PAGES) return "unknown";
      const page = await ask({
        since: { epoch, offset: since },
        limit: Math.min(high - since, WINDOW),
        maxBytes,
      });
      if (page.position.epoch !== epoch) return "unknown";
      const entries = page.entries.filter((entry) => entry.offset <= high);
      newest = entries.findLast((entry) => seen.has(entry.offset))?.offset ?? newest;
      const last = page.entries.at(-1)?.offset;
      since = page.hasMore && last !== undefined ? last : high;
    }
    if (newest !== undefined) return newest;
    high = low;
  }
}

/** What has been seen cannot be told. */
function lost(page: Page, since: Position): Behind {
  return { page: { ...page, isComplete: false }, since };
}
