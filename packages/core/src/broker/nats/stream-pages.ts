import type { Clock } from "../../ports.ts";
import type { StoredMessage } from "./stored-message.ts";
import type { StoredChannel, StoredLimits, StoredStretch } from "./stored-stream.ts";
import { type Sample, STRIDE, walk } from "./stream-walk.ts";

/** Messages of one channel. */
export interface StoredPart {
  readonly messages: readonly StoredMessage[];
  /**
   * Whether there are others behind them, or before them where it is read backwards; those may lie behind the range
   * where there was room for no more.
   */
  readonly hasMore: boolean;
}

/** What is wanted of a channel. */
export interface Range extends StoredLimits {
  readonly start: number;
  /** What lies behind it is not: a channel in which much is published would have no end. */
  readonly upTo: number;
  /** What lies before it, as far as that is known. */
  readonly known?: Sample | undefined;
}

/** Numbers that are looked at first for the newest messages of a channel. */
const FIRST_WIDTH = 16;
/** How much wider the next part of a stream may be than the one before, where that had little of a channel. */
const GROWTH = 4;
/** Milliseconds after which no more is read backwards: what there is by then goes on. */
const SHORT_MS = 1_000;
/** The newest are at its end, so that what is read backwards is of use only as a whole. */
const WHOLE = { limit: Infinity, maxBytes: Infinity, elapsed: () => 0, took() {} } as const;
const NOTHING: Sample = { numbers: 0, messages: 0, bytes: 0 };

/**
 * Reads a channel from the server that leads the stream: it has all that was acknowledged. Each message is asked
 * for by itself: a consumer would need the servers to agree on it first, which takes seconds when one of them is
 * away. There may be some more messages than were wanted, and fewer where it takes long. Rejected with
 * `broker_unavailable` where a new leader does not have yet what another has acknowledged.
 *
 * @param took is given what has come as it comes, also where the rest then fails
 */
export async function readForwards(
  channel: StoredChannel,
  { start, limit, maxBytes, upTo, known = NOTHING }: Range,
  clock: Pick<Clock, "now">,
  took: (stretch: StoredStretch) => void = () => {},
): Promise<StoredPart> {
  const elapsed = stopWatch(clock);
  const newest = await channel.stream.newestOf(channel.subject);
  const to = Math.min(newest, upTo);
  const from = Math.max(1, start);
  const wanted = { ...channel, from, to, limit, maxBytes, newest, known, elapsed, took };
  const walked = await walk(wanted);
  const hasMore = walked.upTo < to;
  if (!hasMore) took({ messages: [], upTo });
  return { messages: walked.messages, hasMore };
}

/** Reads with the newest first, and only what lies before an offset. */
export async function readBackwards(
  channel: StoredChannel,
  before: number,
  limits: StoredLimits,
  clock: Pick<Clock, "now">,
): Promise<StoredPart> {
  const { stream, subject } = channel;
  const elapsed = stopWatch(clock);
  const newest = await stream.newest(subject);
  const oldest = newest && (await stream.next(subject, 1));
  if (newest === undefined || oldest === undefined) return { messages: [], hasMore: false };
  const messages: StoredMessage[] = newest.offset < before ? [newest] : [];
  let to = Math.min(newest.offset, before) - 1;
  let known = sampleOf([newest], 1);
  // Far away one large part costs less time than several small ones.
  const first = Math.min(stream.atOnce / 2, limits.limit, limits.maxBytes / (known.bytes + 1));
  let width = Math.max(FIRST_WIDTH, Math.floor(first));
  let bytes = bytesOf(messages);
  while (to >= oldest.offset && messages.length < limits.limit && bytes < limits.maxBytes) {
    if (messages.length > 0 && elapsed() >= SHORT_MS) break;
    const from = Math.max(oldest.offset, to - width + 1);
    const span = { ...channel, from, to, newest: newest.offset, known };
    const walked = await walk({ ...span, ...WHOLE });
    messages.push(...walked.messages.toReversed());
    known = sampleOf(walked.messages, to - from + 1);
    bytes += known.bytes;
    to = from - 1;
    const room = ((limits.maxBytes - bytes) * messages.length) / Math.max(1, bytes);
    const wanted = Math.min(limits.limit - messages.length, room, stream.atOnce * STRIDE);
    width = Math.min(width * GROWTH, widthOf(wanted, known));
  }
  const part = cut(messages, limits);
  const end = part.messages.at(-1)?.offset ?? before;
  return { messages: part.messages, hasMore: oldest.offset < end };
}

/** As many as there may be, at least one of any size, and whether that leaves some out. */
export function cut(
  messages: readonly StoredMessage[],
  { limit, maxBytes }: StoredLimits,
): StoredPart {
  let bytes = 0;
  const end = messages.findIndex(({ message }, index) => {
    bytes += message.data.length;
    return index >= limit || (index > 0 && bytes > maxBytes);
  });
  return end < 0
    ? { messages, hasMore: false }
    : { messages: messages.slice(0, end), hasMore: true };
}

export function bytesOf(messages: readonly StoredMessage[]): number {
  return messages.reduce((sum, { message }) => sum + message.data.length, 0);
}

/** What so many numbers had of a channel. */
export function sampleOf(messages: readonly StoredMessage[], numbers: number): Sample {
  return { numbers, messages: messages.length, bytes: bytesOf(messages) };
}

/** How many numbers probably have so many messages of a channel. */
function widthOf(wanted: number, { numbers, messages }: Sample): number {
  return messages === 0 ? Infinity : Math.max(STRIDE, Math.ceil((wanted * numbers) / messages));
}

function stopWatch(clock: Pick<Clock, "now">): () => number {
  const startedAt = clock.now();
  return () => clock.now() - startedAt;
}
