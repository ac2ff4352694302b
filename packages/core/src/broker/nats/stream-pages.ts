import { StarlingError } from "@starling/protocol/errors.ts";
import type { StoredMessage } from "./stored-message.ts";

/** A stream as the server says it that leads it. */
export interface StoredStream {
  look(): Promise<{ readonly last: number }>;
  newestOf(subject: string): Promise<number>;
  newest(subject: string): Promise<StoredMessage | undefined>;
  /** The first message of a channel that has this number or a higher one. */
  next(subject: string, from: number): Promise<StoredMessage | undefined>;
}

/** Messages of one channel. */
export interface StoredPart {
  readonly messages: readonly StoredMessage[];
  /** Whether there are others behind them, or before them where it is read backwards. */
  readonly hasMore: boolean;
}

export interface StoredLimits {
  readonly limit: number;
  /** At least one message is read, however large. */
  readonly maxBytes: number;
}

/** Numbers that one after the other are looked at for messages of a channel, and how many do that at a time. */
const STRIDE = 50;
const WALKERS = 16;
/** How much wider the next part of a stream may be than the one before, where that had little of a channel. */
const GROWTH = 4;

/** Numbers of a stream, both ends included. */
interface Span {
  readonly from: number;
  readonly to: number;
}

interface Walked {
  readonly messages: readonly StoredMessage[];
  /** The first behind the span, where that was seen. */
  readonly next: StoredMessage | undefined;
  /** Whether the limits ended it before the span did. */
  readonly isCut: boolean;
}

/**
 * Reads a channel from `start` on, from the server that leads the stream: it has all that was acknowledged. Each
 * message is asked for by itself: a consumer would need the servers to agree on it first, which takes seconds when
 * one of them is away. Rejected with `broker_unavailable` where a new leader does not have yet what another has
 * acknowledged.
 */
export async function readForwards(
  stream: StoredStream,
  subject: string,
  start: number,
  { limit, maxBytes }: StoredLimits,
): Promise<StoredPart> {
  const newest = await stream.newestOf(subject);
  const messages: StoredMessage[] = [];
  let bytes = 0;
  let from = Math.max(1, start);
  let width = STRIDE;
  while (from <= newest && messages.length < limit && bytes < maxBytes) {
    const span = { from, to: Math.min(newest, from + width - 1) };
    const left = { limit: limit - messages.length, maxBytes: maxBytes - bytes };
    const walked = await walkTogether(stream, subject, span, newest, left);
    messages.push(...walked.messages);
    bytes += bytesOf(walked.messages);
    if (walked.isCut) break;
    from = Math.max(walked.next?.offset ?? 0, span.to + 1);
    const room = Math.min(left.limit, (left.maxBytes * messages.length) / Math.max(1, bytes));
    width = nextWidth(width, walked.messages.length, room);
  }
  const part = cut(messages, { limit, maxBytes });
  const end = part.at(-1)?.offset ?? start - 1;
  return {
    messages: part,
    hasMore: part.length < messages.length || Math.max(end + 1, from) <= newest,
  };
}

/** The same with the newest first, and only what lies before an offset. */
export async function readBackwards(
  stream: StoredStream,
  subject: string,
  before: number,
  limits: StoredLimits,
): Promise<StoredPart> {
  const newest = await stream.newest(subject);
  const oldest = newest && (await stream.next(subject, 1));
  if (newest === undefined || oldest === undefined) return { messages: [], hasMore: false };
  const messages: StoredMessage[] = newest.offset < before ? [newest] : [];
  let to = Math.min(newest.offset, before) - 1;
  let width = STRIDE;
  let bytes = bytesOf(messages);
  while (to >= oldest.offset && messages.length < limits.limit && bytes < limits.maxBytes) {
    const span = { from: Math.max(oldest.offset, to - width + 1), to };
    const all = { limit: Infinity, maxBytes: Infinity };
    const walked = await walkTogether(stream, subject, span, newest.offset, all);
    messages.push(...walked.messages.toReversed());
    bytes += bytesOf(walked.messages);
    to = span.from - 1;
    width = nextWidth(width, walked.messages.length, limits.limit - messages.length);
  }
  const part = cut(messages, limits);
  const end = part.at(-1)?.offset ?? before;
  return { messages: part, hasMore: oldest.offset < end };
}

/** A span in several parts at a time, so that it does not take as many round trips as it has messages. */
async function walkTogether(
  stream: StoredStream,
  subject: string,
  { from, to }: Span,
  newest: number,
  limits: StoredLimits,
): Promise<Walked> {
  const count = Math.min(WALKERS, Math.ceil((to - from + 1) / STRIDE));
  const width = Math.ceil((to - from + 1) / count);
  const spans = Array.from({ length: count }, (_, index) => {
    const start = from + index * width;
    return { from: start, to: Math.min(to, start + width - 1) };
  });
  const parts = await Promise.all(spans.map((span) => walk(stream, subject, span, newest, limits)));
  const cutAt = parts.findIndex(({ isCut }) => isCut);
  const whole = cutAt < 0 ? parts : parts.slice(0, cutAt + 1);
  return {
    messages: whole.flatMap(({ messages }) => messages),
    next: parts.at(-1)?.next,
    isCut: cutAt >= 0,
  };
}

/** The messages of a channel in a span, one after the other. */
async function walk(
  stream: StoredStream,
  subject: string,
  { from, to }: Span,
  newest: number,
  { limit, maxBytes }: StoredLimits,
): Promise<Walked> {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (let at = from; at <= to; ) {
    if (messages.length >= limit || bytes >= maxBytes) {
      return { messages, next: undefined, isCut: true };
    }
    const message = await stream.next(subject, at);
    if (message === undefined) {
      await requireGone(stream, subject, at, newest);
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
async function requireGone(
  stream: StoredStream,
  subject: string,
  from: number,
  newest: number,
): Promise<void> {
  const { last } = await stream.look();
  if (last >= newest && (await stream.newestOf(subject)) < from) return;
  throw new StarlingError("broker_unavailable", "a leader of NATS does not have everything yet");
}

/** How many numbers probably have what there is room for. */
function nextWidth(width: number, found: number, room: number): number {
  const likely = found === 0 ? Infinity : Math.ceil((width * room) / found);
  return Math.max(STRIDE, Math.min(width * GROWTH, likely));
}

function bytesOf(messages: readonly StoredMessage[]): number {
  return messages.reduce((sum, { message }) => sum + message.data.length, 0);
}

/** As many as there may be. */
function cut(
  messages: readonly StoredMessage[],
  { limit, maxBytes }: StoredLimits,
): readonly StoredMessage[] {
  let bytes = 0;
  const end = messages.findIndex(({ message }, index) => {
    bytes += message.data.length;
    return index >= limit || (index > 0 && bytes > maxBytes);
  });
  return end < 0 ? messages : messages.slice(0, end);
}
