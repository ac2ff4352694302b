import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock } from "../../ports.ts";
import type { StoredMessage } from "./stored-message.ts";

/** A stream as the server says it that leads it. */
export interface StoredStream {
  look(): Promise<{ readonly last: number }>;
  newestOf(subject: string): Promise<number>;
  newest(subject: string): Promise<StoredMessage | undefined>;
  /** The first message of a channel that has this number or a higher one. */
  next(subject: string, from: number): Promise<StoredMessage | undefined>;
}

/** A channel of a stream. */
export interface StoredChannel {
  readonly stream: StoredStream;
  readonly subject: string;
}

/** Messages of one channel. */
export interface StoredPart {
  readonly messages: readonly StoredMessage[];
  /**
   * Whether there are others behind them, or before them where it is read backwards; those may lie behind the range
   * where there was room for no more.
   */
  readonly hasMore: boolean;
}

export interface StoredLimits {
  readonly limit: number;
  /** At least one message is read, however large. */
  readonly maxBytes: number;
}

/** What is wanted of a channel. */
export interface Range extends StoredLimits {
  readonly start: number;
  /** What lies behind it is not: a channel in which much is published would have no end. */
  readonly upTo: number;
  /** How many of the numbers before it were of the channel, from 0 to 1; undefined where that is not known. */
  readonly density?: number | undefined;
}

/** What follows what was known of a channel. */
export interface StoredStretch {
  readonly messages: readonly StoredMessage[];
  /** The number up to which they are all that there is. */
  readonly upTo: number;
}

/** Numbers that one after the other are looked at for messages of a channel, at least. */
const STRIDE = 4;
/** How many such stretches are looked at together, and how many messages are hoped for there. */
const WALKERS = 32;
const ROUND = WALKERS * STRIDE;
/** Numbers that are looked at first of a channel of which nothing is known. */
const FIRST_WIDTH = 16;
/** How much wider the next part of a stream may be than the one before, where that had little of a channel. */
const GROWTH = 4;
/** Milliseconds after which no more is asked for: what there is by then goes on. */
const SHORT_MS = 1_000;

/** Numbers of a stream, both ends included. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a span is walked for. */
interface Walk extends StoredChannel, StoredLimits {
  /** The newest message of the channel, as it was said before. */
  readonly newest: number;
  isLate(): boolean;
}

interface Walked {
  readonly messages: readonly StoredMessage[];
  /** The first behind the span, where that was seen. */
  readonly next: StoredMessage | undefined;
  /** Whether limits or the time ended it before the span did. */
  readonly isCut: boolean;
}

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
  { start, limit, maxBytes, upTo, density }: Range,
  clock: Pick<Clock, "now">,
  took: (stretch: StoredStretch) => void = () => {},
): Promise<StoredPart> {
  const isLate = lateness(clock);
  const newest = await channel.stream.newestOf(channel.subject);
  const end = Math.min(newest, upTo);
  const messages: StoredMessage[] = [];
  let bytes = 0;
  let from = Math.max(1, start);
  let width = density ? widthOf(Math.min(limit, ROUND), density) : FIRST_WIDTH;
  while (from <= end && messages.length < limit && bytes < maxBytes) {
    if (messages.length > 0 && isLate()) break;
    const span = { from, to: Math.min(end, from + width - 1) };
    const left = { limit: limit - messages.length, maxBytes: maxBytes - bytes };
    const walked = await walkTogether({ ...channel, ...left, newest, isLate }, span);
    messages.push(...walked.messages);
    bytes += bytesOf(walked.messages);
    const last = messages.at(-1)?.offset ?? 0;
    from = 1 + (walked.isCut ? last : Math.max((walked.next?.offset ?? 0) - 1, span.to));
    took({ messages: walked.messages, upTo: Math.min(from - 1, upTo) });
    const room = ((maxBytes - bytes) * messages.length) / Math.max(1, bytes);
    width = nextWidth(width, walked.messages.length, Math.min(limit - messages.length, room));
  }
  if (from > end) took({ messages: [], upTo });
  return { messages, hasMore: from <= end };
}

/** Reads with the newest first, and only what lies before an offset. */
export async function readBackwards(
  channel: StoredChannel,
  before: number,
  limits: StoredLimits,
  clock: Pick<Clock, "now">,
): Promise<StoredPart> {
  const { stream, subject } = channel;
  const isLate = lateness(clock);
  const newest = await stream.newest(subject);
  const oldest = newest && (await stream.next(subject, 1));
  if (newest === undefined || oldest === undefined) return { messages: [], hasMore: false };
  const messages: StoredMessage[] = newest.offset < before ? [newest] : [];
  let to = Math.min(newest.offset, before) - 1;
  let width = FIRST_WIDTH;
  let bytes = bytesOf(messages);
  while (to >= oldest.offset && messages.length < limits.limit && bytes < limits.maxBytes) {
    if (messages.length > 0 && isLate()) break;
    const span = { from: Math.max(oldest.offset, to - width + 1), to };
    // The newest are at its end, so that it is of use only as a whole.
    const all = { limit: Infinity, maxBytes: Infinity, isLate: () => false };
    const walked = await walkTogether({ ...channel, ...all, newest: newest.offset }, span);
    messages.push(...walked.messages.toReversed());
    bytes += bytesOf(walked.messages);
    to = span.from - 1;
    width = nextWidth(width, walked.messages.length, limits.limit - messages.length);
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

function lateness(clock: Pick<Clock, "now">): () => boolean {
  const shortAt = clock.now() + SHORT_MS;
  return () => clock.now() >= shortAt;
}

/** A span in several parts at a time, so that it does not take as many round trips as it has messages. */
async function walkTogether(options: Walk, { from, to }: Span): Promise<Walked> {
  const count = Math.min(WALKERS, Math.ceil((to - from + 1) / STRIDE));
  const width = Math.ceil((to - from + 1) / count);
  const spans = Array.from({ length: count }, (_, index) => {
    const start = from + index * width;
    return { from: start, to: Math.min(to, start + width - 1) };
  });
  const parts = await Promise.all(spans.map((span) => walk(options, span)));
  const cutAt = parts.findIndex(({ isCut }) => isCut);
  const whole = cutAt < 0 ? parts : parts.slice(0, cutAt + 1);
  return {
    messages: whole.flatMap(({ messages }) => messages),
    next: parts.at(-1)?.next,
    isCut: cutAt >= 0,
  };
}

/** The messages of a channel in a span, one after the other. */
async function walk(options: Walk, { from, to }: Span): Promise<Walked> {
  const { stream, subject, limit, maxBytes, isLate } = options;
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (let at = from; at <= to; ) {
    const isEnough = messages.length >= limit || bytes >= maxBytes;
    // A span that has more than was to be expected does not go on for long.
    if (isEnough || (messages.length >= STRIDE && isLate())) {
      return { messages, next: undefined, isCut: true };
    }
    const message = await stream.next(subject, at);
    if (message === undefined) {
      await requireGone(options, at);
      return { messages, next: undefined, isCut: false };
    }
    if (message.offset > to) return { messages, next: message, isCut: false };
    messages.push(message);
    bytes += message.message.data.length;
    at = message.offset + 1;
  }
  return { messages, next: undefined, isCut: false };
}

/** Nothing is left of a channel from there on, though there was: it became too old, or a leader does not have it yet. */
async function requireGone({ stream, subject, newest }: Walk, from: number): Promise<void> {
  const { last } = await stream.look();
  if (last >= newest && (await stream.newestOf(subject)) < from) return;
  throw new StarlingError("broker_unavailable", "a leader of NATS does not have everything yet");
}

/** How many numbers are looked at next, after so many in which so many messages were found. */
function nextWidth(width: number, found: number, room: number): number {
  const likely = found === 0 ? Infinity : widthOf(Math.min(room, ROUND), found / width);
  return Math.min(width * GROWTH, likely);
}

/** How many numbers probably have so many messages of a channel. */
function widthOf(messages: number, density: number): number {
  return Math.max(STRIDE, Math.ceil(messages / density));
}
